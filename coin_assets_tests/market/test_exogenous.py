"""Exogenous sources through the real ccxt clients: whole ranges, page by page, or an error."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from coin_assets.domain.forecasting.exogenous import ExogenousSource
from coin_assets.domain.methods import EXOGENOUS
from coin_assets.errors import MarketDefect, MarketUnavailable, RangeRefused
from coin_assets.market.bounds import BoundedSession
from coin_assets.market.exogenous import (
    DeribitVolatilityIndex,
    exchange_of,
    open_client,
    open_source,
    why_none,
)
from coin_assets.market.exogenous_answers import DELAY
from coin_assets.market.exogenous_contracts import FundingRates, OpenInterest
from coin_assets.market.retrying import REMEDY
from coin_assets_tests.market.derivatives import FUNDING, INDEX, INTEREST, FakeDerivatives
from coin_assets_tests.platform import utc

START, HOUR = utc("2026-01-01"), timedelta(hours=1)


def stamp(hours: float) -> int:
    return int((START + hours * HOUR).timestamp() * 1000)


@pytest.fixture
def exchange() -> Iterator[FakeDerivatives]:
    with FakeDerivatives() as fake:
        fake.index = {stamp(hour): 50.0 + hour for hour in range(100)}
        fake.rates = {stamp(8 * number): 1e-4 * number for number in range(2500)}
        fake.interest = {stamp(hour): 1000.0 + hour for hour in range(100, 1300)}
        yield fake


@pytest.mark.parametrize("most_rows", [1000, 7, 1])
def test_the_index_of_a_range_is_read_whole_whatever_fits_into_an_answer(
    exchange: FakeDerivatives, most_rows: int
) -> None:
    exchange.most_rows = most_rows
    source: ExogenousSource = DeribitVolatilityIndex(exchange.deribit())
    found = source.values("BTC/USDT", START + 10 * HOUR, START + 40 * HOUR)
    # The hour that opens at 9 closes, and is published, at 10.
    assert found["value"].tolist() == [50.0 + hour for hour in range(9, 39)]
    assert found["timestamp"].iloc[0] == START + 10 * HOUR
    assert (found["known_at"] == found["timestamp"] + DELAY).all()
    assert {path for path, _ in exchange.requests} == {INDEX}
    assert {query["resolution"] for _, query in exchange.requests} == {"3600"}
    assert len(exchange.requests) == -(-30 // most_rows)


def test_of_other_currencies_nothing_is_asked(exchange: FakeDerivatives) -> None:
    source = DeribitVolatilityIndex(exchange.deribit())
    assert source.values("XRP/USDT", START, START + HOUR).empty
    assert source.values("ETH/BTC", START, START + HOUR).empty
    assert source.values("ETH/USDT", START, START).empty
    assert exchange.requests == []


def test_a_page_that_does_not_advance_is_a_defect(exchange: FakeDerivatives) -> None:
    exchange.stuck = True
    with pytest.raises(MarketDefect, match=r"does not come before.*COIN_EXOGENOUS"):
        DeribitVolatilityIndex(exchange.deribit()).values("BTC/USDT", START, START + 9 * HOUR)


def test_funding_rates_of_a_range_are_read_whole(exchange: FakeDerivatives) -> None:
    source: ExogenousSource = FundingRates(exchange.binance())
    found = source.values("BTC/USDT", START + 8 * HOUR, START + 8 * 2100 * HOUR)
    assert found["value"].tolist() == pytest.approx([1e-4 * each for each in range(1, 2100)])
    assert found["timestamp"].iloc[0] == START + 8 * HOUR
    assert (found["known_at"] == found["timestamp"] + DELAY).all()
    asked = [query for path, query in exchange.requests if path == FUNDING]
    assert [query["limit"] for query in asked] == ["1000"] * 3
    assert source.values("XRP/USDT", START, START + HOUR).empty


@pytest.mark.parametrize("status", [500, 503, 429])
def test_an_exchange_that_does_not_answer_is_asked_later(
    exchange: FakeDerivatives, status: int
) -> None:
    exchange.failing = status
    binance = exchange.binance()
    for source in (
        DeribitVolatilityIndex(exchange.deribit()),
        FundingRates(binance),
        OpenInterest(binance),
    ):
        with pytest.raises(MarketUnavailable, match=r"^(deribit|binance) does not") as raised:
            source.values("BTC/USDT", START, START + 9 * HOUR)
        assert REMEDY in str(raised.value)


def test_open_interest_of_a_range_is_read_whole(exchange: FakeDerivatives) -> None:
    source: ExogenousSource = OpenInterest(exchange.binance())
    found = source.values("BTC/USDT:USDT", START, START + 1250 * HOUR)
    assert found["value"].tolist() == [1000.0 + hour for hour in range(100, 1250)]
    assert (found["known_at"] == found["timestamp"] + DELAY).all()
    assert [path for path, _ in exchange.requests] == [INTEREST] * 3
    assert source.values("XRP/USDT", START, START + HOUR).empty


def test_a_range_without_open_interest_is_walked_through(exchange: FakeDerivatives) -> None:
    exchange.interest = {stamp(1200): 5.0}
    found = OpenInterest(exchange.binance()).values("BTC/USDT", START, START + 1250 * HOUR)
    assert found["value"].tolist() == [5.0]


def test_a_range_that_is_not_served_any_more_is_refused(exchange: FakeDerivatives) -> None:
    exchange.served_from = stamp(50)
    with pytest.raises(RangeRefused, match=r"^binance refuses .*startTime.*COIN_EXOGENOUS"):
        OpenInterest(exchange.binance()).values("BTC/USDT", START, START + 9 * HOUR)


@pytest.mark.parametrize("row", [[], [1, 2], [None] * 5, ["x"] * 5, {"a": 1}])
def test_rows_of_another_form_are_a_defect(exchange: FakeDerivatives, row: object) -> None:
    client = exchange.deribit()
    client.publicGetGetVolatilityIndexData = lambda _: {"result": {"data": [row]}}
    with pytest.raises(MarketDefect, match=r"other rows.*COIN_EXOGENOUS"):
        DeribitVolatilityIndex(client).values("BTC/USDT", START, START + 9 * HOUR)


def test_sources_are_opened_by_name_without_a_request() -> None:
    assert [exchange_of(name, "binance") for name in EXOGENOUS] == ["deribit", "binance", "binance"]
    clients = {each: open_client(each) for each in ("deribit", "binance")}
    sources = [open_source(name, clients[exchange_of(name, "binance")]) for name in EXOGENOUS]
    assert [each.name for each in sources] == list(EXOGENOUS)
    assert isinstance(sources[2], OpenInterest)
    assert isinstance(clients["binance"].session, BoundedSession)
    assert [each.kept for each in sources] == [None, None, timedelta(days=29)]
    assert open_source("funding_rate", open_client("okx")).kept == timedelta(days=32)
    assert clients["binance"].options["fetchMarkets"]["types"] == ["linear", "inverse"]
    assert [why_none(name, "binance") for name in EXOGENOUS] == [None] * 3
    assert why_none("implied_volatility", "bitvavo") is None
    assert why_none("funding_rate", "bitvavo") == (
        "funding_rate needs ccxt's fetchFundingRateHistory, which bitvavo does not have"
    )
