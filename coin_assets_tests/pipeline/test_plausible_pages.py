"""Fetches hold implausible candles back until a second reading or an operator confirms them.

The market is the sandbox behind a wrapper that multiplies prices, as exchanges have done by sending
another unit, another symbol, or one absurd candle.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest

from coin_assets.domain.candles.absences import REFUSED
from coin_assets.domain.candles.frame import PRICES
from coin_assets.domain.candles.refusals import IMPLAUSIBLE
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import next_month
from coin_assets.errors import ImplausibleCandles
from coin_assets.market.base import Market, Page
from coin_assets.market.sandbox import SandboxMarket
from coin_assets.pipeline.fetch import fetch_candles
from coin_assets.pipeline.fetch_request import FetchRequest
from coin_assets.pipeline.plausible_pages import caution_of
from coin_assets.store.parquet import ParquetStore
from coin_assets_tests.market.wrapped import WrappedMarket
from coin_assets_tests.pipeline.paged import PagedMarket
from coin_assets_tests.platform import series, utc

HOURLY = series("1h")
EVER = utc("2010-01-01"), utc("2040-01-01")
HISTORY_START = utc("2024-01-01")
Wrong = Callable[[datetime], float]


def honest(_opened: datetime) -> float:
    return 1.0


def since(text: str, factor: float) -> Wrong:
    return lambda opened: factor if opened >= utc(text) else 1.0


def between(start: str, end: str, factor: float) -> Wrong:
    return lambda opened: factor if utc(start) <= opened < utc(end) else 1.0


class WrongMarket(WrappedMarket):
    """``whole``, with the prices of each candle times ``factor`` of its open."""

    def __init__(self, whole: Market) -> None:
        super().__init__(whole)
        self.factor: Wrong = honest

    def pages(
        self, series: Series, start: datetime, end: datetime, now: datetime
    ) -> Iterator[Page]:
        for page in super().pages(series, start, end, now):
            candles = page.candles.copy()
            factors = [self.factor(opened) for opened in candles["timestamp"]]
            for name in PRICES:
                candles[name] *= factors
            yield replace(page, candles=candles)


@dataclass
class Home:
    """A store and a market, and the lines of the last fetch."""

    folder: Path
    market: WrongMarket = field(
        default_factory=lambda: WrongMarket(PagedMarket(SandboxMarket(), 200))
    )
    log: list[str] = field(default_factory=list)

    @property
    def store(self) -> ParquetStore:
        return ParquetStore(self.folder)

    def fetch(self, now: str, month: str = "2024-03", *, accept: bool = False) -> None:
        start = utc(f"{month}-01")
        self.log.clear()
        fetch_candles(
            self.store,
            self.market,
            FetchRequest(
                HOURLY,
                start,
                next_month(start),
                HISTORY_START,
                utc(now),
                reread=3,
                accepts_implausible=accept,
            ),
            lambda: utc(now),
            self.log.append,
        )

    def refused(self, now: str, month: str = "2024-03") -> str:
        """Message of the error that the fetch raises."""
        with pytest.raises(ImplausibleCandles) as raised:
            self.fetch(now, month)
        return str(raised.value)

    @property
    def newest(self) -> datetime:
        return self.store.newest_candles([HOURLY])[HOURLY]

    def factors(self, start: str, end: str) -> set[float]:
        """What the stored closes are of the sandbox's."""
        stored = self.store.read_candles(HOURLY, utc(start), utc(end))
        pages = SandboxMarket().pages(HOURLY, utc(start), utc(end), EVER[1])
        right = pd.concat([page.candles for page in pages], ignore_index=True)
        both = stored.merge(right, on="timestamp")
        return {round(each, 6) for each in both["close_x"] / both["close_y"]}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.fetch("2024-03-15T12:00")
    return made


STEP = "2024-03-15T12:00"


def test_a_new_level_is_stored_after_a_second_reading_two_minutes_later(home: Home) -> None:
    home.market.factor = since(STEP, 5.0)
    message = home.refused("2024-03-15T13:00:10")
    assert "2024-03-15T12:00:00Z" in message
    assert ", x5" in message
    assert home.newest == utc("2024-03-15T11:00")
    (held,) = home.store.read_ledger(HOURLY).absences
    assert (held.state, held.rule, held.start) == (REFUSED, IMPLAUSIBLE, utc(STEP))
    home.refused("2024-03-15T13:02:09")
    home.fetch("2024-03-15T13:02:10")
    assert any("is confirmed" in line for line in home.log)
    assert home.newest == utc(STEP)
    assert home.store.read_ledger(HOURLY).absences == ()
    home.fetch("2024-03-15T16:00:10")
    assert home.factors(STEP, "2024-03-15T16:00") == {5.0}
    assert "confirmed it" in str(caution_of(home.store, HOURLY))


def test_candles_that_came_meanwhile_are_stored_with_the_confirmed_one(home: Home) -> None:
    home.market.factor = since(STEP, 0.2)
    home.refused("2024-03-15T13:00:10")
    home.fetch("2024-03-15T15:00:10")
    assert home.newest == utc("2024-03-15T14:00")


@pytest.mark.parametrize("factor", [100.0, 0.01, 25.0])
def test_no_reading_confirms_another_unit_or_symbol_and_an_operator_does(
    home: Home, factor: float
) -> None:
    home.market.factor = since(STEP, factor)
    for hour in range(13, 20):
        message = home.refused(f"2024-03-15T{hour}:00:10")
        assert "accept_implausible: true" in message
    assert home.newest == utc("2024-03-15T11:00")
    ledger = home.store.read_ledger(HOURLY)
    assert [each.start for each in ledger.absences] == [utc(STEP)]
    assert ledger.absent_until(utc(STEP)) == utc(STEP)  # held back, not absent
    home.fetch("2024-03-15T20:00:10", accept=True)
    assert home.newest == utc("2024-03-15T19:00")
    assert home.factors(STEP, "2024-03-15T20:00") == {factor}
    home.fetch("2024-03-15T22:00:10")
    assert home.newest == utc("2024-03-15T21:00")


def test_the_right_candles_are_stored_at_once_when_the_market_sends_them(home: Home) -> None:
    home.market.factor = since(STEP, 100.0)
    home.refused("2024-03-15T14:00:10")
    home.market.factor = honest
    home.fetch("2024-03-15T14:00:20")
    assert home.newest == utc("2024-03-15T13:00")
    assert home.factors(STEP, "2024-03-15T14:00") == {1.0}
    assert home.store.read_ledger(HOURLY).absences == ()
    assert caution_of(home.store, HOURLY) is None


def test_all_candles_in_another_unit_change_no_stored_one(home: Home) -> None:
    home.market.factor = lambda _opened: 100.0
    home.refused("2024-03-15T13:00:10")
    assert home.newest == utc("2024-03-15T11:00")
    assert home.factors("2024-03-01", "2024-03-15T12:00") == {1.0}
    assert home.store.read_revisions(HOURLY, *EVER).empty


def test_one_absurd_candle_is_held_back_and_the_others_go_on(home: Home) -> None:
    home.market.factor = between(STEP, "2024-03-15T13:00", 1000.0)
    home.fetch("2024-03-15T15:00:10")
    assert home.newest == utc("2024-03-15T14:00")
    (held,) = home.store.read_ledger(HOURLY).absences
    assert (held.start, held.end) == (utc(STEP), utc("2024-03-15T13:00"))
    assert "is held back until it is confirmed" in str(caution_of(home.store, HOURLY))
    home.fetch("2024-03-15T16:00:10")  # a thousand times is never confirmed by the market
    assert [each.start for each in home.store.read_ledger(HOURLY).absences] == [utc(STEP)]
    home.market.factor = honest
    home.fetch("2024-03-15T17:00:10", accept=True)
    assert home.store.read_ledger(HOURLY).absences == ()
    assert home.factors("2024-03-15T11:00", "2024-03-15T17:00") == {1.0}


def test_a_real_spike_is_late_by_one_reading(home: Home) -> None:
    home.market.factor = between(STEP, "2024-03-15T13:00", 4.0)
    home.fetch("2024-03-15T14:00:10")
    home.fetch("2024-03-15T15:00:10")
    assert home.store.read_ledger(HOURLY).absences == ()
    revisions = home.store.read_revisions(HOURLY, *EVER)
    assert revisions["timestamp"].tolist() == [utc(STEP)]  # what used the hole is recomputed


def test_history_of_another_symbol_does_not_join_what_is_stored(home: Home) -> None:
    home.market.factor = between("2024-02-01", "2024-03-01", 25.0)
    message = home.refused("2024-03-15T13:00:10", "2024-02")
    assert "2024-02-29T23:00:00Z" in message
    stored = home.store.read_candles(HOURLY, utc("2024-02-29"), utc("2024-03-01"))
    assert stored.empty  # the last page; without it the month is not complete
    assert home.store.read_ledger(HOURLY).listed is not None


def test_a_step_inside_of_history_ends_the_month_there(home: Home) -> None:
    home.market.factor = between("2024-02-10", "2024-03-01", 100.0)
    home.refused("2024-03-15T13:00:10", "2024-02")
    stored = home.store.read_candles(HOURLY, utc("2024-02-01"), utc("2024-03-01"))
    assert stored["timestamp"].iloc[-1] == utc("2024-02-09T23:00")
    home.market.factor = honest
    home.fetch("2024-03-15T13:00:20", "2024-02")
    assert home.factors("2024-02-01", "2024-03-15T12:00") == {1.0}
    assert home.store.count_candles(HOURLY, utc("2024-02-01"), utc("2024-03-01")) == 29 * 24


def test_months_after_a_held_step_wait_for_it(home: Home) -> None:
    home.market.factor = since("2024-03-31T12:00", 100.0)
    home.refused("2024-04-02T00:00:10")
    home.refused("2024-04-02T00:00:20", "2024-04")
    assert home.newest == utc("2024-03-31T11:00")
