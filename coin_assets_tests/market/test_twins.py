"""Twins of a market: one for each thread of a run.

- Their requests overlap, and together they keep to the rate limit and the bans of the exchange.
- They request the list of markets once; requests and retries are counted for each alone.
- A halted twin sends no further request.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread

import pytest

from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe
from coin_assets.errors import MarketUnavailable
from coin_assets.market.base import Market, Usage
from coin_assets.market.ccxt import CcxtMarket
from coin_assets.market.combined import CombinedMarket
from coin_assets.market.downloads import ArchiveFiles
from coin_assets.market.pace import Halt, Halted
from coin_assets.market.sandbox import SandboxMarket
from coin_assets_tests.market.busy import BusyExchange
from coin_assets_tests.market.faults import http_status, wait_please

NOW = datetime(2026, 11, 22, 20, 40, tzinfo=UTC)
SYMBOLS = [f"C{number}/USDT" for number in range(12)]


@pytest.fixture
def exchange() -> Iterator[BusyExchange]:
    with BusyExchange(NOW, SYMBOLS, delay=0.0) as running:
        yield running


def read(market: Market, symbol: str = SYMBOLS[0], hours: int = 9) -> int:
    series, start = Series(symbol, Timeframe("1h")), NOW - timedelta(hours=hours)
    return sum(len(page.candles) for page in market.pages(series, start, NOW, NOW))


def read_at_once(market: CcxtMarket, threads: int) -> list[Usage]:
    """Usage of one thread for each of `SYMBOLS`."""

    def one(symbol: str) -> Usage:
        with closing(market.twin(Halt())) as twin:
            assert read(twin, symbol) == 8
            return twin.usage()

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, SYMBOLS))


def test_threads_request_at_once_and_list_the_markets_once(exchange: BusyExchange) -> None:
    exchange.delay = 0.2
    market = CcxtMarket("binance", exchange.configure)
    usages = read_at_once(market, threads=6)
    assert exchange.most_at_once > 2
    assert len(exchange.asked("exchangeInfo")) == 1
    assert sorted(usage.requests for usage in usages) == [1] * 11 + [2]
    assert market.usage() == Usage()
    assert read(market) == 8
    assert market.usage() == Usage(1)  # the list of the twins is its own as well
    market.close()


def test_the_rate_of_the_exchange_holds_for_all_threads(exchange: BusyExchange) -> None:
    exchange.pace, exchange.delay = 250.0, 0.3  # candles weigh 0.4, the list of markets 4
    market = CcxtMarket("binance", exchange.configure)
    begun = time.monotonic()
    read_at_once(market, threads=8)
    candles = sorted(exchange.arrivals)[1:]
    assert exchange.most_at_once > 1
    assert candles[-1] - begun >= 11 * 0.1
    # By the clock of the server, whose threads may be late: without a limit it is 0.1 s.
    assert min(candles[at + 7] - candles[at] for at in range(len(candles) - 7)) >= 0.3
    market.close()


def test_a_ban_of_one_thread_is_one_of_all(exchange: BusyExchange) -> None:
    market = CcxtMarket("binance", exchange.configure)
    first, second = market.twin(Halt()), market.twin(Halt())
    assert read(second) == 8
    exchange.spoil(wait_please(418, "3600"))
    with pytest.raises(MarketUnavailable, match="no request until"):
        read(first)
    sent = len(exchange.requests)
    for each in (second, market, market.twin(Halt())):
        with pytest.raises(MarketUnavailable, match="no request until"):
            read(each)
        each.close()
    assert len(exchange.requests) == sent
    first.close()


def test_a_thread_that_waits_for_its_turn_is_told_of_a_ban(exchange: BusyExchange) -> None:
    exchange.pace = 1000.0  # candles weigh 0.4
    market = CcxtMarket("binance", exchange.configure)
    assert read(market) == 8
    exchange.spoil(wait_please(418, "3600"))
    twins = [market.twin(Halt()) for _ in range(3)]

    def refused(twin: Market) -> str:
        with pytest.raises(MarketUnavailable, match="it allows no request until") as error:
            read(twin)
        return str(error.value)

    with ThreadPoolExecutor(3) as threads:
        messages = list(threads.map(refused, twins))
    assert len(exchange.asked()) == 2
    assert sum("418" in message for message in messages) == 1  # the one that was told itself
    assert [twin.usage().retries for twin in twins] == [0, 0, 0]
    for each in (*twins, market):
        each.close()


def test_retries_are_counted_for_the_thread_that_made_them(exchange: BusyExchange) -> None:
    slept: list[float] = []
    market = CcxtMarket("binance", exchange.configure, slept.append)
    assert read(market) == 8
    first, second = market.twin(Halt()), market.twin(Halt())
    exchange.spoil(http_status(503))
    assert read(first) == 8
    assert read(second) == 8
    assert (first.usage(), second.usage(), market.usage()) == (Usage(2, 1), Usage(1), Usage(2))
    assert slept == []  # the twin slept by itself
    for each in (first, second, market):
        each.close()


def test_a_halted_twin_sends_no_further_request(exchange: BusyExchange) -> None:
    market, halt = CcxtMarket("binance", exchange.configure), Halt()
    exchange.page = 10
    twin = market.twin(halt)
    pages = twin.pages(Series(SYMBOLS[0], Timeframe("1h")), NOW - timedelta(hours=40), NOW, NOW)
    next(pages)
    halt.stop()
    sent = len(exchange.requests)
    with pytest.raises(Halted):
        next(pages)
    assert len(exchange.requests) == sent
    twin.close()


def test_a_halt_ends_the_pause_before_another_attempt(exchange: BusyExchange) -> None:
    exchange.spoil_always(http_status(503))
    halt, ended = Halt(), Event()
    twin = CcxtMarket("binance", exchange.configure).twin(halt)

    def wait() -> None:
        with pytest.raises(Halted):
            read(twin)
        ended.set()

    thread = Thread(target=wait)
    thread.start()
    while not exchange.asked():
        time.sleep(0.001)
    halt.stop()
    assert ended.wait(30)
    thread.join()
    twin.close()


def test_an_archive_beside_an_exchange_has_twins_where_the_exchange_has(
    exchange: BusyExchange, tmp_path: Path
) -> None:
    files = ArchiveFiles("http://127.0.0.1:9", tmp_path)
    market = CombinedMarket(files, CcxtMarket("binance", exchange.configure))
    twins = [market.twin(Halt()) for _ in range(2)]
    for twin in twins:
        assert twin is not None
        assert read(twin) == 8
    assert [twin and twin.usage() for twin in twins] == [Usage(2), Usage(1)]
    assert market.usage() == Usage()
    assert CombinedMarket(files, SandboxMarket()).twin(Halt()) is None
    for each in (*twins, market):
        assert each is not None
        each.close()
