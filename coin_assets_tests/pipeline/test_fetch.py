"""Fetches of candles: only what is missing is requested, and every change is recorded.

- Of the running month the new candles and the last few stored ones are requested; of a month
  that is over what was never answered for, or else everything.
- A hole is pending, is requested again after an hour, and is then verified absent. A range that
  could not be had has an error, and is fetched the next time.
- A candle that changes or comes late is stored, and recorded with what it was.
- Nothing before the retention or the listing is requested.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from coin_assets.domain.candles.absences import FAILED, PENDING, VERIFIED_ABSENT, Absence
from coin_assets.domain.candles.frame import PRICES, VALUES, between
from coin_assets.domain.candles.revisions import NEW, OLD
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import month_start, next_month
from coin_assets.errors import CandlesNotYetAvailable, MarketUnavailable
from coin_assets.market.base import Market, Page
from coin_assets.market.sandbox import SandboxMarket
from coin_assets.pipeline.fetch import fetch_candles
from coin_assets.pipeline.fetch_progress import FetchProgress
from coin_assets.pipeline.fetch_request import FetchRequest
from coin_assets.pipeline.month_report import MonthReport
from coin_assets.store.parquet import ParquetStore
from coin_assets_tests.market.patchy import PatchyMarket
from coin_assets_tests.market.spoiled import Spoiled, SpoiledMarket
from coin_assets_tests.pipeline.paged import PagedMarket
from coin_assets_tests.platform import files_of, series, utc

HOURLY = series("1h")
HOUR = timedelta(hours=1)
NOW, HISTORY_START = utc("2024-03-15T12:30"), utc("2024-01-01")
EVER = utc("2010-01-01"), utc("2040-01-01")
REREAD = 3
State = tuple[datetime, datetime, str]


class MovingMarket(PatchyMarket):
    """A patchy market that refuses pages from ``refuses_from`` on, and whose prices may change."""

    def __init__(self, page: int = 100_000, whole: Market | None = None) -> None:
        super().__init__(whole=whole or PagedMarket(SandboxMarket(), page))
        self.refuses_from: datetime | None = None
        self.message = "the exchange is on holiday"
        self.doubled: list[datetime] = []

    def pages(
        self, series: Series, start: datetime, end: datetime, now: datetime
    ) -> Iterator[Page]:
        for page in super().pages(series, start, end, now):
            if self.refuses_from is not None and page.end > self.refuses_from:
                raise MarketUnavailable(self.message)
            candles = page.candles.copy()
            twice = candles["timestamp"].isin(self.doubled)
            candles.loc[twice, PRICES] *= 2
            yield replace(page, candles=candles)


@dataclass
class Home:
    """A store, a market, and a clock that tests set."""

    folder: Path
    market: MovingMarket = field(default_factory=MovingMarket)
    now: datetime = NOW
    series: Series = HOURLY
    first_expected: datetime = HISTORY_START
    reread: int = REREAD

    @property
    def store(self) -> ParquetStore:
        return ParquetStore(self.folder)

    def request(
        self, first: str, last: str | None = None, now: str | None = None
    ) -> list[MonthReport]:
        """Fetch the months from ``first`` to ``last``, or one; the market records the requests."""
        self.now = utc(now) if now else self.now
        self.market.asked.clear()
        start, end = month_start(utc(f"{first}-01")), next_month(utc(f"{last or first}-01"))
        request = FetchRequest(self.series, start, end, self.first_expected, self.now, self.reread)
        return fetch_candles(self.store, self.market, request, lambda: self.now)

    @property
    def asked(self) -> list[tuple[datetime, datetime]]:
        return self.market.asked

    @property
    def candles(self) -> pd.DataFrame:
        return self.store.read_candles(self.series, *EVER)

    @property
    def absences(self) -> tuple[Absence, ...]:
        return self.store.read_ledger(self.series).absences

    @property
    def revisions(self) -> pd.DataFrame:
        return self.store.read_revisions(self.series, *EVER)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def states(reports: list[MonthReport]) -> list[State]:
    return [(each.start, each.end, each.state) for report in reports for each in report.missing]


def sandbox(start: datetime, end: datetime) -> pd.DataFrame:
    pages = SandboxMarket().pages(HOURLY, start, end, EVER[1])
    return pd.concat([page.candles for page in pages], ignore_index=True)


def touched(folder: Path) -> dict[str, int]:
    """When each data file was last written."""
    return {name: (folder / name).stat().st_mtime_ns for name in files_of(folder)}


def absent(home: Home, *ranges: tuple[str, str]) -> None:
    home.market.absent = [(utc(start), utc(end)) for start, end in ranges]


# ------------------------------------------------------------------------------------ the requests


def test_the_running_month_grows_by_what_closed_since_and_rereads_the_last_few(home: Home) -> None:
    (first,) = home.request("2024-03")
    assert home.asked == [(utc("2024-03-01"), utc("2024-03-15T12:00"))]
    assert (first.rows, first.rows_changed, first.missing) == (14 * 24 + 12, 14 * 24 + 12, [])
    (second,) = home.request("2024-03", now="2024-03-15T14:00")
    assert home.asked == [(utc("2024-03-15T09:00"), utc("2024-03-15T14:00"))]
    assert (second.rows, second.rows_changed) == (14 * 24 + 14, 2)
    assert home.revisions.empty
    expected = sandbox(utc("2024-03-01"), utc("2024-03-15T14:00"))
    pd.testing.assert_frame_equal(home.candles, expected)


def test_the_last_few_are_read_again_across_the_edge_of_the_month(home: Home) -> None:
    home.request("2024-02", now="2024-03-01T00:10")
    home.market.doubled = [utc("2024-02-29T22:00")]
    (march,) = home.request("2024-03", now="2024-03-01T01:10")
    assert home.asked == [(utc("2024-02-29T21:00"), utc("2024-03-01T01:00"))]
    assert (march.rows, march.rows_changed) == (1, 1)  # February is no part of this report
    assert home.revisions["timestamp"].tolist() == [utc("2024-02-29T22:00")]
    stored = home.candles.set_index("timestamp")["close"]
    true = sandbox(utc("2024-02-29"), utc("2024-03-01")).set_index("timestamp")["close"]
    assert stored[utc("2024-02-29T22:00")] == 2 * true[utc("2024-02-29T22:00")]


def test_an_interrupted_fetch_goes_on_where_it_was(tmp_path: Path) -> None:
    home = Home(tmp_path, MovingMarket(page=24))
    home.market.refuses_from = utc("2024-02-10")
    absent(home, ("2024-01-20T00:00", "2024-01-21T00:00"))
    with pytest.raises(MarketUnavailable, match="holiday"):
        home.request("2024-01", "2024-02")
    assert home.candles["timestamp"].iloc[-1] == utc("2024-02-09T23:00")
    hole = (utc("2024-01-20"), utc("2024-01-21"), PENDING)
    assert [(each.start, each.end, each.state) for each in home.absences] == [
        hole,
        (utc("2024-02-10"), utc("2024-03-01"), FAILED),
    ]
    home.market.refuses_from = None
    home.request("2024-01", "2024-02")
    assert home.asked == [(utc("2024-02-09T21:00"), utc("2024-03-01"))]
    assert [(each.start, each.end, each.state) for each in home.absences] == [hole]
    assert len(home.candles) == (31 + 29 - 1) * 24


def test_a_long_error_is_kept_by_its_beginning(home: Home) -> None:
    home.market.refuses_from, home.market.message = utc("2024-03-01"), "why " * 1000
    with pytest.raises(MarketUnavailable):
        home.request("2024-03")
    assert home.absences[0].error == f"{'why ' * 149}why…"


def test_a_month_that_is_over_and_lacks_nothing_is_read_again_whole(home: Home) -> None:
    home.request("2024-01", "2024-02")
    before = files_of(home.folder)
    reports = home.request("2024-02")
    assert home.asked == [(utc("2024-02-01"), utc("2024-03-01"))]
    assert [report.rows_changed for report in reports] == [0]
    assert files_of(home.folder) == before
    assert home.revisions.empty


def test_rereading_a_month_with_verified_holes_touches_no_file_either(home: Home) -> None:
    absent(home, ("2024-02-08T01:00", "2024-02-09T10:00"))
    home.request("2024-02")
    home.request("2024-02", now="2024-03-15T13:30")
    before = touched(home.folder)
    assert len(before) == 2
    home.request("2024-02", now="2024-03-15T18:30")
    assert home.asked == [(utc("2024-02-01"), utc("2024-03-01"))]
    assert touched(home.folder) == before


def test_only_months_that_lack_something_are_requested(home: Home) -> None:
    for month in ("2024-01", "2024-03"):
        home.request(month)
    home.request("2024-01", "2024-03")
    assert home.asked == [  # both reread the last few candles before the first new one
        (utc("2024-01-31T21:00"), utc("2024-03-01")),
    ]
    assert home.store.fetched_months(HOURLY) == [
        utc(f"2024-{month}-01") for month in ["01", "02", "03"]
    ]
    pd.testing.assert_frame_equal(home.candles, sandbox(utc("2024-01-01"), utc("2024-03-15T12:00")))


def test_nothing_before_the_retention_is_requested_not_even_to_read_it_again(home: Home) -> None:
    home.request("2024-01", "2024-03")
    home.first_expected = utc("2024-03-15T12:00")
    (report,) = home.request("2024-03", now="2024-03-15T13:10")
    assert home.asked == [(utc("2024-03-15T12:00"), utc("2024-03-15T13:00"))]
    assert report.missing == []
    home.first_expected = utc("2024-04-01")
    home.request("2024-03")
    assert home.asked == []


def test_nothing_before_the_listing_is_requested(home: Home) -> None:
    home.market.listed_at = utc("2024-02-10T04:00")
    reports = home.request("2024-01", "2024-02")
    assert home.asked == [(utc("2024-02-10T04:00"), utc("2024-03-01"))]
    assert states(reports) == []
    assert [report.rows for report in reports] == [0, 19 * 24 + 20]
    assert home.store.read_ledger(HOURLY).listed == utc("2024-02-10T04:00")
    assert home.request("2024-01")[0].rows == 0
    assert home.asked == []
    assert home.store.fetched_months(HOURLY) == [utc("2024-01-01"), utc("2024-02-01")]


def test_a_month_before_anything_else_is_known_lies_before_the_listing(home: Home) -> None:
    home.market.listed_at = utc("2024-02-10T04:00")
    (report,) = home.request("2024-01")
    assert (report.rows, report.missing, home.asked) == (0, [], [])


def test_a_symbol_without_any_candle_yet_is_not_available(home: Home) -> None:
    home.market.listed_at = utc("2024-03-20")
    with pytest.raises(CandlesNotYetAvailable):
        home.request("2024-03")
    assert home.candles.empty


def test_a_window_in_the_future_requests_nothing(home: Home) -> None:
    (report,) = home.request("2024-05")
    assert (report.rows, report.missing, home.asked) == (0, [], [])


# ------------------------------------------------------------------------------------------ holes


def test_a_hole_is_pending_requested_again_after_an_hour_and_then_verified(home: Home) -> None:
    hole = utc("2024-03-08T01:00"), utc("2024-03-09T10:00")
    absent(home, ("2024-03-08T01:00", "2024-03-09T10:00"))
    assert states(home.request("2024-03")) == [(*hole, PENDING)]
    home.request("2024-03", now="2024-03-15T13:20")
    assert home.asked == [(utc("2024-03-15T09:00"), utc("2024-03-15T13:00"))]
    assert states(home.request("2024-03", now="2024-03-15T13:30")) == [(*hole, VERIFIED_ABSENT)]
    # One request brings the hole and the last few candles.
    assert home.asked == [(hole[0], utc("2024-03-15T13:00"))]
    assert states(home.request("2024-03", now="2024-03-15T19:30")) == [(*hole, VERIFIED_ABSENT)]
    assert home.asked == [(utc("2024-03-15T10:00"), utc("2024-03-15T19:00"))]


def test_holes_that_lie_far_apart_are_requested_one_by_one(home: Home) -> None:
    holes = [("2024-01-08T01:00", "2024-01-08T03:00"), ("2024-01-09T00:00", "2024-01-09T02:00")]
    holes += [("2024-02-29T23:00", "2024-03-01T01:00")]
    absent(home, *holes)
    reports = home.request("2024-01", "2024-03")
    assert [each.state for report in reports for each in report.missing] == [PENDING] * 4
    reports = home.request("2024-01", "2024-03", now="2024-03-15T13:30")
    assert home.asked == [
        (utc("2024-01-08T01:00"), utc("2024-01-09T02:00")),
        (utc("2024-02-29T23:00"), utc("2024-03-15T13:00")),
    ]
    assert [report.count(VERIFIED_ABSENT) for report in reports] == [4, 1, 1]
    assert states(reports)[-2:] == [  # one hole, cut by the month's edge
        (utc("2024-02-29T23:00"), utc("2024-03-01"), VERIFIED_ABSENT),
        (utc("2024-03-01"), utc("2024-03-01T01:00"), VERIFIED_ABSENT),
    ]
    assert len(home.store.read_ledger(HOURLY).absences) == 3


def test_a_hole_that_is_filled_within_the_hour_is_stored_as_a_late_candle(home: Home) -> None:
    absent(home, ("2024-03-15T10:00", "2024-03-15T11:00"))
    home.request("2024-03")
    absent(home)
    (report,) = home.request("2024-03", now="2024-03-15T12:40")
    assert (report.rows_changed, report.missing) == (1, [])
    assert home.store.read_ledger(HOURLY).absences == ()


def test_the_candles_of_a_silence_are_had_as_soon_as_it_is_over(home: Home) -> None:
    absent(home, ("2024-03-15T05:00", "2024-03-15T13:00"))
    for now in ("2024-03-15T08:30", "2024-03-15T12:30"):
        with pytest.raises(CandlesNotYetAvailable):
            home.request("2024-03", now=now)
    absent(home)
    (report,) = home.request("2024-03", now="2024-03-15T12:31")
    assert (report.rows_changed, report.missing) == (7, [])


def test_what_could_not_be_had_has_an_error_and_is_fetched_the_next_time(home: Home) -> None:
    home.market.refuses_from = utc("2024-03-01")
    with pytest.raises(MarketUnavailable, match="holiday"):
        home.request("2024-01", "2024-03")
    ledger = home.store.read_ledger(HOURLY)
    (absence,) = ledger.absences
    assert (absence.start, absence.end) == (utc("2024-01-01"), utc("2024-03-15T12:00"))
    assert (absence.state, absence.error) == (FAILED, "the exchange is on holiday")
    assert (absence.first_answer, absence.last_try) == (None, home.now)
    home.market.refuses_from = None
    reports = home.request("2024-01", "2024-03", now="2024-03-15T12:31")
    assert home.asked == [(utc("2024-01-01"), utc("2024-03-15T12:00"))]
    assert states(reports) == []
    assert home.store.read_ledger(HOURLY).absences == ()
    assert home.revisions.empty


def test_a_market_without_an_answer_for_its_oldest_candle_leaves_failed_ones_until_it_can(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def on_holiday(_series: Series, _now: datetime, _since: datetime) -> datetime | None:
        raise MarketUnavailable("the exchange is on holiday")

    home.market.listed_at = utc("2024-01-20")
    with monkeypatch.context() as patched:
        patched.setattr(home.market, "listed", on_holiday)
        with pytest.raises(MarketUnavailable):
            home.request("2024-01")
    (failed,) = home.absences
    assert (failed.state, failed.error) == (FAILED, "the exchange is on holiday")
    assert (failed.start, failed.end) == (utc("2024-01-01"), utc("2024-02-01"))
    home.request("2024-01")
    assert home.absences == ()
    assert home.candles["timestamp"].iloc[0] == utc("2024-01-20")


def test_a_failure_touches_neither_stored_candles_nor_what_is_verified(home: Home) -> None:
    absent(home, ("2024-02-10T00:00", "2024-02-10T05:00"))
    home.request("2024-02")
    home.request("2024-02", now="2024-03-15T13:30")
    home.market.refuses_from = utc("2024-02-02")
    before = files_of(home.folder)
    with pytest.raises(MarketUnavailable):
        home.request("2024-02", now="2024-03-15T15:30")
    assert files_of(home.folder) == before


def test_a_failure_while_requesting_again_is_reported_with_the_hole(home: Home) -> None:
    absent(home, ("2024-03-08T01:00", "2024-03-08T03:00"))
    home.request("2024-03")
    home.market.refuses_from = utc("2024-03-01")
    with pytest.raises(MarketUnavailable):
        home.request("2024-03", now="2024-03-15T13:30")
    hole, tail = home.store.read_ledger(HOURLY).absences
    assert (hole.start, hole.state, hole.first_answer) == (
        utc("2024-03-08T01:00"),
        FAILED,
        utc("2024-03-15T12:30"),
    )
    assert (tail.start, tail.end) == (utc("2024-03-15T12:00"), utc("2024-03-15T13:00"))


# -------------------------------------------------------------------------------- what changes


def test_a_late_candle_is_stored_leaves_the_ledger_and_is_recorded(home: Home) -> None:
    absent(home, ("2024-02-10T00:00", "2024-02-10T05:00"))
    home.request("2024-02")
    home.request("2024-02", now="2024-03-15T13:30")
    absent(home, ("2024-02-10T00:00", "2024-02-10T02:00"), ("2024-02-10T03:00", "2024-02-10T05:00"))
    (report,) = home.request("2024-02", now="2024-03-15T15:30")
    assert report.rows_changed == 1
    assert report.count(VERIFIED_ABSENT) == 4
    late = utc("2024-02-10T02:00")
    true = sandbox(late, late + HOUR)
    pd.testing.assert_frame_equal(between(home.candles, late, late + HOUR), true)
    (revision,) = home.revisions.to_dict("records")
    assert (revision["timestamp"], revision["seen_at"]) == (late, utc("2024-03-15T15:30"))
    assert all(np.isnan(revision[OLD + name]) for name in VALUES)
    assert [revision[NEW + name] for name in VALUES] == true[VALUES].iloc[0].tolist()
    assert revision["redone_at"] is pd.NaT
    assert [(each.start, each.end) for each in home.store.read_ledger(HOURLY).absences] == [
        (utc("2024-02-10T00:00"), late),
        (late + HOUR, utc("2024-02-10T05:00")),
    ]


def test_a_newest_candle_that_comes_late_is_no_revision(home: Home) -> None:
    """Nothing was done without it: there was no later candle."""
    absent(home, ("2024-03-15T11:00", "2024-03-16T00:00"))
    with pytest.raises(CandlesNotYetAvailable):
        home.request("2024-03")
    absent(home)
    (report,) = home.request("2024-03", now="2024-03-15T12:31")
    assert (report.rows_changed, report.missing) == (1, [])
    assert home.revisions.empty


@pytest.mark.parametrize(
    ("month", "changed", "now"),
    [("2024-03", "2024-03-15T10:00", "2024-03-15T13:10"), ("2024-02", "2024-02-03", "2024-03-15")],
    ids=["one of the last few", "in a month that is over"],
)
def test_a_changed_candle_is_stored_and_recorded_with_what_it_was(
    home: Home, month: str, changed: str, now: str
) -> None:
    home.request(month)
    opened = utc(changed)
    home.market.doubled = [opened]
    (report,) = home.request(month, now=now if "T" in now else None)
    assert report.rows_changed == 1 + ("T" in now)
    old = sandbox(opened, opened + HOUR).iloc[0]
    (revision,) = home.revisions.to_dict("records")
    assert (revision["timestamp"], revision["seen_at"]) == (opened, home.now)
    assert [revision[OLD + name] for name in VALUES] == [old[name] for name in VALUES]
    assert [revision[NEW + name] for name in PRICES] == [2 * old[name] for name in PRICES]
    assert revision[NEW + "volume"] == old["volume"]
    assert between(home.candles, opened, opened + HOUR)["close"].item() == 2 * old["close"]
    home.request(month)
    assert len(home.revisions) == 1


# ---------------------------------------------------------------------------- the newest candle


def test_without_the_newest_due_candle_the_fetch_fails_but_keeps_what_there_is(home: Home) -> None:
    absent(home, ("2024-03-15T11:00", "2024-03-20T00:00"))
    with pytest.raises(CandlesNotYetAvailable, match="2024-03-15 11:00 closed at 12:00"):
        home.request("2024-03")
    assert home.candles["timestamp"].iloc[-1] == utc("2024-03-15T10:00")
    with pytest.raises(CandlesNotYetAvailable):
        home.request("2024-03", now="2024-03-15T12:59")
    (absence,) = home.store.read_ledger(HOURLY).absences
    assert absence.state == PENDING


def test_a_newest_candle_that_is_sent_broken_is_reported_as_such(tmp_path: Path) -> None:
    whole = SpoiledMarket(SandboxMarket(), broken=["2024-03-15T11:00"])
    home = Home(tmp_path, MovingMarket(whole=whole))
    with pytest.raises(
        CandlesNotYetAvailable, match=r"sends it broken \(\[ohlc\] high below low\)"
    ):
        home.request("2024-03")


def test_a_newest_candle_that_is_verified_absent_lets_the_fetch_succeed(home: Home) -> None:
    absent(home, ("2024-03-15T11:00", "2024-03-20T00:00"))
    for now in ("2024-03-15T12:10", "2024-03-15T12:40"):
        with pytest.raises(CandlesNotYetAvailable):
            home.request("2024-03", now=now)
    home.now = utc("2024-03-15T13:10")
    request = FetchRequest(
        HOURLY, utc("2024-03-01"), utc("2024-04-01"), EVER[0], utc("2024-03-15T12:20"), 3
    )
    (report,) = fetch_candles(home.store, home.market, request, lambda: home.now)
    assert states([report]) == [(utc("2024-03-15T11:00"), utc("2024-03-15T12:00"), VERIFIED_ABSENT)]


def test_a_month_that_ends_with_a_hole_is_complete_when_the_market_went_on(home: Home) -> None:
    absent(home, ("2024-02-29T20:00", "2024-03-03T00:00"))
    (report,) = home.request("2024-02")
    assert report.count(PENDING) == 4


def ends_with_a_hole(folder: Path, spoiled: list[Spoiled], broken: list[str]) -> Home:
    """February lacks its last candles; of March the market has none but ``broken`` ones."""
    whole = SpoiledMarket(SandboxMarket(), spoiled, broken)
    home = Home(folder, MovingMarket(whole=whole))
    absent(home, ("2024-02-29T20:00", "2024-04-01T00:00"))
    return home


def test_an_unread_range_after_the_newest_due_candle_is_not_taken_for_no_later_candle(
    tmp_path: Path,
) -> None:
    down = Spoiled("2024-03-10", "2024-03-12", MarketUnavailable("down"))
    home = ends_with_a_hole(tmp_path, [down], [])
    with pytest.raises(MarketUnavailable, match="down"):
        home.request("2024-02")
    assert home.candles["timestamp"].iloc[-1] == utc("2024-02-29T19:00")
    assert [each.state for each in home.absences] == [PENDING]


def test_a_later_candle_counts_although_another_range_could_not_be_read(tmp_path: Path) -> None:
    down = Spoiled("2024-03-10", "2024-03-12", MarketUnavailable("down"))
    home = ends_with_a_hole(tmp_path, [down], ["2024-03-13T05:00"])
    (report,) = home.request("2024-02")
    assert report.count(PENDING) == 4


def test_a_broken_later_candle_shows_that_the_market_went_on(tmp_path: Path) -> None:
    home = ends_with_a_hole(tmp_path, [], ["2024-03-03T05:00"])
    (report,) = home.request("2024-02")
    assert report.count(PENDING) == 4


@pytest.mark.parametrize("month", ["2024-02", "2024-03"])
def test_a_stored_candle_that_is_sent_broken_later_or_not_read_stays(
    tmp_path: Path, month: str
) -> None:
    spoiled = SpoiledMarket(SandboxMarket())
    home = Home(tmp_path, MovingMarket(whole=spoiled))
    home.request(month)
    before = home.candles
    stored = f"{month}-15T10:00"
    spoiled.broken = [stored]
    home.request(month, now="2024-03-15T12:40")
    pd.testing.assert_frame_equal(home.candles, before)
    spoiled.broken, down = [], MarketUnavailable("down")
    spoiled.spoiled = [Spoiled(stored, f"{month}-15T11:00", down)]
    with pytest.raises(MarketUnavailable):
        home.request(month, now="2024-03-15T12:50")
    pd.testing.assert_frame_equal(home.candles, before)
    assert home.absences == ()
    assert home.revisions.empty


# ------------------------------------------------------------------------------ candles over edges


@pytest.mark.parametrize("name", ["3d", "1w", "1M"])
def test_holes_of_candles_that_straddle_months_are_verified_like_others(
    tmp_path: Path, name: str
) -> None:
    """A week that opens in February ends in March; the hole ends with February's window."""
    home = Home(tmp_path, series=series(name), now=utc("2024-06-15T12:30"))
    opened = home.series.timeframe.floor(utc("2024-02-29"))
    home.market.absent = [(opened, home.series.timeframe.next(opened))]
    assert [report.count(PENDING) for report in home.request("2024-02")] == [1]
    assert home.store.fetched_months(home.series) == [utc("2024-02-01")]
    (report,) = home.request("2024-02", now="2024-06-15T13:30")
    assert [(each.count, each.state) for each in report.missing] == [(1, VERIFIED_ABSENT)]
    assert home.store.fetched_months(home.series) == [utc("2024-02-01")]
    before = files_of(home.folder)
    home.request("2024-02", now="2024-06-15T15:30")
    assert home.asked == [(utc("2024-02-01"), utc("2024-03-01"))]
    assert files_of(home.folder) == before


def test_a_hole_that_opened_last_month_is_not_requested_with_this_month(tmp_path: Path) -> None:
    """The week from 29 January on lies in February too, but no candle opens there."""
    home = Home(tmp_path, series=series("1w"), now=utc("2024-02-15T12:30"), reread=0)
    home.market.absent = [(utc("2024-01-29"), utc("2024-02-05"))]
    home.request("2024-01", "2024-02")
    (report,) = home.request("2024-02", now="2024-02-15T14:30")
    assert (report.missing, home.asked) == ([], [])
    home.request("2024-01", "2024-02")
    assert home.asked == [(utc("2024-01-29"), utc("2024-02-05"))]
    assert home.store.read_ledger(home.series).absences[0].state == VERIFIED_ABSENT


def test_a_long_fetch_logs_how_far_it_has_come(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter(range(0, 10_000, 6))
    stopped = partial(FetchProgress, stopwatch=lambda: next(seconds))
    monkeypatch.setattr("coin_assets.pipeline.fetch.FetchProgress", stopped)
    lines: list[str] = []
    request = FetchRequest(
        HOURLY, utc("2024-01-01"), utc("2024-02-01"), HISTORY_START, home.now, REREAD
    )
    fetch_candles(home.store, MovingMarket(page=120), request, lambda: home.now, lines.append)
    assert lines[0].startswith("BTC/USDT 1h: 240 of 744 candles, at 2024-01-11 00:00, 20 candles/s")
    assert len(lines) == 3
