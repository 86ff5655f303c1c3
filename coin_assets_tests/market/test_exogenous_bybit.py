"""Funding rates and open interest of Bybit, which sends the newest of a range, 200 at most."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from coin_assets.errors import RangeRefused
from coin_assets.market.exogenous_contracts import FundingRates, OpenInterest
from coin_assets_tests.market.bybit_derivatives import CONTRACTS, FUNDING, INTEREST, FakeBybit
from coin_assets_tests.platform import utc

START, HOUR = utc("2026-01-01"), timedelta(hours=1)
HOURS = 8 * 700


def stamp(hours: int) -> int:
    return int((START + hours * HOUR).timestamp() * 1000)


@pytest.fixture
def exchange() -> Iterator[FakeBybit]:
    with FakeBybit() as fake:
        fake.now = stamp(HOURS)
        fake.rates = {stamp(hour): 1e-4 * hour for hour in range(0, HOURS, 8)}
        fake.interest = {stamp(hour): 1000.0 + hour for hour in range(HOURS)}
        yield fake


def test_funding_rates_of_a_range_are_read_whole(exchange: FakeBybit) -> None:
    found = FundingRates(exchange.bybit()).values("BTC/USDT", START, START + HOURS * HOUR)
    assert found["value"].tolist() == pytest.approx([1e-4 * hour for hour in range(0, HOURS, 8)])
    asked = [query for path, query in exchange.requests if path == FUNDING]
    assert len(asked) == 4
    assert {query["limit"] for query in asked} == {"200"}


@pytest.mark.parametrize("every", [1, 2, 4])
def test_rates_that_are_settled_more_often_are_read_whole_as_well(
    exchange: FakeBybit, every: int
) -> None:
    # A contract whose interval became shorter, as exchanges do in hectic times.
    exchange.rates |= {stamp(hour): 1e-4 * hour for hour in range(800, HOURS, every)}
    found = FundingRates(exchange.bybit()).values("BTC/USDT", START, START + HOURS * HOUR)
    expected = [rate for _, rate in sorted(exchange.rates.items())]
    assert found["value"].tolist() == pytest.approx(expected)


def test_open_interest_of_a_range_is_read_whole(exchange: FakeBybit) -> None:
    source = OpenInterest(exchange.bybit())
    assert source.kept is None
    found = source.values("BTC/USDT", START, START + 1250 * HOUR)
    assert found["value"].tolist() == [1000.0 + hour for hour in range(1250)]
    asked = [path for path, _ in exchange.requests if path == INTEREST]
    assert len(asked) == 7
    assert len([path for path, _ in exchange.requests if path == CONTRACTS]) == 4  # and previews


def test_one_hour_is_one_request(exchange: FakeBybit) -> None:
    client = exchange.bybit()
    newest = START + (HOURS - 1) * HOUR
    found = OpenInterest(client).values("BTC/USDT", newest, newest + HOUR)
    assert found["timestamp"].tolist() == [newest]
    assert FundingRates(client).values("BTC/USDT", newest - 9 * HOUR, newest).shape[0] == 1
    assert OpenInterest(client).values("XRP/USDT", newest, newest + HOUR).empty


def test_an_exchange_that_sends_the_newest_whatever_the_range_is_refused(
    exchange: FakeBybit,
) -> None:
    exchange.ignores_end = True
    for source in (FundingRates(exchange.bybit()), OpenInterest(exchange.bybit())):
        with pytest.raises(RangeRefused, match=r"bybit sends the newest .*COIN_EXOGENOUS"):
            source.values("BTC/USDT", START, START + 300 * HOUR)
        # The newest of them are all there.
        end = START + HOURS * HOUR
        assert len(source.values("BTC/USDT", end - 48 * HOUR, end)) in (6, 48)
