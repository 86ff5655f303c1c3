"""A refused file of an archive stays local: its month fails with the reason, and nothing else.

A real platform in an empty home with its real sensors, over a folder of Binance Vision zips: the
folder alone, or as the past of an exchange. The zips of a folder alone reach into the future of the
clock, so that every simulated hour brings a candle.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import next_month
from coin_assets.market.combined import CombinedMarket
from coin_assets.market.downloads import ArchiveFiles
from coin_assets.market.sandbox import SandboxMarket
from coin_assets.market.vision import monthly_file
from coin_assets_tests.market.exchange import FakeExchange
from coin_assets_tests.market.recent import RecentMarket
from coin_assets_tests.market.vision_server import kline_text, make_tree, put, zipped
from coin_assets_tests.orchestration.sensors.rig import Rig, ccxt_market, purposes
from coin_assets_tests.platform import BTC, ETH, Platform, series, utc
from coin_assets_tests.schemas import assert_valid

START, NOW, END = "2024-09-01", "2024-11-20T12:00:30", "2024-12-01"
SEPTEMBER, OCTOBER, NOVEMBER = (utc(f"2024-{month:02}-01") for month in (9, 10, 11))
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOTHING = {"verified_absent": 0, "unavailable": 0, "refused": 0, "pending": 0, "failed": 0}


def candles_of(series: Series, start: datetime, end: datetime) -> pd.DataFrame:
    pages = SandboxMarket().pages(series, start, end, end)
    return pd.concat([page.candles for page in pages], ignore_index=True)


def save(folder: Path, series: Series, months_until: str = END, days_until: str = END) -> None:
    """Zips of the sandbox's candles: monthly ones, then daily ones."""
    months, days = utc(months_until), max(utc(months_until), utc(days_until))
    make_tree(folder, series, candles_of(series, utc(START), days), months, days)


def damage(folder: Path, month: datetime, symbol: str = BTC) -> Path:
    """Replace a monthly zip by other bytes than those of its checksum."""
    path = folder / monthly_file(series("1h", symbol), month).name
    path.write_bytes(b"damaged")
    return path


def leave_the_grid(folder: Path, month: datetime) -> Path:
    """Replace a monthly zip by one with two opens off the grid, and a right checksum."""
    candles = candles_of(series("1h"), month, next_month(month))
    rows = kline_text(candles, series("1h")).splitlines(keepends=True)
    for row in (200, 201):
        stamp, rest = rows[row].split(",", 1)
        rows[row] = f"{int(stamp) + 1_694_789},{rest}"
    return put(folder, monthly_file(series("1h"), month).name, zipped("".join(rows)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "archive"


def alone(home: Path, folder: Path, symbols: str = BTC) -> Rig:
    return Rig(
        Platform(
            home,
            NOW,
            market=f"archive:{folder}",
            symbols=symbols,
            history_start=START,
            derived_timeframes="1d",
        )
    )


def months_asked(requests: Iterable[dg.RunRequest], purpose: str) -> list[str | None]:
    """Partitions of the requests with this purpose."""
    return [each.partition_key for each in requests if purposes([each]) == [purpose]]


def assert_month_failed(rig: Rig, month: datetime, rule: str, path: Path) -> None:
    """All is fresh, and the month is counted with the reason."""
    entry = rig.platform.entry("1h")
    assert (entry["status"], entry["degraded"]) == ("fresh", False)
    assert entry["gaps"] == {**NOTHING, "failed": (next_month(month) - month) // HOUR}
    (absence,) = rig.platform.store.read_ledger(series("1h")).absences
    assert (absence.start, absence.end) == (month, next_month(month))
    assert f"[{rule}]" in str(absence.error)
    assert path.name in str(absence.error)
    assert rig.platform.entry("1d")["history"] is not None
    assert_valid("manifest", rig.platform.manifest)


def test_a_refused_month_in_the_middle_of_an_archive_holds_up_nothing(
    tmp_path: Path, folder: Path
) -> None:
    save(folder, series("1h"))
    path = leave_the_grid(folder, OCTOBER)
    rig = alone(tmp_path / "home", folder)
    rig.collect()
    assert_month_failed(rig, OCTOBER, "unaligned", path)
    assert rig.advance(12) == []
    assert_month_failed(rig, OCTOBER, "unaligned", path)


@pytest.mark.slow
def test_the_first_month_of_an_archive_is_retried_ever_more_slowly_until_it_is_mended(
    tmp_path: Path, folder: Path
) -> None:
    save(folder, series("1h"))
    whole = (folder / monthly_file(series("1h"), SEPTEMBER).name).read_bytes()
    path = damage(folder, SEPTEMBER)
    rig = alone(tmp_path / "home", folder)
    rig.collect()
    assert_month_failed(rig, SEPTEMBER, "checksum", path)

    hours = rig.advance_hourly(12)
    assert [months_asked(hour, "live") for hour in hours] == [["2024-11-01"]] * 12
    retried = [number for number, hour in enumerate(hours) if months_asked(hour, "gaps")]
    requests = [each for hour in hours for each in hour]
    assert set(months_asked(requests, "gaps")) == {"2024-09-01"}
    waits = [later - earlier for earlier, later in pairwise(retried)]
    assert waits == sorted(waits)
    assert waits[-1] >= 3
    assert set(purposes(requests)) <= {"live", "gaps", "evaluation"}

    path.write_bytes(whole)
    rig.pass_time(7)
    rig.collect()
    rig.platform.settle("late_candles")
    assert rig.platform.entry("1h")["gaps"] == NOTHING
    days = rig.platform.store.count_candles(series("1d"), utc(START), utc("2024-11-21"))
    assert days == (utc("2024-11-21") - utc(START)) // DAY


@pytest.mark.parametrize("kind", ["refused", "missing"])
def test_a_newest_file_that_is_refused_or_missing_stops_no_other_symbol(
    tmp_path: Path, folder: Path, kind: str
) -> None:
    save(folder, series("1h"))
    if kind == "refused":
        save(folder, series("1h", ETH))
        damage(folder, NOVEMBER, ETH)
    rig = alone(tmp_path / "home", folder, f"{BTC},{ETH}")
    rig.try_for(6)
    assert rig.platform.entry("1h")["status"] == "fresh"
    rig.pass_time(1)
    requests = rig.try_for(4)
    assert rig.platform.entry("1h")["status"] == "fresh"
    assert len([each for each in requests if candles_of_symbol(each, "BTC")]) == 1
    # A new candle would be in that file, so it is read again at least every 15 minutes.
    assert len([each for each in requests if candles_of_symbol(each, "ETH")]) == 4

    rig.platform.ahead = 0.0  # the failures are as recent as they are
    rig.platform.settle("publish_due")
    entry = rig.platform.entry("1h", ETH)
    assert entry["consecutive_failures"] > 0
    if kind == "refused":  # what came before that file is there
        assert not entry["serve_allowed"]
        assert entry["history"]["as_of"] == "2024-11-01T00:00:00Z"
        assert "[checksum]" in entry["last_error"]
        absences = rig.platform.store.read_ledger(series("1h", ETH)).absences
        assert (absences[0].start, absences[-1].end) == (NOVEMBER, utc("2024-11-20T13:00"))
    else:
        assert "ETH_USDT_1h.parquet does not exist" in entry["last_error"]
    assert_valid("manifest", rig.platform.manifest)


def candles_of_symbol(request: dg.RunRequest, base: str) -> bool:
    return dg.AssetKey([f"{base}_USDT", "ohlcv_1h"]) in (request.asset_selection or ())


@pytest.fixture
def exchange() -> Iterator[FakeExchange]:
    with FakeExchange(utc(NOW)) as made:
        yield made


def beside(home: Path, folder: Path, exchange: FakeExchange, served: int | None = None) -> Rig:
    """A platform on an exchange with ``folder`` as its past.

    Args:
        served: candles that the exchange serves at most; None is all.
    """
    platform = Platform(home, NOW, history_start=START, derived_timeframes="1d")

    def connect() -> CombinedMarket:
        client = ccxt_market(platform, "binance", exchange)
        market = client if served is None else RecentMarket(served, client)
        return CombinedMarket(ArchiveFiles(str(folder)), market)

    return Rig(platform, exchange, connect)


@pytest.mark.slow
def test_the_exchange_has_the_month_that_the_archive_refuses(
    tmp_path: Path, folder: Path, exchange: FakeExchange
) -> None:
    save(folder, series("1h"), "2024-11-01", "2024-11-19")
    damage(folder, OCTOBER)
    rig = beside(tmp_path / "home", folder, exchange)
    rig.collect()
    for _ in range(2):
        entry = rig.platform.entry("1h")
        assert (entry["status"], entry["degraded"]) == ("fresh", False)
        assert entry["gaps"] == NOTHING
        assert entry["coverage_start"] == "2024-09-01T00:00:00Z"
        assert rig.advance(12) == []


@pytest.mark.parametrize("month", [SEPTEMBER, pytest.param(OCTOBER, marks=pytest.mark.slow)])
def test_a_refused_month_that_the_exchange_no_longer_serves_fails_alone(
    tmp_path: Path, folder: Path, exchange: FakeExchange, month: datetime
) -> None:
    save(folder, series("1h"), "2024-11-01", "2024-11-19")
    path = damage(folder, month)
    rig = beside(tmp_path / "home", folder, exchange, served=24 * 10)
    rig.collect()
    assert_month_failed(rig, month, "checksum", path)
    assert rig.advance(12) == []
    assert_month_failed(rig, month, "checksum", path)
