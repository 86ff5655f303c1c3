"""Fetches of one run at the same time, from the real ccxt client and a slow exchange.

- They overlap, and leave the bytes and reports of fetches one after the other.
- An error is raised for its own series only; log lines and usage belong to their series.
- Closing ends all threads and connections soon, whatever they wait for, and loses no page.
"""

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from coin_assets.domain.candles.gaps import find_gaps
from coin_assets.domain.series import Series
from coin_assets.errors import SymbolUnavailable
from coin_assets.market.base import Market, Usage
from coin_assets.market.ccxt import CcxtMarket
from coin_assets.market.log_lines import collected, market_logger, replay
from coin_assets.market.pace import Halt
from coin_assets.market.sandbox import SandboxMarket
from coin_assets.pipeline import fetch_ahead
from coin_assets.pipeline.fetch_ahead import FetchesAhead, Fetching, fetch_counted
from coin_assets.pipeline.fetch_request import FetchRequest
from coin_assets.store.parquet import ParquetStore
from coin_assets_tests.market.busy import BusyExchange
from coin_assets_tests.market.faults import http_status
from coin_assets_tests.market.patchy import PatchyMarket
from coin_assets_tests.platform import files_of, series, utc

NOW, START, END = utc("2026-11-22T20:40"), utc("2026-11-01"), utc("2026-12-01")
SYMBOLS = [f"C{number}/USDT" for number in range(10)]
HOLES = [("2026-11-05T03:00", "2026-11-05T09:00")]


@pytest.fixture
def exchange() -> Iterator[BusyExchange]:
    with BusyExchange(NOW, SYMBOLS, PatchyMarket(HOLES)) as running:
        running.page = 200
        yield running


@pytest.fixture
def market(exchange: BusyExchange) -> Iterator[CcxtMarket]:
    market = CcxtMarket("binance", exchange.configure)
    yield market
    market.close()


def request_of(symbol: str, end: datetime = END) -> FetchRequest:
    return FetchRequest(series("1h", symbol), START, end, START, NOW, 3)


def fetching(home: Path, market: Market, permits: bool = True) -> Fetching:
    return Fetching(ParquetStore(home), market, lambda: NOW, lambda _start: permits)


def quiet(_line: str) -> None:
    """No log."""


def fetch_threads() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name.startswith("fetch")]


def test_fetches_overlap_and_leave_what_fetches_in_turn_leave(
    tmp_path: Path, exchange: BusyExchange, market: CcxtMarket
) -> None:
    requests = [request_of(symbol) for symbol in SYMBOLS]
    exchange.delay = 0.02
    store = ParquetStore(tmp_path / "in turn")
    in_turn = [fetch_counted(store, market, each, lambda: NOW, quiet) for each in requests]
    assert exchange.most_at_once == 1
    sent, exchange.delay = len(exchange.requests), 0.1

    ahead = FetchesAhead(fetching(tmp_path / "at once", market), requests)
    # The order in which the tasks come makes no difference.
    found = {each.series: ahead.take(each, quiet) for each in requests[::-1]}
    ahead.close()
    at_once = [found[each.series] for each in requests]
    assert 2 < exchange.most_at_once <= fetch_ahead.THREADS
    assert [each and each.reports for each in at_once] == [each.reports for each in in_turn]
    assert files_of(tmp_path / "at once") == files_of(tmp_path / "in turn")
    assert len(exchange.requests) - sent == sent - 1  # the list of markets is known
    usages = [each.usage for each in at_once if each is not None]
    assert usages == [in_turn[1].usage] * len(SYMBOLS)
    assert fetch_threads() == []


def test_an_error_is_that_of_its_own_series(
    tmp_path: Path, exchange: BusyExchange, market: CcxtMarket
) -> None:
    exchange.delay = 0.01
    requests = [request_of(symbol) for symbol in ("C0/USDT", "GONE/USDT", "C1/USDT")]
    ahead = FetchesAhead(fetching(tmp_path, market), requests)
    assert ahead.take(requests[0], quiet) is not None
    with pytest.raises(SymbolUnavailable, match="binance has no GONE/USDT"):
        ahead.take(requests[1], quiet)
    assert ahead.take(requests[2], quiet) is not None
    assert ahead.take(requests[1], quiet) is None  # its task fetches itself from now on
    ahead.close()
    failed = ParquetStore(tmp_path).read_ledger(requests[1].series).absences
    assert [each.state for each in failed] == ["failed"]


def test_what_is_not_fetched_ahead_is_left_to_the_task(
    tmp_path: Path, exchange: BusyExchange, market: CcxtMarket
) -> None:
    exchange.delay = 0.01
    requests = [request_of(symbol) for symbol in SYMBOLS[:2]]
    alone = FetchesAhead(fetching(tmp_path, market), requests[:1])
    assert alone.take(requests[0], quiet) is None
    local = FetchesAhead(fetching(tmp_path, SandboxMarket()), requests)
    assert local.take(requests[0], quiet) is None
    full = FetchesAhead(fetching(tmp_path, market, permits=False), requests)
    assert full.take(requests[0], quiet) is None
    assert exchange.requests == []
    other = FetchesAhead(fetching(tmp_path, market), requests)
    assert other.take(request_of(SYMBOLS[0], utc("2027-01-01")), quiet) is None
    assert other.take(request_of("OTHER/USDT"), quiet) is None
    other.discard(requests[1].series)
    assert other.take(requests[1], quiet) is None
    for each in (alone, local, full, other):
        each.close()
    assert fetch_threads() == []


@pytest.mark.parametrize("state", ["answering", "failing"])
def test_closing_ends_all_threads_soon_and_keeps_the_pages(
    tmp_path: Path, exchange: BusyExchange, market: CcxtMarket, state: str
) -> None:
    """Ten series of three pages take 9 s, and a failing exchange is asked for a minute."""
    exchange.delay = 0.3
    requests = [request_of(symbol) for symbol in SYMBOLS]
    ahead = FetchesAhead(fetching(tmp_path, market), requests, threads=2)
    while len(exchange.asked()) < 4:
        time.sleep(0.001)
    if state == "failing":
        exchange.spoil_always(http_status(503))
    sent = len(exchange.requests)
    begun = time.monotonic()
    ahead.close()
    assert time.monotonic() - begun < 5
    assert fetch_threads() == []
    assert len(exchange.requests) <= sent + 2  # one in flight each
    assert ahead.take(requests[0], quiet) is None
    exchange.heal()
    exchange.delay = 0.0
    store = ParquetStore(tmp_path)
    for each in requests:
        fetch_counted(store, market, each, lambda: NOW, quiet)
        stored = store.read_candles(each.series, START, END)["timestamp"]
        gaps = find_gaps(stored, each.series.timeframe, START, each.series.timeframe.floor(NOW))
        assert [(gap.start, gap.count) for gap in gaps] == [(utc(HOLES[0][0]), 6)]


def test_a_signal_while_a_task_waits_ends_the_threads(
    tmp_path: Path, exchange: BusyExchange, market: CcxtMarket
) -> None:
    exchange.delay = 0.5
    requests = [request_of(symbol) for symbol in SYMBOLS]
    ahead = FetchesAhead(fetching(tmp_path, market), requests)
    cancel = threading.Timer(0.7, os.kill, (os.getpid(), signal.SIGINT))
    cancel.start()
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        ahead.take(requests[0], quiet)
    assert time.monotonic() - begun < 5  # undisturbed the first fetch takes 4 s, all of them 8 s
    assert fetch_threads() == []
    assert len(exchange.requests) <= 1 + 3 * fetch_ahead.THREADS
    cancel.join()


def test_lines_come_while_the_fetch_runs_and_from_its_series_alone(
    tmp_path: Path, exchange: BusyExchange, market: CcxtMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coin_assets.pipeline.fetch_progress._EVERY_SECONDS", 0.0)
    exchange.delay = 0.3
    requests = [request_of(symbol) for symbol in SYMBOLS[:3]]
    ahead = FetchesAhead(fetching(tmp_path, market), requests)
    arrived: list[float] = []

    def log(line: str) -> None:
        assert line.startswith(f"{requests[0].series}: ")
        arrived.append(time.monotonic())

    assert ahead.take(requests[0], log) is not None
    ended = time.monotonic()
    assert len(arrived) >= 2
    assert ended - arrived[0] > 0.2
    ahead.close()


class Wordy(SandboxMarket):
    """Warns as archives do, through the logger of its module."""

    def twin(self, halt: Halt) -> Market:  # noqa: ARG002 (protocol)
        return Wordy()

    def listed(
        self, series: Series, now: datetime, since: datetime | None = None
    ) -> datetime | None:
        market_logger("coin_assets.market.wordy").warning("%s is odd", series)
        return super().listed(series, now, since)


def test_warnings_of_the_market_are_replayed_by_their_task(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    requests = [request_of(symbol) for symbol in SYMBOLS[:3]]
    with caplog.at_level(logging.WARNING):
        ahead = FetchesAhead(fetching(tmp_path, Wordy()), requests)
        for request in requests:
            time.sleep(0.05)
            caplog.clear()
            found = ahead.take(request, quiet)
            assert found is not None
            assert found.usage == Usage(1)
            assert caplog.messages == [f"{request.series} is odd"]
        ahead.close()


def test_collected_lines_are_not_logged_until_they_are_replayed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    logger, kept = market_logger("coin_assets.market.test"), list[logging.LogRecord]()
    with caplog.at_level(logging.INFO), collected(kept.append):
        logger.info("one")
        logging.getLogger("elsewhere").info("two")
    assert caplog.messages == ["two"]
    with caplog.at_level(logging.INFO):
        logger.info("three")
        replay(kept[0])
    assert caplog.messages == ["two", "three", "one"]
    assert timedelta(0) <= timedelta(seconds=time.time() - kept[0].created) < timedelta(minutes=5)
