"""What holds for any fetch: every timeframe, clock, page size and pattern of holes.

- Each expected candle is stored or explained by the ledger, and never both. What is stored is
  aligned, closed, and as the market has it.
- Fetching again at the same time changes no byte.
- The order of the months, the size of the pages and a failure on the way leave no trace in the
  bytes; neither does the number of fetches in those of the candles.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from hypothesis import event, given, settings
from hypothesis import strategies as st

from coin_assets.domain.candles.frame import VALUES, validated
from coin_assets.domain.candles.gaps import find_gaps
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import NAMES, Timeframe, months_between, next_month
from coin_assets.errors import CandlesNotYetAvailable, MarketUnavailable
from coin_assets.market.base import Page
from coin_assets.pipeline.fetch import fetch_candles
from coin_assets.pipeline.fetch_request import FetchRequest
from coin_assets.store.parquet import ParquetStore
from coin_assets_tests.market.recorded import WholeMarket
from coin_assets_tests.pipeline.paged import PagedMarket
from coin_assets_tests.platform import files_of, utc

EVER = utc("2010-01-01"), utc("2040-01-01")
# Ends of months, years, weeks and leap days, and a Monday that begins a month.
EDGES = [
    *("2023-01-01", "2024-01-01", "2024-02-29", "2024-03-01", "2023-03-01", "2024-04-01"),
    *("2024-07-01", "2024-09-01", "2024-09-02", "2024-11-25", "2025-02-28", "2024-12-30"),
]


class MadeUpMarket(WholeMarket):
    """Candles with prices by their number, from ``listed`` on, without the opens in ``absent``."""

    def __init__(self, listed: datetime, absent: frozenset[datetime]) -> None:
        self._listed = listed
        self._absent = pd.DatetimeIndex(sorted(absent), tz="UTC")

    def candles(self, series: Series, start: datetime, end: datetime) -> pd.DataFrame:
        timeframe = series.timeframe
        opens = timeframe.opens(max(start, self._listed), end)
        opens = opens[~opens.isin(self._absent)]
        price = 1000.0 + timeframe.ordinals(opens) % 97
        prices = {"open": price, "high": price + 2, "low": price - 1, "close": price + 1}
        frame = pd.DataFrame({"timestamp": opens, **prices, "volume": price})
        return validated(frame, timeframe, "made up")

    def oldest(self, series: Series) -> pd.DataFrame:
        return self.candles(series, self._listed, series.timeframe.shift(self._listed, 100))


class FailingMarket(PagedMarket):
    """Delivers ``pages`` pages and no more."""

    def __init__(self, whole: MadeUpMarket, size: int, pages: int) -> None:
        super().__init__(whole, size)
        self._left = pages

    def pages(
        self, series: Series, start: datetime, end: datetime, now: datetime
    ) -> Iterator[Page]:
        for page in super().pages(series, start, end, now):
            if self._left == 0:
                raise MarketUnavailable("gone")
            self._left -= 1
            yield page


@dataclass(frozen=True)
class Case:
    """A market with holes, and fetches at ``now`` that keep the last ``history`` candles."""

    timeframe: Timeframe
    now: datetime
    settle: timedelta
    history: int
    listed: datetime
    absent: frozenset[datetime]
    page: int
    reread: int

    @property
    def series(self) -> Series:
        return Series("BTC/USDT", self.timeframe)

    @property
    def market(self) -> MadeUpMarket:
        return MadeUpMarket(self.listed, self.absent)

    @property
    def closed_by(self) -> datetime:
        return self.now - self.settle

    @property
    def kept_from(self) -> datetime:
        """As retention has it: a midnight, or any open."""
        first = self.timeframe.shift(self.now, -self.history)
        return first + timedelta(days=1) if self.timeframe.straddles_months else first

    @property
    def expected(self) -> list[datetime]:
        listed = self.market.listed(self.series, self.closed_by)
        if listed is None:
            return []
        end = self.timeframe.floor(self.closed_by)
        opens = self.timeframe.opens(max(self.kept_from, listed), end)
        return [opened.to_pydatetime() for opened in opens]

    @property
    def months(self) -> list[datetime]:
        return months_between(self.kept_from, self.now)

    def request(
        self, home: Path, months: list[datetime], market: PagedMarket | None = None
    ) -> None:
        """Fetch these consecutive months; the newest candle may be a hole."""
        window = months[0], next_month(months[-1])
        market = market or PagedMarket(self.market, self.page)
        request = FetchRequest(self.series, *window, self.kept_from, self.closed_by, self.reread)
        try:
            fetch_candles(ParquetStore(home), market, request, lambda: self.now)
        except CandlesNotYetAvailable:
            due = max((each for each in self.expected if each < window[1]), default=EVER[0])
            after = [each for each in self.expected if each >= due]
            assert self.absent.issuperset(after)
            event("newest candle absent")


@st.composite
def cases(draw: st.DrawFn) -> Case:
    timeframe = Timeframe(draw(st.sampled_from(NAMES)))
    later = draw(st.integers(-3, 12)) * timedelta(seconds=timeframe.seconds)
    odd = timedelta(seconds=draw(st.sampled_from([-1, 0, 1, 9, 30, 1799, 40_000])))
    now = utc(draw(st.sampled_from(EDGES))) + later + odd
    history = draw(st.integers(1, 14 if timeframe.seconds > 86_400 else 30))
    near = timeframe.opens(timeframe.shift(now, -history - 2), timeframe.shift(now, 2))
    opens = [opened.to_pydatetime() for opened in near]
    return Case(
        timeframe=timeframe,
        now=now,
        settle=timedelta(seconds=draw(st.sampled_from([0, 10]))),
        history=history,
        listed=draw(st.sampled_from([utc("2021-03-05"), *opens[:10]])),
        absent=draw(st.frozensets(st.sampled_from(opens), max_size=20)),
        page=draw(st.integers(1, 40)),
        reread=draw(st.integers(0, 4)),
    )


def assert_stored_or_explained(case: Case, home: Path) -> None:
    store, timeframe = ParquetStore(home), case.timeframe
    stored = store.read_candles(case.series, *EVER)
    true = case.market.candles(case.series, case.kept_from, timeframe.floor(case.closed_by))
    pd.testing.assert_frame_equal(stored, true, check_exact=True)
    if not case.expected:
        return
    gaps = find_gaps(
        stored["timestamp"], timeframe, case.expected[0], timeframe.next(case.expected[-1])
    )
    ledger = store.read_ledger(case.series)
    explained = [
        opened
        for each in ledger.explained(gaps, timeframe)
        for opened in timeframe.opens(each.start, each.end)
    ]
    assert sorted([*stored["timestamp"], *explained]) == case.expected
    assert ledger.unanswered(gaps) == []
    known = [opened for each in ledger.absences for opened in timeframe.opens(each.start, each.end)]
    assert known == explained
    assert store.read_revisions(case.series, *EVER).empty


@contextmanager
def homes() -> Iterator[Iterator[Path]]:
    with TemporaryDirectory() as folder:
        yield (Path(folder) / str(number) for number in count())


@settings(max_examples=10)
@given(case=cases())
def test_each_candle_is_stored_or_explained_and_fetching_again_changes_no_byte(case: Case) -> None:
    with homes() as folders:
        home = next(folders)
        case.request(home, case.months)
        assert_stored_or_explained(case, home)
        before = files_of(home)
        case.request(home, case.months)
        assert files_of(home) == before


@settings(max_examples=6)
@given(case=cases(), data=st.data())
def test_order_of_months_size_of_pages_and_failures_leave_no_trace(
    case: Case, data: st.DataObject
) -> None:
    with homes() as folders:
        at_once, by_month, other_pages, after_failure = (next(folders) for _ in range(4))
        case.request(at_once, case.months)
        for month in data.draw(st.permutations(case.months)):
            case.request(by_month, [month])
        replace(case, page=data.draw(st.integers(1, 40))).request(other_pages, case.months)
        failing = FailingMarket(case.market, case.page, data.draw(st.integers(0, 3)))
        with suppress(MarketUnavailable):
            case.request(after_failure, case.months, failing)
        case.request(after_failure, case.months)
        assert files_of(by_month) == files_of(at_once)
        assert files_of(other_pages) == files_of(at_once)
        assert files_of(after_failure) == files_of(at_once)


@settings(max_examples=6)
@given(case=cases(), steps=st.lists(st.integers(1, 5 * 3600), min_size=1, max_size=4))
def test_fetches_now_and_then_end_with_what_one_fetch_has(case: Case, steps: list[int]) -> None:
    """The clock moves by up to five candles at a time; nothing is forgotten meanwhile."""
    unit = timedelta(seconds=case.timeframe.seconds) / 3600
    moments = [case]
    for step in steps:
        now = moments[-1].now + step * unit
        history = case.timeframe.count(case.kept_from, case.timeframe.floor(now))
        moments.append(replace(case, now=now, history=history + case.timeframe.straddles_months))
    assert {moment.kept_from for moment in moments} == {case.kept_from}
    with homes() as folders:
        now_and_then, at_once = next(folders), next(folders)
        for moment in moments:
            moment.request(now_and_then, moment.months)
            assert_stored_or_explained(moment, now_and_then)
        moments[-1].request(at_once, moments[-1].months)
        assert files_of(now_and_then / "candles") == files_of(at_once / "candles")


def test_the_market_of_these_tests_has_different_candles() -> None:
    hourly = Series("BTC/USDT", Timeframe("1h"))
    market = MadeUpMarket(EVER[0], frozenset())
    candles = market.candles(hourly, utc("2024-01-01"), utc("2024-01-03"))
    assert len(candles) == len(candles[VALUES].drop_duplicates()) == 48
