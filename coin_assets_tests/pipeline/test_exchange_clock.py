"""Closed candles: the clocks of this machine and the exchange decide, through the ccxt client."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from coin_assets.domain.candles.absences import FAILED
from coin_assets.errors import ClockDiffers
from coin_assets.market.ccxt import CcxtMarket
from coin_assets.market.sandbox import SandboxMarket
from coin_assets.pipeline.exchange_clock import clock_lead
from coin_assets.pipeline.fetch import fetch_candles
from coin_assets.pipeline.fetch_request import FetchRequest
from coin_assets.store.parquet import ParquetStore
from coin_assets_tests.market.exchange import FakeExchange
from coin_assets_tests.market.faults import headed
from coin_assets_tests.platform import series

BTC_1H = series("1h")
MONTH, NEXT_MONTH = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
NOON = datetime(2026, 11, 3, 12, tzinfo=UTC)
ELEVEN, TEN = NOON - timedelta(hours=1), NOON - timedelta(hours=2)
AHEAD = timedelta(seconds=35)


@pytest.fixture
def exchange() -> Iterator[FakeExchange]:
    with FakeExchange(NOON) as made:
        yield made


@pytest.fixture
def store(tmp_path: Path) -> ParquetStore:
    return ParquetStore(tmp_path)


def fetched(store: ParquetStore, exchange: FakeExchange, local: datetime) -> None:
    """Fetch the running month by a machine whose clock shows ``local``."""
    market = CcxtMarket("binance", exchange.configure, sleep=lambda _: None)
    closed_by = local - timedelta(seconds=2)
    request = FetchRequest(BTC_1H, MONTH, NEXT_MONTH, MONTH, closed_by, 3)
    fetch_candles(store, market, request, lambda: local)


def stored(store: ParquetStore) -> pd.DataFrame:
    return store.read_candles(BTC_1H, MONTH, NEXT_MONTH)


def true_candles(until: datetime) -> pd.DataFrame:
    pages = SandboxMarket().pages(BTC_1H, MONTH, until, NEXT_MONTH)
    return pd.concat([page.candles for page in pages], ignore_index=True)


def test_a_machine_that_is_ahead_does_not_store_the_running_candle(
    store: ParquetStore, exchange: FakeExchange
) -> None:
    exchange.now = NOON - timedelta(seconds=25)
    expected = r"2026-11-03 11:59:3\d UTC there and 2026-11-03 12:00:10 here, 3\d s ahead.*chronyc"
    with pytest.raises(ClockDiffers, match=expected):
        fetched(store, exchange, exchange.now + AHEAD)
    pd.testing.assert_frame_equal(stored(store), true_candles(ELEVEN), check_exact=True)
    (failed,) = store.read_ledger(BTC_1H).within(TEN, NOON)
    assert (failed.start, failed.state) == (ELEVEN, FAILED)
    exchange.now = NOON + timedelta(seconds=10)
    fetched(store, exchange, exchange.now)
    pd.testing.assert_frame_equal(stored(store), true_candles(NOON), check_exact=True)
    assert store.read_ledger(BTC_1H).within(TEN, NOON) == []


def test_a_machine_that_is_ahead_stores_what_the_exchange_has_closed(
    store: ParquetStore, exchange: FakeExchange
) -> None:
    exchange.now = NOON + timedelta(seconds=10)
    fetched(store, exchange, exchange.now + AHEAD)
    pd.testing.assert_frame_equal(stored(store), true_candles(NOON), check_exact=True)


@pytest.mark.parametrize("after", [1, 30])
def test_a_machine_that_is_behind_waits_for_its_own_clock(
    store: ParquetStore, exchange: FakeExchange, after: int
) -> None:
    exchange.now = NOON + timedelta(seconds=after)
    fetched(store, exchange, exchange.now - AHEAD)
    pd.testing.assert_frame_equal(stored(store), true_candles(ELEVEN), check_exact=True)


def spoiled(exchange: FakeExchange, **headers: str) -> None:
    for endpoint in ("exchangeInfo", "klines"):
        exchange.spoil_always(headed(**headers), endpoint)


def test_a_date_of_1970_stores_nothing_and_says_so(
    store: ParquetStore, exchange: FakeExchange
) -> None:
    spoiled(exchange, Date="Thu, 01 Jan 1970 00:00:00 GMT")
    with pytest.raises(ClockDiffers, match=r"1970-01-01 00:00:0\d UTC there.*look for a proxy"):
        fetched(store, exchange, NOON)
    assert stored(store).empty


def test_a_date_of_2099_closes_no_candle_of_the_future(
    store: ParquetStore, exchange: FakeExchange
) -> None:
    spoiled(exchange, Date="Thu, 01 Jan 2099 00:00:00 GMT")
    fetched(store, exchange, NOON - timedelta(seconds=25))
    pd.testing.assert_frame_equal(stored(store), true_candles(ELEVEN), check_exact=True)


def test_a_cached_date_stops_nothing(store: ParquetStore, exchange: FakeExchange) -> None:
    spoiled(exchange, Date="Mon, 02 Nov 2026 12:00:00 GMT", Age="86400")
    exchange.now = NOON + timedelta(seconds=2)
    fetched(store, exchange, exchange.now)
    pd.testing.assert_frame_equal(stored(store), true_candles(NOON), check_exact=True)


def test_a_history_needs_no_clock(store: ParquetStore, exchange: FakeExchange) -> None:
    spoiled(exchange, Date="Tue, 03 Nov 2026 00:00:00 GMT")
    market = CcxtMarket("binance", exchange.configure, sleep=lambda _: None)
    start, end = datetime(2026, 10, 1, tzinfo=UTC), MONTH
    fetch_candles(store, market, FetchRequest(BTC_1H, start, end, start, NOON, 3), lambda: NOON)
    assert len(store.read_candles(BTC_1H, start, end)) == 31 * 24
    lead = clock_lead(market, NOON)
    assert lead is not None
    assert lead > timedelta(hours=11)
