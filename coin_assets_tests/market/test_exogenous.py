"""Exogenous sources through the real ccxt clients: whole ranges, page by page, or an error."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from coin_assets.domain.forecasting.exogenous import ExogenousSource
from coin_assets.errors import MarketDefect, MarketUnavailable
from coin_assets.market.exogenous import DeribitVolatilityIndex, FundingRates
from coin_assets_tests.market.derivatives import FUNDING, INDEX, FakeDerivatives
from coin_assets_tests.platform import utc

START, HOUR = utc("2026-01-01"), timedelta(hours=1)


def stamp(hours: float) -> int:
    return int((START + hours * HOUR).timestamp() * 1000)


@pytest.fixture
def exchange() -> Iterator[FakeDerivatives]:
    with FakeDerivatives() as fake:
        fake.index = {stamp(hour): 50.0 + hour for hour in range(100)}
        fake.rates = {stamp(8 * number): 1e-4 * number for number in range(2500)}
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
    assert (found["known_at"] == found["timestamp"]).all()
    assert {path for path, _ in exchange.requests} == {INDEX}
    assert {query["resolution"] for _, query in exchange.requests} == {"3600"}
    assert len(exchange.requests) == -(-30 // most_rows)


def test_of_other_currencies_nothing_is_asked(exchange: FakeDerivatives) -> None:
    source = DeribitVolatilityIndex(exchange.deribit())
    assert source.values("XRP/USDT", START, START + HOUR).empty
    assert source.values("ETH/USDT", START, START).empty
    assert exchange.requests == []


def test_a_page_that_does_not_advance_is_a_defect(exchange: FakeDerivatives) -> None:
    exchange.stuck = True
    with pytest.raises(MarketDefect, match="does not come before"):
        DeribitVolatilityIndex(exchange.deribit()).values("BTC/USDT", START, START + 9 * HOUR)


def test_funding_rates_of_a_range_are_read_whole(exchange: FakeDerivatives) -> None:
    source: ExogenousSource = FundingRates(exchange.binance())
    found = source.values("BTC/USDT", START + 8 * HOUR, START + 8 * 2100 * HOUR)
    assert found["value"].tolist() == pytest.approx([1e-4 * each for each in range(1, 2100)])
    assert found["timestamp"].iloc[0] == START + 8 * HOUR
    assert (found["known_at"] == found["timestamp"]).all()
    asked = [query for path, query in exchange.requests if path == FUNDING]
    assert [query["limit"] for query in asked] == ["1000"] * 3
    assert source.values("XRP/USDT", START, START + HOUR).empty


@pytest.mark.parametrize("status", [500, 503, 429])
def test_an_exchange_that_does_not_answer_is_asked_later(
    exchange: FakeDerivatives, status: int
) -> None:
    exchange.failing = status
    for source in (DeribitVolatilityIndex(exchange.deribit()), FundingRates(exchange.binance())):
        with pytest.raises(MarketUnavailable):
            source.values("BTC/USDT", START, START + 9 * HOUR)
