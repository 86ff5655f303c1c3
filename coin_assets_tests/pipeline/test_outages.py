"""Outages of the real exchange, found by asking twice: hours that no symbol has."""

from datetime import timedelta
from functools import lru_cache

import pandas as pd
import pytest

from coin_assets.domain.candles.absences import PENDING, VERIFIED_ABSENT
from coin_assets.domain.candles.gap_ledger import Missing
from coin_assets.domain.candles.gaps import find_gaps
from coin_assets.domain.candles.outages import outages
from coin_assets.market.archive import ArchiveMarket
from coin_assets.pipeline.fetch import fetch_candles
from coin_assets.pipeline.fetch_request import FetchRequest
from coin_assets.store.parquet import ParquetStore
from coin_assets_tests.platform import series, utc
from coin_assets_tests.realdata import REAL_DATA, real_candles, requires_real_data

pytestmark = requires_real_data

SYMBOLS = ("BTC/USDT", "ETH/USDT", "XRP/USDT")
START, END = utc("2017-08-01"), utc("2025-07-01")
FIRST_FETCH = utc("2025-07-02T09:00")
HOURLY = series("1h").timeframe


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ParquetStore:
    """The whole history of three symbols, fetched twice an hour apart."""
    store = ParquetStore(tmp_path_factory.mktemp("home"))
    market = ArchiveMarket(REAL_DATA / "candles")
    for now in (FIRST_FETCH, FIRST_FETCH + timedelta(hours=1)):
        for symbol in SYMBOLS:
            request = FetchRequest(series("1h", symbol), START, END, START, now, reread=3)
            reports = fetch_candles(store, market, request, lambda: now)  # noqa: B023 (called at once)
            state = PENDING if now == FIRST_FETCH else VERIFIED_ABSENT
            assert {each.state for report in reports for each in report.missing} == {state}
    return store


def absences(store: ParquetStore, symbol: str) -> list[Missing]:
    ledger = store.read_ledger(series("1h", symbol))
    assert ledger.listed is not None
    opens = store.read_candles(series("1h", symbol), START, END)["timestamp"]
    return ledger.explained(find_gaps(opens, HOURLY, ledger.listed, END), HOURLY)


@lru_cache
def lacking_hours(symbol: str) -> frozenset[pd.Timestamp]:
    """Hours since listing that the file does not have."""
    opens = pd.DatetimeIndex(real_candles(symbol, "1h")["timestamp"])
    return frozenset(pd.date_range(opens[0], END, freq="h", inclusive="left").difference(opens))


def test_the_whole_history_is_stored_as_it_is(store: ParquetStore) -> None:
    for symbol in SYMBOLS:
        stored = store.read_candles(series("1h", symbol), START, END)
        pd.testing.assert_frame_equal(stored, real_candles(symbol, "1h"), check_exact=True)
        assert store.read_revisions(series("1h", symbol), START, END).empty


def test_bitcoin_has_28_verified_absences_of_128_hours(store: ParquetStore) -> None:
    found = absences(store, "BTC/USDT")
    assert len(found) == 28
    assert sum(each.count for each in found) == 128
    assert {each.state for each in found} == {VERIFIED_ABSENT}
    longest = max(found, key=lambda each: each.count)
    assert (longest.start, longest.count) == (utc("2018-02-08T01:00"), 33)
    assert found[-1].start == utc("2023-03-24T13:00")


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_absences_are_the_hours_that_the_file_lacks(store: ParquetStore, symbol: str) -> None:
    hours = [
        opened for each in absences(store, symbol) for opened in HOURLY.opens(each.start, each.end)
    ]
    assert len(hours) == len(set(hours))
    assert set(hours) == lacking_hours(symbol)


def test_outages_are_the_hours_that_several_symbols_lack(store: ParquetStore) -> None:
    found = outages({symbol: absences(store, symbol) for symbol in SYMBOLS}, HOURLY)
    by_hour = {
        opened: each.symbols for each in found for opened in HOURLY.opens(each.start, each.end)
    }
    lackers = {
        hour: tuple(symbol for symbol in SYMBOLS if hour in lacking_hours(symbol))
        for hour in frozenset[pd.Timestamp]().union(*map(lacking_hours, SYMBOLS))
    }
    expected = {hour: symbols for hour, symbols in lackers.items() if len(symbols) > 1}
    assert by_hour == expected
    # Bitcoin never stood still alone: ether lacks the same hours.
    assert lacking_hours("BTC/USDT") == lacking_hours("ETH/USDT") == set(by_hour)
    assert (len(found), sum(each.count for each in found)) == (28, 128)
    everyone = [each for each in found if each.symbols == SYMBOLS]
    assert everyone == [each for each in found if each.start > utc("2018-05-04T08:00")]
    assert 0 < len(everyone) < 28
