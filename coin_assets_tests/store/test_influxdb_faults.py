"""Every fault of an InfluxDB server, and what becomes of a pull that meets it: a table of both.

Candles go from a patchy market in pages into the store on the stand-in. A fault begins when some
pages are stored, and passes or lasts. Whatever it is, the pull ends in one of these ways:

- identical: the store holds what a pull without the fault leaves;
- an error of a type that says whether it passes by itself, in words that say what to do.

After the fault, pulling once more makes the store identical. Writers that are killed in the middle
of a write leave what the same write completes.
"""

import contextlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event

import pandas as pd
import pytest

from coin_assets.domain.candles.gap_ledger import Ledger
from coin_assets.domain.series import Series
from coin_assets.errors import CoinAssetsError, StoreRefused, StoreUnavailable
from coin_assets.market.base import Market, Page
from coin_assets.pipeline.fetch import fetch_candles
from coin_assets.pipeline.fetch_request import FetchRequest
from coin_assets.store.base import Store
from coin_assets.store.influxdb.store import InfluxStore
from coin_assets_tests.influx.faults import FOREVER, QUERY, WRITE, Fault
from coin_assets_tests.influx.server import InfluxServer
from coin_assets_tests.market.patchy import PatchyMarket
from coin_assets_tests.pipeline.paged import PagedMarket
from coin_assets_tests.platform import series, utc
from coin_assets_tests.store.contract import (
    DEC,
    NOV,
    assert_same,
    candles_at,
    everything,
    series_of,
)
from coin_assets_tests.store.influxdb_buckets import connection_to

NOW = utc("2024-03-10T12:30")
WINDOW = utc("2024-01-01"), utc("2024-04-01")
HOURLY = series("1h")
HOLES = [("2024-01-05T03:00", "2024-01-05T09:00"), ("2024-01-31T22:00", "2024-02-01T04:00")]
PAGE = 600  # candles a page, three of which are stored before a fault begins

Spoil = Callable[[InfluxServer], None]


class SpoiltMarket(PagedMarket):
    """Calls ``spoil`` before its fourth page."""

    def __init__(self, whole: Market, spoil: Callable[[], None]) -> None:
        super().__init__(whole, PAGE)
        self._spoil = spoil

    def pages(
        self, series: Series, start: datetime, end: datetime, now: datetime
    ) -> Iterator[Page]:
        for number, page in enumerate(super().pages(series, start, end, now)):
            if number == 2:
                self._spoil()
            yield page


@dataclass(frozen=True)
class Content:
    """All that a store holds of a key."""

    candles: pd.DataFrame
    months: list[datetime]
    ledger: Ledger
    revisions: pd.DataFrame


def content_of(store: Store) -> Content:
    return Content(
        store.read_candles(HOURLY, *WINDOW),
        store.fetched_months(HOURLY),
        store.read_ledger(HOURLY),
        store.read_revisions(HOURLY, *WINDOW),
    )


def assert_identical(store: Store, expected: Content) -> None:
    found = content_of(store)
    assert_same(found.candles, expected.candles)
    assert_same(found.revisions, expected.revisions)
    assert (found.months, found.ledger) == (expected.months, expected.ledger)


def pull(store: Store, spoil: Callable[[], None] = lambda: None) -> None:
    market = SpoiltMarket(PatchyMarket(HOLES), spoil)
    fetch_candles(store, market, FetchRequest(HOURLY, *WINDOW, WINDOW[0], NOW, 3), lambda: NOW)


def opened(server: InfluxServer, folder: Path, patience: float, answer: float = 5.0) -> InfluxStore:
    connection = connection_to(server, patience)
    return InfluxStore(replace(connection, answer_seconds=answer), "sandbox", folder)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Content:
    with InfluxServer() as server:
        store = opened(server, tmp_path_factory.mktemp("locks"), 5.0)
        pull(store)
        return content_of(store)


def later(seconds: float, call: Callable[[], object]) -> None:
    timer = threading.Timer(seconds, call)
    timer.daemon = True
    timer.start()


def restart(server: InfluxServer) -> None:
    server.down()
    later(0.5, server.up)


def half_then_gone(server: InfluxServer) -> None:
    """Half of a chunk is stored, then the server is gone."""
    server.faults.store_half()
    server.faults.add(Fault("", FOREVER, cut="before"))


PASSING: dict[str, Spoil] = {
    "503 storm of writes": lambda server: server.faults.fail(WRITE, 503, times=4),
    "503 storm of queries": lambda server: server.faults.fail(QUERY, 503, times=4),
    "500": lambda server: server.faults.fail(WRITE, 500, times=2),
    "429, Retry-After 1 s": lambda server: server.faults.fail(WRITE, 429, 2, retry_after=1),
    "503, Retry-After 1 s": lambda server: server.faults.fail(QUERY, 503, 1, retry_after=1),
    "slow answers": lambda server: server.faults.delay(QUERY, 1.0, times=2),
    "slow writes": lambda server: server.faults.delay(WRITE, 1.0, times=2),
    "half a chunk, then dropped": lambda server: server.faults.store_half(times=2),
    "dropped before a write": lambda server: server.faults.cut_before(WRITE, times=2),
    "dropped after a write": lambda server: server.faults.cut_after(WRITE, times=2),
    "answer cut off": lambda server: server.faults.cut_answer(times=2),
    "error within an answer": lambda server: server.faults.error_in_body("out of memory", 2),
    "restart": restart,
}

LATE = 2.0  # seconds without an answer until a request has failed

# fault that lasts -> (type of the error, words of its message)
LASTING: dict[str, tuple[Spoil, type[CoinAssetsError], str]] = {
    "gone": (InfluxServer.down, StoreUnavailable, "correct INFLUXDB_V2_URL"),
    "503": (
        lambda server: server.faults.fail(WRITE, 503, FOREVER),
        StoreUnavailable,
        "HTTP 503.*carries on from what is stored",
    ),
    "429, Retry-After 600 s": (
        lambda server: server.faults.fail(WRITE, 429, FOREVER, retry_after=600),
        StoreUnavailable,
        "asks to wait 600 s",
    ),
    "slow": (
        lambda server: server.faults.delay(WRITE, 2 * LATE),
        StoreUnavailable,
        "Read timed out",
    ),
    "half a chunk, then gone": (half_then_gone, StoreUnavailable, "running and reachable"),
    "error within answers": (
        lambda server: server.faults.error_in_body("out of memory", FOREVER),
        StoreUnavailable,
        "out of memory",
    ),
    "never readable": (
        lambda server: server.faults.hide_newest(3, FOREVER),
        StoreUnavailable,
        "reading does not give back what was sent",
    ),
    "token revoked": (InfluxServer.revoke, StoreRefused, "Set INFLUXDB_V2_TOKEN"),
    "bucket gone": (
        lambda server: server.faults.fail(WRITE, 404, FOREVER),
        StoreRefused,
        "COIN_INFLUXDB_BUCKET",
    ),
}


@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_passes_leaves_no_trace(
    tmp_path: Path, undisturbed: Content, fault: str
) -> None:
    with InfluxServer() as server:
        store = opened(server, tmp_path, patience=20.0, answer=0.6)
        pull(store, lambda: PASSING[fault](server))
        assert_identical(store, undisturbed)
        assert [server.faults.take(path) for path in (WRITE, QUERY)] == [Fault(WRITE), Fault(QUERY)]
        store.close()


@pytest.mark.parametrize("fault", LASTING)
def test_a_fault_that_lasts_is_told_and_a_second_run_completes_what_is_stored(
    tmp_path: Path, undisturbed: Content, fault: str
) -> None:
    spoil, kind, words = LASTING[fault]
    with InfluxServer() as server:
        # Long enough for what is no fault, on a busy machine as well.
        store = opened(server, tmp_path, patience=0.5, answer=LATE)
        with pytest.raises(kind, match=words) as error:
            pull(store, lambda: spoil(server))
        assert server.url in str(error.value)
        assert server.token not in str(error.value)
        server.faults.clear()
        server.accept()
        server.up()
        store = opened(server, tmp_path, patience=20.0)
        stored = store.read_candles(HOURLY, *WINDOW)
        whole = undisturbed.candles
        assert len(stored) >= 2 * PAGE
        assert_same(
            stored, whole[whole["timestamp"].isin(stored["timestamp"])].reset_index(drop=True)
        )
        pull(store)
        assert_identical(store, undisturbed)
        pull(store)
        assert_identical(store, undisturbed)


def test_rows_that_come_to_sight_late_are_waited_for(tmp_path: Path) -> None:
    with InfluxServer() as server:
        store = opened(server, tmp_path, patience=20.0)
        frame = candles_at([NOV + timedelta(hours=number) for number in range(9)])
        store.newest_candles([HOURLY])
        server.faults.add(Fault(QUERY))  # what is stored before
        server.faults.hide_newest(2, times=3)
        written = store.write_candles(HOURLY, frame, NOV, DEC)
        assert written.rows_changed == 9
        assert len(server.asked(WRITE)) == 3
        assert_same(everything(store, HOURLY), frame)


def test_rows_that_never_come_to_sight_are_not_taken_for_stored(tmp_path: Path) -> None:
    """As points that a server drops without a word."""
    with InfluxServer() as server:
        store = opened(server, tmp_path, patience=0.3)
        frame = candles_at([NOV + timedelta(hours=number) for number in range(9)])
        store.write_candles(HOURLY, frame.head(6), NOV, DEC)
        server.faults.add(Fault(QUERY))  # what is stored before
        server.faults.hide_newest(1, FOREVER)
        with pytest.raises(StoreUnavailable, match=r"3 changed candles.*retention"):
            store.merge_candles(HOURLY, frame.tail(3), NOV, DEC)
        server.faults.clear()
        assert store.merge_candles(HOURLY, frame.tail(3), NOV, DEC).rows_changed == 0


# ------------------------------------------------------------------------------------ killed writer

MINUTELY = series_of("1m")
ROWS = 12_000  # three requests


def minutes(price: float) -> pd.DataFrame:
    return candles_at([NOV + timedelta(minutes=number) for number in range(ROWS)], price)


def write_minutes(server: InfluxServer, locks: Path, price: float) -> None:
    store = opened(server, locks, patience=20.0)
    store.write_candles(MINUTELY, minutes(price), NOV, DEC)
    store.close()


def writer_process(server: InfluxServer, locks: Path, price: float) -> "subprocess.Popen[bytes]":
    module = "coin_assets_tests.store.influxdb_writer"
    arguments = [server.url, server.org, server.bucket, server.token, str(locks), str(price)]
    return subprocess.Popen([sys.executable, "-m", module, *arguments])


@pytest.mark.parametrize("fatal", range(6))
def test_a_writer_killed_at_any_request_leaves_what_the_same_write_completes(
    tmp_path: Path, fatal: int
) -> None:
    """Requests of an update: three chunks and the marker; before them, the market."""
    with InfluxServer() as server:
        release = Event()
        if fatal:
            server.faults.add(Fault(WRITE, times=fatal))
        server.faults.hold(WRITE, release)
        process = writer_process(server, tmp_path, 10.0)
        while len(server.asked(WRITE)) <= fatal and process.poll() is None:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        killed = process.wait() == -signal.SIGKILL
        release.set()
        assert killed == (fatal < 5)
        with contextlib.suppress(IndexError):
            while not server.asked(WRITE)[fatal].status:  # the server may still do what it got
                time.sleep(0.005)
        store = opened(server, tmp_path, patience=20.0)
        stored = everything(store, MINUTELY)
        assert_same(stored, minutes(10.0).head(len(stored)))  # the oldest first
        if store.fetched_months(MINUTELY):
            assert len(stored) == ROWS
        write_minutes(server, tmp_path, 10.0)
        assert_same(everything(store, MINUTELY), minutes(10.0))
        assert store.fetched_months(MINUTELY) == [NOV]
