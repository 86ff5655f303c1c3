"""Archive files with other values than the exchange beside them.

- Wherever in the range, and in whatever timeframe, the archive has other values than the exchange:
  the candles are the exchange's. A warning tells file, month, number and what was used.
- Daily files are used if the exchange confirms them, else the exchange is.
- An exchange whose hours are not made of its minutes, or that has none, is no reason to refuse.

Binance's archive has monthly rows other than daily ones and REST: binance/binance-public-data#475,
#178.
"""

import logging
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest

from coin_assets.domain.candles.frame import between
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe, next_month
from coin_assets.errors import InvalidCandles, SymbolUnavailable
from coin_assets.market.base import Page
from coin_assets.market.combined import CombinedMarket
from coin_assets_tests.market.archived import (
    HOUR,
    LAST,
    MIDDLE,
    MONTHS,
    Change,
    archived,
    exchange_candles,
    require_exchange_candles,
    save_days,
    save_month,
)
from coin_assets_tests.market.patchy import PatchyMarket


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], list[str]]]:
    with caplog.at_level(logging.WARNING):
        yield lambda: [record.getMessage() for record in caplog.records]


def changed(columns: list[str], factor: float, first: float, count: int) -> Change:
    """``count`` candles from ``first`` (a share of the month) on have other values."""

    def change(candles: pd.DataFrame) -> pd.DataFrame:
        at = int(first * (len(candles) - 1))
        candles.loc[at : at + count - 1, columns] *= factor
        prices = candles[["open", "high", "low", "close"]]
        return candles.assign(high=prices.max(axis=1), low=prices.min(axis=1))

    return change


PRICES = ["open", "high", "low", "close"]
DIFFERENT: dict[str, Change] = {
    "50 prices": changed(PRICES, 1.2, 0.4, 50),
    "50 prices by little": changed(PRICES, 1.0005, 0.77, 50),
    "50 closes at the end": changed(["close"], 0.998, 0.9, 50),
    "one volume at the start": changed(["volume"], 0.4, 0.0, 1),
    "one volume by little": changed(["volume"], 1.001, 0.5, 1),
    "all volumes": changed(["volume"], 6.0, 0.0, 100_000),
}


@pytest.mark.parametrize("with_days", [True, False])
@pytest.mark.parametrize(
    "name", ["5m", *(pytest.param(name, marks=pytest.mark.slow) for name in ("15m", "30m")), "1h"]
)
@pytest.mark.parametrize("what", DIFFERENT)
def test_a_month_that_differs_is_not_stored_as_the_archive_has_it(
    tmp_path: Path, warnings: Callable[[], list[str]], what: str, name: str, with_days: bool
) -> None:
    series = HOUR.at(Timeframe(name))
    files = archived(tmp_path, series, [MIDDLE] if with_days else None)
    file = save_month(tmp_path, series, MIDDLE, DIFFERENT[what])
    exchange = PatchyMarket()
    require_exchange_candles(CombinedMarket(files, exchange), series)
    (warning,) = warnings()
    assert f"BTC/USDT {name} 2024-10: " in warning
    assert file in warning
    assert f"taken from the {'daily files' if with_days else 'exchange'}" in warning
    whole = (MIDDLE, LAST)
    asked = exchange.asked.count(whole)
    is_compared_directly = series.timeframe.seconds >= 3600
    assert asked == 2 - with_days if is_compared_directly else asked <= 2


@pytest.mark.parametrize("month", MONTHS)
def test_every_month_is_compared(
    tmp_path: Path, warnings: Callable[[], list[str]], month: datetime
) -> None:
    files = archived(tmp_path, HOUR)
    save_month(tmp_path, HOUR, month, DIFFERENT["50 prices"])
    require_exchange_candles(CombinedMarket(files, PatchyMarket()), HOUR)
    assert [f"{month:%Y-%m}" in warning for warning in warnings()] == [True]


@pytest.mark.parametrize(("name", "year"), [("4h", 2024), ("1d", 2021)])
def test_months_of_long_candles_are_compared_together(
    tmp_path: Path, warnings: Callable[[], list[str]], name: str, year: int
) -> None:
    series, start = HOUR.at(Timeframe(name)), MIDDLE.replace(year=year, month=1)
    files = archived(tmp_path, series, start=start)
    for month in (next_month(start), MIDDLE):
        save_month(tmp_path, series, month, changed(["volume"], 0.5, 0.5, 3), start)
    exchange = PatchyMarket()
    require_exchange_candles(CombinedMarket(files, exchange), series, start)
    assert len(warnings()) == 2
    # The overlap, two or three comparisons, the two months, and the tail.
    assert len(exchange.asked) <= 7


def test_days_that_differ_as_well_are_not_used(
    tmp_path: Path, warnings: Callable[[], list[str]]
) -> None:
    files = archived(tmp_path, HOUR)
    change = DIFFERENT["50 prices"]
    save_month(tmp_path, HOUR, MIDDLE, change)
    save_days(tmp_path, HOUR, MIDDLE, change(between(exchange_candles(HOUR), MIDDLE, LAST)))
    require_exchange_candles(CombinedMarket(files, PatchyMarket()), HOUR)
    assert ["taken from the exchange" in warning for warning in warnings()] == [True]


def test_a_monthly_file_that_differs_at_the_seam_gives_way_to_its_days(
    tmp_path: Path, warnings: Callable[[], list[str]]
) -> None:
    files = archived(tmp_path, HOUR)
    save_month(tmp_path, HOUR, LAST, changed(PRICES, 1.2, 0.95, 100))
    with pytest.raises(InvalidCandles, match="overlap"):
        require_exchange_candles(CombinedMarket(files, PatchyMarket()), HOUR)
    save_days(tmp_path, HOUR, LAST, exchange_candles(HOUR))
    require_exchange_candles(CombinedMarket(files, PatchyMarket()), HOUR)
    assert ["taken from the daily files" in warning for warning in warnings()] == [True]


class HoursOfTheirOwn(PatchyMarket):
    """An exchange without hours, or with hours that are not made of its minutes."""

    def __init__(self, volume: float | None) -> None:
        super().__init__()
        self._volume = volume

    def pages(
        self, series: Series, start: datetime, end: datetime, now: datetime
    ) -> Iterator[Page]:
        if series.timeframe == HOUR.timeframe and self._volume is None:
            raise SymbolUnavailable("no hours")
        for page in super().pages(series, start, end, now):
            if series.timeframe == HOUR.timeframe:
                page.candles["volume"] *= self._volume or 1.0
            yield page


def test_hours_that_differ_count_only_if_their_candles_do(
    tmp_path: Path, warnings: Callable[[], list[str]]
) -> None:
    series = HOUR.at(Timeframe("5m"))
    exchange = HoursOfTheirOwn(volume=1.5)
    require_exchange_candles(CombinedMarket(archived(tmp_path, series), exchange), series)
    assert warnings() == []
    assert (MIDDLE, LAST) in exchange.asked
    months = [span for span in exchange.asked if MIDDLE <= span[0] < LAST]
    assert len(months) == 4  # the hours, and three looks at what they are made of


def test_an_exchange_without_hours_is_compared_in_pieces(
    tmp_path: Path, warnings: Callable[[], list[str]]
) -> None:
    series = HOUR.at(Timeframe("5m"))
    files = archived(tmp_path, series)
    save_month(tmp_path, series, MIDDLE, changed(["volume"], 0.4, 0.2, 2000))
    require_exchange_candles(CombinedMarket(files, HoursOfTheirOwn(volume=None)), series)
    assert len(warnings()) == 1
