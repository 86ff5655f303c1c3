"""Deriving coarser candles: a bucket exists when it is closed and its source is known to its end.

- The source is known where candles are stored, where the market has passed, and where what is
  missing is verified absent. Anything else stops the step, with the months or the candle named.
- Buckets that need source candles from before the retention stay as they are stored.
"""

from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from coin_assets.domain.candles.frame import between
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import month_start, next_month
from coin_assets.errors import CandlesNotYetAvailable, MarketUnavailable, MonthsNotFetched
from coin_assets.market.base import Market
from coin_assets.market.sandbox import SandboxMarket
from coin_assets.pipeline.derive import Derivation, derive_candles
from coin_assets.pipeline.fetch import fetch_candles
from coin_assets.pipeline.fetch_request import FetchRequest
from coin_assets.pipeline.month_report import NO_SOURCE, MonthReport
from coin_assets.store.parquet import ParquetStore
from coin_assets_tests.market.patchy import PatchyMarket
from coin_assets_tests.pipeline.paged import PagedMarket
from coin_assets_tests.platform import files_of, series, utc

HOURLY, DAILY, WEEKLY = series("1h"), series("1d"), series("1w")
HOUR = timedelta(hours=1)
HISTORY_START = utc("2024-01-01")
EVER = utc("2010-01-01"), utc("2040-01-01")
Absent = list[tuple[str, str]]


class Home:
    """A store with hours of a market, as fetched at one time, and days or weeks derived."""

    def __init__(self, folder: Path, now: str = "2024-03-15T12:30") -> None:
        self.folder = folder
        self.store = ParquetStore(folder)
        self.now = utc(now)

    def request(self, first: str, last: str, market: Market | None = None) -> None:
        window = utc(f"{first}-01"), next_month(utc(f"{last}-01"))
        request = FetchRequest(HOURLY, *window, HISTORY_START, self.now, reread=3)
        fetch_candles(self.store, market or SandboxMarket(), request, lambda: self.now)

    def derive(
        self, first: str, last: str, to: Series = DAILY, first_source: datetime = HISTORY_START
    ) -> list[MonthReport]:
        window = month_start(utc(f"{first}-01")), next_month(utc(f"{last}-01"))
        return derive_candles(self.store, Derivation(to, HOURLY, *window, first_source, self.now))

    def derived(self, to: Series = DAILY) -> pd.DataFrame:
        return self.store.read_candles(to, *EVER)


class InterruptedMarket(PagedMarket):
    """Ten days a page, and none that ends after ``until``."""

    def __init__(self, until: str) -> None:
        super().__init__(SandboxMarket(), 240)
        self._until = utc(until)

    def pages(self, series, start, end, now):  # type: ignore[no-untyped-def]
        for page in super().pages(series, start, end, now):
            if page.end > self._until:
                raise MarketUnavailable("gone")
            yield page


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def true_candles(to: Series, start: str, end: str) -> pd.DataFrame:
    pages = SandboxMarket().pages(to, utc(start), utc(end), EVER[1])
    return pd.concat([page.candles for page in pages], ignore_index=True)


# ------------------------------------------------------------------------------------- closed


def test_a_bucket_exists_once_it_is_closed(home: Home) -> None:
    home.request("2024-01", "2024-03")
    reports = home.derive("2024-01", "2024-03")
    expected = true_candles(DAILY, "2024-01-01", "2024-03-15")
    pd.testing.assert_frame_equal(home.derived(), expected, check_exact=True)
    assert [report.rows for report in reports] == [31, 29, 14]
    assert [report.rows_changed for report in reports] == [31, 29, 14]
    assert all(report.missing == [] and report.partial == 0 for report in reports)
    before = files_of(home.folder)
    assert [report.rows_changed for report in home.derive("2024-01", "2024-03")] == [0, 0, 0]
    assert files_of(home.folder) == before


@pytest.mark.parametrize(("now", "days"), [("2024-03-15T23:59", 14), ("2024-03-16T00:00", 15)])
def test_the_clock_decides_to_the_second(tmp_path: Path, now: str, days: int) -> None:
    home = Home(tmp_path, now)
    home.request("2024-03", "2024-03")
    assert [report.rows for report in home.derive("2024-03", "2024-03")] == [days]


def test_a_week_that_opens_in_the_window_may_close_after_it(home: Home) -> None:
    home.request("2024-02", "2024-03")
    (report,) = home.derive("2024-02", "2024-02", WEEKLY)
    assert (report.first, report.last) == (utc("2024-02-05"), utc("2024-02-26"))
    expected = true_candles(WEEKLY, "2024-02-05", "2024-03-01")
    pd.testing.assert_frame_equal(home.derived(WEEKLY), expected, check_exact=True)


def test_a_window_without_a_closed_bucket_needs_no_source(home: Home) -> None:
    (report,) = home.derive("2024-05", "2024-05")
    assert (report.rows, report.rows_changed, report.missing) == (0, 0, [])


# ------------------------------------------------------------------------------------ covered


def test_a_closed_bucket_whose_last_candle_is_late_stops_the_step_and_stores_nothing(
    tmp_path: Path,
) -> None:
    home = Home(tmp_path, "2024-03-15T00:10")
    late = PatchyMarket([("2024-03-14T23:00", "2024-03-16T00:00")])
    with pytest.raises(CandlesNotYetAvailable):
        home.request("2024-03", "2024-03", late)
    with pytest.raises(
        CandlesNotYetAvailable, match=r"1h candle 2024-03-14 23:00 .* end with .*22"
    ):
        home.derive("2024-03", "2024-03")
    assert home.derived().empty
    home.request("2024-03", "2024-03")
    assert home.derive("2024-03", "2024-03")[0].rows == 14


def test_a_closed_bucket_whose_rest_is_verified_absent_exists(tmp_path: Path) -> None:
    home = Home(tmp_path, "2024-03-15T00:10")
    out = PatchyMarket([("2024-03-14T20:00", "2024-03-16T00:00")])
    for now in ("2024-03-15T00:10", "2024-03-15T01:10"):
        home.now = utc(now)
        with pytest.raises(CandlesNotYetAvailable):
            home.request("2024-03", "2024-03", out)
        if now.endswith("00:10"):
            with pytest.raises(CandlesNotYetAvailable):
                home.derive("2024-03", "2024-03")
    (report,) = home.derive("2024-03", "2024-03")
    assert (report.rows, report.partial, report.last) == (14, 1, utc("2024-03-14"))
    hours = true_candles(HOURLY, "2024-03-14", "2024-03-14T20:00")
    last = home.derived().iloc[-1]
    assert last[["open", "close"]].tolist() == [hours["open"].iloc[0], hours["close"].iloc[-1]]
    assert (last["high"], last["low"]) == (hours["high"].max(), hours["low"].min())


def test_a_hole_that_the_market_has_passed_makes_a_partial_bucket(home: Home) -> None:
    home.request("2024-03", "2024-03", PatchyMarket([("2024-03-05T22:00", "2024-03-07T01:00")]))
    (report,) = home.derive("2024-03", "2024-03")
    assert (report.rows, report.partial) == (13, 2)
    (missing,) = report.missing
    assert (missing.start, missing.end) == (utc("2024-03-06"), utc("2024-03-07"))
    assert (missing.count, missing.state) == (1, NO_SOURCE)


def test_a_bucket_grows_when_its_hole_is_filled_late(home: Home) -> None:
    home.request("2024-03", "2024-03", PatchyMarket([("2024-03-05T22:00", "2024-03-06T00:00")]))
    home.derive("2024-03", "2024-03")
    home.now += HOUR
    home.request("2024-03", "2024-03")
    (report,) = home.derive("2024-03", "2024-03")
    assert (report.rows_changed, report.partial) == (1, 0)
    expected = true_candles(DAILY, "2024-03-01", "2024-03-15")
    pd.testing.assert_frame_equal(home.derived(), expected, check_exact=True)


# ------------------------------------------------------------------------------- never fetched


def test_months_that_were_never_fetched_are_named(home: Home) -> None:
    home.request("2024-02", "2024-02")
    with pytest.raises(MonthsNotFetched) as refusal:
        home.derive("2024-01", "2024-03")
    assert "BTC/USDT 1h candles of 2024-01, 2024-03 were never fetched" in str(refusal.value)
    assert "Materialise BTC_USDT/ohlcv_1h" in str(refusal.value)
    assert "COIN_HISTORY_START=2024-04-01" in str(refusal.value)
    assert home.derived().empty


def test_a_month_that_was_fetched_in_part_is_named(home: Home) -> None:
    with pytest.raises(MarketUnavailable):
        home.request("2024-02", "2024-02", InterruptedMarket("2024-02-15"))
    home.request("2024-03", "2024-03")
    assert home.store.fetched_months(HOURLY) == [utc("2024-02-01"), utc("2024-03-01")]
    with pytest.raises(MonthsNotFetched, match=r"of 2024-02 were .* not to their end"):
        home.derive("2024-02", "2024-03")
    home.derive("2024-03", "2024-03")
    home.request("2024-02", "2024-02")
    assert [report.rows for report in home.derive("2024-02", "2024-03")] == [29, 14]


def test_a_week_needs_the_month_in_which_it_closes(home: Home) -> None:
    home.request("2024-02", "2024-02")
    with pytest.raises(MonthsNotFetched, match="of 2024-03 were never fetched"):
        home.derive("2024-02", "2024-02", WEEKLY)


def test_a_source_that_ends_early_is_late_rather_than_unknown(home: Home) -> None:
    with pytest.raises(MarketUnavailable):
        home.request("2024-02", "2024-02", InterruptedMarket("2024-02-15"))
    with pytest.raises(CandlesNotYetAvailable, match=r"02-29 23:00 .* with 2024-02-10 23"):
        home.derive("2024-02", "2024-02")


def test_months_before_the_listing_are_no_obstacle(home: Home) -> None:
    home.request("2024-01", "2024-03", PatchyMarket(listed="2024-02-10T04:00"))
    reports = home.derive("2024-01", "2024-03")
    assert [report.rows for report in reports] == [0, 20, 14]
    assert [report.partial for report in reports] == [0, 1, 0]
    assert all(report.missing == [] for report in reports)


# ---------------------------------------------------------------------------------- retention


@pytest.mark.parametrize("first_source", ["2024-03-05T00:00", "2024-03-04T05:00"])
def test_buckets_that_need_source_candles_from_before_the_retention_stay_as_stored(
    home: Home, first_source: str
) -> None:
    home.request("2024-02", "2024-03")
    home.derive("2024-02", "2024-03")
    stored = home.derived()
    spoiled = stored.assign(volume=1.0)
    home.store.write_candles(DAILY, spoiled, utc("2024-02-01"), utc("2024-04-01"))
    home.store.delete_candles(HOURLY, EVER[0], utc(first_source))
    february, march = home.derive("2024-02", "2024-03", first_source=utc(first_source))
    assert (february.rows, february.rows_changed) == (29, 0)
    assert (march.rows, march.rows_changed) == (14, 10)
    edge = utc("2024-03-05")
    pd.testing.assert_frame_equal(
        between(home.derived(), EVER[0], edge), between(spoiled, EVER[0], edge)
    )
    pd.testing.assert_frame_equal(
        between(home.derived(), edge, EVER[1]), between(stored, edge, EVER[1])
    )


def test_a_week_cut_by_the_retention_stays_as_stored(home: Home) -> None:
    home.request("2024-02", "2024-03")
    home.derive("2024-02", "2024-03", WEEKLY)
    before = files_of(home.folder / "candles" / "symbol=BTC_USDT" / "timeframe=1w")
    home.store.delete_candles(HOURLY, EVER[0], utc("2024-03-06"))
    (report,) = home.derive("2024-03", "2024-03", WEEKLY, first_source=utc("2024-03-06"))
    assert (report.rows, report.rows_changed) == (1, 0)
    assert files_of(home.folder / "candles" / "symbol=BTC_USDT" / "timeframe=1w") == before
