"""A fetch that is killed, at any moment and any number of times, leaves no trace.

The next fetch goes on where it was: the files end up byte for byte the same, ledger included, and
at most one page is fetched twice for each kill.
"""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

import pandas as pd
import pytest

from coin_assets.domain.candles.gaps import find_gaps
from coin_assets.domain.candles.resampling import resample
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import EPOCH
from coin_assets.market.base import Market, Page
from coin_assets.market.sandbox import SandboxMarket
from coin_assets.pipeline.fetch import fetch_candles
from coin_assets.pipeline.fetch_request import FetchRequest
from coin_assets.store.parquet import ParquetStore
from coin_assets_tests.market.exchange import FakeExchange, Request
from coin_assets_tests.market.patchy import PatchyMarket
from coin_assets_tests.market.recorded import RecordedMarket
from coin_assets_tests.pipeline.backfill_process import CANDLES_A_PAGE, HOURLY, REREAD
from coin_assets_tests.pipeline.paged import PagedMarket
from coin_assets_tests.platform import files_of, series, utc
from coin_assets_tests.realdata import REAL_DATA, real_candles

Span = tuple[datetime, datetime]
HOUR = timedelta(hours=1)

# --------------------------------------------------------------------------------- SIGKILL for real

START, END, NOW = utc("2017-09-01"), utc("2022-08-01"), utc("2022-07-10T12:30")
# Real outages of the exchange, for machines without the real candles.
OUTAGES = [
    ("2018-02-08T01:00", "2018-02-09T10:00"),
    ("2018-06-26T02:00", "2018-06-26T12:00"),
    ("2019-05-15T03:00", "2019-05-15T13:00"),
    ("2021-04-25T05:00", "2021-04-25T08:00"),
]


def market_with_outages() -> Market:
    """Real hours, and what exchanges make of them, if there are any."""
    if not REAL_DATA.is_dir():
        return PatchyMarket(OUTAGES)
    frames = {HOURLY: real_candles("BTC/USDT", "1h")}
    for coarser in (series("1d"), series("1M")):
        made = resample(frames[HOURLY], HOURLY.timeframe, coarser.timeframe)
        frames[coarser] = made.candles
    return RecordedMarket(frames)


def candles_of(market: Market) -> pd.DataFrame:
    pages = market.pages(HOURLY, START, END, NOW)
    return pd.concat([page.candles for page in pages], ignore_index=True)


def started(url: str, home: Path) -> "subprocess.Popen[bytes]":
    times = [time.isoformat() for time in (START, END, NOW)]
    module = "coin_assets_tests.pipeline.backfill_process"
    return subprocess.Popen([sys.executable, "-m", module, url, str(home), *times])


def page_requests(exchange: FakeExchange) -> list[datetime]:
    """First opens of the pages that were requested; not what found the listing before."""
    return [since for request in exchange.asked() if (since := since_of(request)) >= START]


def since_of(request: Request) -> datetime:
    """Some exchanges leave ``since`` itself out, so the client may request from just before."""
    since = EPOCH + timedelta(milliseconds=int(request.query["startTime"]))
    return HOURLY.timeframe.next(since - timedelta.resolution)


def seconds_a_page(backfill: "subprocess.Popen[bytes]", exchange: FakeExchange) -> float:
    """How long a page takes from one request to the next, on this machine at present."""
    while not page_requests(exchange) and backfill.poll() is None:
        time.sleep(0.001)
    begun = time.monotonic()
    assert backfill.wait() == 0
    return (time.monotonic() - begun) / len(page_requests(exchange))


def killed_after(
    backfill: "subprocess.Popen[bytes]", exchange: FakeExchange, requests: int, seconds: float
) -> bool:
    """Kill when so many more pages were requested and some time passed; False if it was done."""
    target = len(page_requests(exchange)) + requests
    while len(page_requests(exchange)) < target and backfill.poll() is None:
        time.sleep(0.001)
    time.sleep(seconds)
    backfill.kill()
    return backfill.wait() == -signal.SIGKILL


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kills", [4, pytest.param(30, marks=pytest.mark.slow)])
def test_kills_leave_no_trace_and_cost_at_most_a_page_each(tmp_path: Path, kills: int) -> None:
    chance = random.Random(20171)
    market = market_with_outages()
    with FakeExchange(NOW, market) as exchange:
        pace = seconds_a_page(started(exchange.url, tmp_path / "undisturbed"), exchange)
        undisturbed = page_requests(exchange)
    with FakeExchange(NOW, market) as exchange:
        for _ in range(kills):
            backfill = started(exchange.url, tmp_path / "killed")
            requests, seconds = chance.randint(1, 2), chance.uniform(0, 1.5 * pace)
            assert killed_after(backfill, exchange, requests, seconds)
        assert started(exchange.url, tmp_path / "killed").wait() == 0
        requested = page_requests(exchange)

    expected = files_of(tmp_path / "undisturbed")
    assert files_of(tmp_path / "killed") == expected
    assert sum(name.endswith("candles.parquet") for name in expected) == 59
    candles = candles_of(market)
    stored = ParquetStore(tmp_path / "killed").read_candles(HOURLY, START, END)
    pd.testing.assert_frame_equal(stored, candles, check_exact=True)
    holes = find_gaps(candles["timestamp"], HOURLY.timeframe, START, HOURLY.timeframe.floor(NOW))
    ledger = ParquetStore(tmp_path / "killed").read_ledger(HOURLY)
    assert [(each.start, each.end) for each in ledger.absences] == [
        (hole.start, hole.end) for hole in holes
    ]
    assert len(holes) >= len(OUTAGES)

    # Each restart reads the last few candles again: together less than a page.
    assert len(undisturbed) >= 80
    assert kills * REREAD < CANDLES_A_PAGE
    assert len(requested) <= len(undisturbed) + kills + 1
    # What finds the listing brings candles too, with or without a kill.
    without = len(refetched(undisturbed, candles))
    assert without <= 1 + len(holes)
    assert len(refetched(requested, candles)) <= without + kills


def refetched(requested: list[datetime], candles: pd.DataFrame) -> list[datetime]:
    """Pages that brought no candle that no page before had brought."""
    found, seen = [], set[datetime]()
    for since in requested:
        rest = candles["timestamp"][candles["timestamp"] >= since]
        page = set(rest.head(CANDLES_A_PAGE).dt.to_pydatetime())
        if page <= seen:
            found.append(since)
        seen |= page
    return found


# ------------------------------------------------------------ killed before and after every write

PAGE = 300  # candles a page, some of which lie across two months
HOLES = [
    ("2024-01-05T03:00", "2024-01-05T09:00"),
    ("2024-01-31T22:00", "2024-02-01T04:00"),
    ("2024-02-27T00:00", "2024-02-27T01:00"),
]


class KilledError(BaseException):
    """Nobody catches it, as nobody catches SIGKILL."""


class DyingStore(ParquetStore):
    """Dies before its ``fatal``-th write, or right after it."""

    def __init__(self, home: Path, fatal: float) -> None:
        super().__init__(home)
        self._steps = count()
        self._fatal = fatal

    def _step(self) -> None:
        if next(self._steps) >= self._fatal:
            raise KilledError

    def merge_candles(self, *arguments, **options):  # type: ignore[no-untyped-def]
        self._step()
        written = super().merge_candles(*arguments, **options)
        self._step()
        return written

    def update_ledger(self, *arguments, **options):  # type: ignore[no-untyped-def]
        self._step()
        ledger = super().update_ledger(*arguments, **options)
        self._step()
        return ledger

    def record_revisions(self, *arguments, **options):  # type: ignore[no-untyped-def]
        self._step()
        written = super().record_revisions(*arguments, **options)
        self._step()
        return written


class CountingMarket(PagedMarket):
    """Records each page that was requested."""

    def __init__(self, whole: Market, size: int) -> None:
        super().__init__(whole, size)
        self.served: list[Span] = []

    def pages(
        self, series: Series, start: datetime, end: datetime, now: datetime
    ) -> Iterator[Page]:
        for page in super().pages(series, start, end, now):
            self.served.append((page.start, page.end))
            yield page


def request(store: ParquetStore, market: Market, now: datetime) -> None:
    window = utc("2024-01-01"), utc("2024-04-01")
    fetch_candles(
        store, market, FetchRequest(series("1h"), *window, window[0], now, REREAD), lambda: now
    )


def test_death_before_or_after_any_write_costs_at_most_a_page(tmp_path: Path) -> None:
    now = utc("2024-03-10T12:30")
    whole = PatchyMarket(HOLES)
    undisturbed = CountingMarket(whole, PAGE)
    request(ParquetStore(tmp_path / "undisturbed"), undisturbed, now)
    expected = files_of(tmp_path / "undisturbed")
    for fatal in count():
        home, market = tmp_path / str(fatal), CountingMarket(whole, PAGE)
        try:
            request(DyingStore(home, fatal), market, now)
        except KilledError:
            request(ParquetStore(home), market, now)
        else:
            break
        assert files_of(home) == expected
        assert len(market.served) <= len(undisturbed.served) + 1
    assert fatal > 2 * len(undisturbed.served)


def test_death_at_any_write_loses_no_change_and_no_late_candle(tmp_path: Path) -> None:
    """The second fetch finds a hole filled; whenever it dies, the third records the late candle."""
    first, second, third = (utc(f"2024-03-10T{hour}:30") for hour in (12, 14, 16))
    for fatal in count():
        home = tmp_path / str(fatal)
        request(ParquetStore(home), PatchyMarket(HOLES), first)
        finished = True
        try:
            request(DyingStore(home, fatal), PatchyMarket(HOLES[1:]), second)
        except KilledError:
            finished = False
        store = ParquetStore(home)
        for each in store.read_ledger(series("1h")).absences:  # never explained and stored as well
            assert store.count_candles(series("1h"), each.start, each.end) == 0
        request(store, PatchyMarket(HOLES[1:]), third)
        late = store.read_revisions(series("1h"), utc("2024-01-01"), utc("2024-04-01"))
        opens = [utc("2024-01-05T03:00") + number * HOUR for number in range(6)]
        assert late["timestamp"].drop_duplicates().tolist() == opens
        assert late["old_close"].isna().all()
        stored = store.read_candles(series("1h"), opens[0], opens[-1] + HOUR)
        (page,) = SandboxMarket().pages(series("1h"), opens[0], opens[-1] + HOUR, third)
        pd.testing.assert_frame_equal(stored, page.candles)
        assert [each.start for each in store.read_ledger(series("1h")).absences] == [
            utc(start) for start, _ in HOLES[1:]
        ]
        if finished:
            break
    assert fatal >= 4
