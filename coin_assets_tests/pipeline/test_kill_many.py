"""A run that fetches several symbols at the same time is killed, and leaves no trace.

It ends with the bytes of fetches one after the other, and at most one page of each symbol is
fetched twice for each kill.
"""

import random
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest

from coin_assets.domain.series import Series
from coin_assets.pipeline.fetch import fetch_candles
from coin_assets.pipeline.fetch_request import FetchRequest
from coin_assets.store.parquet import ParquetStore
from coin_assets_tests.market.exchange import FakeExchange
from coin_assets_tests.market.patchy import PatchyMarket
from coin_assets_tests.pipeline.backfill_process import (
    CANDLES_A_PAGE,
    HOURLY,
    REREAD,
    market_at,
)
from coin_assets_tests.pipeline.test_kill import killed_after, refetched, since_of
from coin_assets_tests.platform import files_of, utc

START, END, NOW = utc("2021-01-01"), utc("2022-08-01"), utc("2022-07-10T12:30")
SYMBOLS = ["BTC/USDT", "ETH/USDT", "SOL/USDT", "ADA/USDT"]
HOLES = [("2021-04-25T05:00", "2021-04-25T08:00"), ("2022-01-31T22:00", "2022-02-01T04:00")]


def started(url: str, home: Path) -> "subprocess.Popen[bytes]":
    times = [time.isoformat() for time in (START, END, NOW)]
    module = "coin_assets_tests.pipeline.backfill_process"
    command = [sys.executable, "-m", module, url, str(home), *times, *SYMBOLS]
    return subprocess.Popen(command)


def pages_of(exchange: FakeExchange, symbol: str) -> list[datetime]:
    name = symbol.replace("/", "")
    asked = [since_of(each) for each in exchange.asked() if each.query["symbol"] == name]
    return [since for since in asked if since >= START]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kills", [4, pytest.param(20, marks=pytest.mark.slow)])
def test_kills_leave_no_trace_and_cost_at_most_a_page_a_symbol_each(
    tmp_path: Path, kills: int
) -> None:
    chance, market = random.Random(2018), PatchyMarket(HOLES)
    with FakeExchange(NOW, market, SYMBOLS) as exchange:
        for symbol in SYMBOLS:
            request = FetchRequest(Series(symbol, HOURLY.timeframe), START, END, START, NOW, REREAD)
            store = ParquetStore(tmp_path / "undisturbed")
            fetch_candles(store, market_at(exchange.url), request, lambda: NOW)
        undisturbed = {symbol: pages_of(exchange, symbol) for symbol in SYMBOLS}
    with FakeExchange(NOW, market, SYMBOLS) as exchange:
        for _ in range(kills):
            run = started(exchange.url, tmp_path / "killed")
            assert killed_after(run, exchange, chance.randint(1, 6), chance.uniform(0, 0.2))
        assert started(exchange.url, tmp_path / "killed").wait() == 0
        requested = {symbol: pages_of(exchange, symbol) for symbol in SYMBOLS}

    expected = files_of(tmp_path / "undisturbed")
    assert files_of(tmp_path / "killed") == expected
    assert sum(name.endswith("candles.parquet") for name in expected) == 19 * len(SYMBOLS)
    assert kills * REREAD < CANDLES_A_PAGE
    for symbol in SYMBOLS:
        assert len(undisturbed[symbol]) >= 27
        assert len(requested[symbol]) <= len(undisturbed[symbol]) + kills + 1
        pages = market.pages(Series(symbol, HOURLY.timeframe), START, END, NOW)
        candles = pd.concat([page.candles for page in pages], ignore_index=True)
        without = len(refetched(undisturbed[symbol], candles))
        assert len(refetched(requested[symbol], candles)) <= without + kills
