"""Fetches of one run at the same time: each waits for the exchange while others are answered.

Every fetch is a `fetch_candles` of its own, with its commits, by one of a few threads. The task of
a series takes the result, log lines, usage or error of its own fetch, as if it had fetched itself.
A fetch whose task never runs leaves candles that are valid and complete up to a page.
"""

import logging
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from queue import SimpleQueue

from coin_assets.domain.series import Series
from coin_assets.market.base import Market, TwinMarket, Usage
from coin_assets.market.log_lines import collected, replay
from coin_assets.market.pace import Halt
from coin_assets.pipeline.fetch import fetch_candles
from coin_assets.pipeline.fetch_request import FetchRequest
from coin_assets.pipeline.month_report import MonthReport
from coin_assets.store.base import Store

# Answers take some 200 ms and exchanges allow 5 to 50 a second.
THREADS = 8

Log = Callable[[str], None]
Lines = SimpleQueue[str | logging.LogRecord | None]


@dataclass(frozen=True)
class Fetched:
    """Result of one fetch.

    Attributes:
        reports: as `fetch_candles` returns them.
        usage: cost of this fetch alone.
    """

    reports: list[MonthReport]
    usage: Usage


@dataclass(frozen=True)
class Fetching:
    """What the fetches of a run have in common.

    Attributes:
        clock: as in `fetch_candles`.
        permits: whether candles from a time on may be fetched, for the disk; safe for threads.
    """

    store: Store
    market: Market
    clock: Callable[[], datetime]
    permits: Callable[[datetime], bool]


def fetch_counted(
    store: Store, market: Market, request: FetchRequest, clock: Callable[[], datetime], log: Log
) -> Fetched:
    """`fetch_candles`, with the usage of ``market`` for it."""
    before = market.usage()
    reports = fetch_candles(store, market, request, clock, log)
    return Fetched(reports, market.usage() - before)


@dataclass(frozen=True)
class _Fetch:
    """One fetch; the last of its ``lines`` is None."""

    request: FetchRequest
    future: Future[Fetched | None]
    lines: Lines


class FetchesAhead:
    """The fetches of a run, in the order of its tasks; each is taken at most once.

    Nothing is fetched ahead of a market without twins, or for a single series.

    Args:
        fetching: what the fetches have in common.
        requests: one for each series.
        threads: fetches at a time, at most.
    """

    def __init__(
        self, fetching: Fetching, requests: Iterable[FetchRequest], threads: int = THREADS
    ) -> None:
        self._fetching = fetching
        self._halt = Halt()
        self._fetches: dict[Series, _Fetch] = {}
        wanted = list(requests)
        self._twins = self._made_twins(min(threads, len(wanted)) if len(wanted) > 1 else 0)
        self._free: SimpleQueue[Market] = SimpleQueue()
        for twin in self._twins:
            self._free.put(twin)
        self._pool: ThreadPoolExecutor | None = None
        if self._twins:
            self._pool = ThreadPoolExecutor(len(self._twins), thread_name_prefix="fetch")
            for request in wanted:
                self._fetches[request.series] = self._submitted(request, self._pool)

    def take(self, request: FetchRequest, log: Log) -> Fetched | None:
        """Result of the fetch of a series; None if the task has to fetch itself.

        Args:
            request: of the task; its window has to be that of the fetch.
            log: receives the lines of the fetch, those so far at once and the others as they come.

        Raises:
            CoinAssetsError: as `fetch_candles`.
        """
        fetch = self._fetches.get(request.series)
        if fetch is None:
            return None
        if _window(fetch.request) != _window(request):
            self.discard(request.series)
            return None
        self._follow(fetch, log)
        return fetch.future.result()

    def discard(self, series: Series) -> None:
        """Wait for the end of the fetch of a series that its task will not take."""
        fetch = self._fetches.get(series)
        if fetch is not None and not fetch.future.cancel():
            self._follow(fetch, lambda _line: None)
        self._fetches.pop(series, None)

    def _follow(self, fetch: _Fetch, log: Log) -> None:
        """Write the lines of a fetch until it ends."""
        try:
            while (line := fetch.lines.get()) is not None:
                if isinstance(line, str):
                    log(line)
                else:
                    replay(line)
        except BaseException:  # the run is interrupted: end the threads before anything is closed
            self.close()
            raise
        self._fetches.pop(fetch.request.series, None)

    def close(self) -> None:
        """End all fetches, each before its next request, and their threads and connections."""
        self._halt.stop()
        self._fetches.clear()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None
        for twin in self._twins:
            twin.close()

    def _made_twins(self, count: int) -> list[Market]:
        market = self._fetching.market
        if not isinstance(market, TwinMarket):
            return []
        twins = (market.twin(self._halt) for _ in range(count))
        return [twin for twin in twins if twin is not None]

    def _submitted(self, request: FetchRequest, pool: ThreadPoolExecutor) -> _Fetch:
        lines: Lines = SimpleQueue()
        return _Fetch(request, pool.submit(self._fetched, request, lines), lines)

    def _fetched(self, request: FetchRequest, lines: Lines) -> Fetched | None:
        market = self._free.get()
        try:
            with collected(lines.put):
                self._halt.check()
                if not self._fetching.permits(request.start):
                    return None
                store, clock = self._fetching.store, self._fetching.clock
                return fetch_counted(store, market, request, clock, lines.put)
        finally:
            self._free.put(market)
            lines.put(None)


def _window(request: FetchRequest) -> tuple[datetime, datetime]:
    return request.start, request.end
