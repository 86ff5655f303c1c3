"""How patient a client is with an exchange that fails.

- What may pass is tried again, up to six times, after waits that double and are never the same.
- ``Retry-After`` is kept to, as seconds and as a date. If it asks for more than the budget has
  left, the client gives up at once, says until when, and does not ask before that.
- All calls share one budget of lost time. A success fills it up; once spent, a call is tried once.
- After a call was given up, each call of every thread is tried once, until one succeeds.
- Anything but `Interrupted` passes through at once.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe
from coin_assets.errors import MarketUnavailable
from coin_assets.market.base import Usage
from coin_assets.market.ccxt import CcxtMarket
from coin_assets.market.retrying import (
    BUDGET_SECONDS,
    MOST_TRIES,
    Interrupted,
    Retrying,
)
from coin_assets_tests.market.exchange import FakeExchange
from coin_assets_tests.market.faults import (
    dropped_connection,
    http_status,
    json_reply,
    wait_please,
)

NOW = datetime(2026, 11, 22, 20, 40, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Clock:
    """A clock that only sleeping and failing calls move."""

    def __init__(self) -> None:
        self.now = NOW
        self.slept: list[float] = []

    def __call__(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.pass_by(seconds)

    def pass_by(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Asked:
    """A call that is interrupted so often, then answers; ``lost`` seconds a failed try."""

    def __init__(
        self, clock: Clock, failures: int, wait: float | None = None, lost: float = 0.0
    ) -> None:
        self.tries = 0
        self._clock, self._failures, self._wait, self._lost = clock, failures, wait, lost

    def __call__(self) -> str:
        self.tries += 1
        if self.tries > self._failures:
            return "answer"
        self._clock.pass_by(self._lost)
        raise Interrupted("HTTP 503", self._wait)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def retrying(clock: Clock, chance: Callable[[], float] = lambda: 0.0) -> Retrying:
    return Retrying(clock.sleep, chance, clock)


@pytest.mark.parametrize("failures", range(MOST_TRIES))
def test_what_passes_in_time_is_answered(clock: Clock, failures: int) -> None:
    ask = Asked(clock, failures)
    assert retrying(clock).call(ask, "it failed") == "answer"
    assert clock.slept == [1.0, 2.0, 4.0, 8.0, 16.0][:failures]


def test_waits_vary_between_half_and_whole(clock: Clock) -> None:
    assert retrying(clock, lambda: 1.0).call(Asked(clock, 3), "it failed") == "answer"
    assert clock.slept == [2.0, 4.0, 8.0]


def test_what_does_not_pass_is_given_up_with_its_reason(clock: Clock) -> None:
    ask = Asked(clock, 99)
    with pytest.raises(MarketUnavailable, match=r"it failed in 6 attempts \(HTTP 503\)\. Check"):
        retrying(clock).call(ask, "it failed")
    assert ask.tries == MOST_TRIES


def test_other_errors_pass_through_at_once(clock: Clock) -> None:
    def ask() -> None:
        raise PermissionError("no")

    with pytest.raises(PermissionError):
        retrying(clock).call(ask, "it failed")
    assert clock.slept == []


def test_an_outage_costs_the_retries_of_one_call_in_all_threads(clock: Clock) -> None:
    patience, asked = retrying(clock), [Asked(clock, 99) for _ in range(30)]
    for number, ask in enumerate(asked):
        thread = patience.twin(clock.sleep) if number % 2 else patience
        with pytest.raises(MarketUnavailable):
            thread.call(ask, "it failed")
    assert clock.slept == [1.0, 2.0, 4.0, 8.0, 16.0]
    assert [ask.tries for ask in asked] == [MOST_TRIES] + [1] * 29
    assert patience.call(Asked(clock, 0), "it failed") == "answer"
    assert patience.twin(clock.sleep).call(Asked(clock, 5), "it failed") == "answer"


def test_an_asked_wait_is_kept_to_in_an_outage(clock: Clock) -> None:
    patience = retrying(clock)
    with pytest.raises(MarketUnavailable):
        patience.call(Asked(clock, 99), "it failed")
    clock.slept.clear()
    assert patience.call(Asked(clock, 1, wait=60.0), "it failed") == "answer"
    assert clock.slept == [60.0]


def test_time_lost_in_hanging_calls_counts(clock: Clock) -> None:
    patience = retrying(clock)
    with pytest.raises(MarketUnavailable):
        patience.call(Asked(clock, 99, lost=20.0), "it failed")
    with pytest.raises(MarketUnavailable):
        patience.call(Asked(clock, 99, lost=20.0), "it failed")
    last = Asked(clock, 99, lost=20.0)
    with pytest.raises(MarketUnavailable, match="in 1 attempt"):
        patience.call(last, "it failed")
    assert clock.now - NOW <= timedelta(seconds=BUDGET_SECONDS + 3 * 20)


def test_a_success_fills_the_budget_up(clock: Clock) -> None:
    patience = retrying(clock)
    for _ in range(30):
        with pytest.raises(MarketUnavailable):
            patience.call(Asked(clock, 99), "it failed")
    assert patience.call(Asked(clock, 0), "it failed") == "answer"
    assert patience.call(Asked(clock, 5), "it failed") == "answer"


def test_the_asked_wait_is_kept_to(clock: Clock) -> None:
    assert retrying(clock).call(Asked(clock, 2, wait=60.0), "it failed") == "answer"
    assert clock.slept == [60.0, 60.0]


def test_a_wait_beyond_the_budget_is_not_begun_and_nothing_is_asked_until_it_is_over(
    clock: Clock,
) -> None:
    patience, banned, other = retrying(clock), Asked(clock, 1, wait=600.0), Asked(clock, 0)
    until = r"it failed: it allows no request until 2026-11-22 20:50:00 UTC"
    with pytest.raises(MarketUnavailable, match=until):
        patience.call(banned, "it failed")
    with pytest.raises(MarketUnavailable, match=until):
        patience.call(other, "it failed")
    assert (banned.tries, other.tries, clock.slept) == (1, 0, [])
    clock.pass_by(600)
    assert patience.call(other, "it failed") == "answer"


# ------------------------------------------------------------------------------- with the exchange


@pytest.fixture
def exchange() -> Iterator[FakeExchange]:
    with FakeExchange(NOW, symbols=[f"C{number}/USDT" for number in range(30)]) as running:
        yield running


def read(market: CcxtMarket, symbol: str = "C0/USDT") -> int:
    series = Series(symbol, Timeframe("1h"))
    return sum(len(page.candles) for page in market.pages(series, NOW - 9 * HOUR, NOW, NOW))


@pytest.fixture
def market(exchange: FakeExchange, clock: Clock) -> Iterator[CcxtMarket]:
    market = CcxtMarket("binance", exchange.configure, clock.sleep, lambda: 0.0, clock)
    yield market
    market.close()


@pytest.mark.parametrize("status", [418, 429, 503])
@pytest.mark.parametrize("text", ["45", "Sun, 22 Nov 2026 20:40:45 GMT"])
def test_the_exchange_is_left_alone_for_as_long_as_it_asks(
    exchange: FakeExchange, market: CcxtMarket, clock: Clock, status: int, text: str
) -> None:
    exchange.spoil(wait_please(status, text))
    assert read(market) == 8
    assert clock.slept == [45.0]


def test_a_wish_inside_a_reply_that_counts_as_a_success_is_kept_to(
    exchange: FakeExchange, market: CcxtMarket, clock: Clock
) -> None:
    refused = json_reply({"code": -1003, "msg": "Too many requests."})
    exchange.spoil(lambda _: replace(refused, headers={**refused.headers, "Retry-After": "7"}))
    assert read(market) == 8
    assert clock.slept == [7.0]


def test_a_banned_client_stops_asking_for_all_keys(
    exchange: FakeExchange, market: CcxtMarket, clock: Clock
) -> None:
    exchange.spoil(wait_please(418, "3600"))
    for number in range(30):
        with pytest.raises(MarketUnavailable, match="no request until 2026-11-22 21:40:00 UTC"):
            read(market, f"C{number}/USDT")
    assert len(exchange.asked()) == 1
    assert clock.slept == []


def test_usage_is_what_the_exchange_saw(exchange: FakeExchange, market: CcxtMarket) -> None:
    assert market.usage() == Usage()
    read(market)
    assert market.usage() == Usage(len(exchange.requests), 0)
    assert [request.endpoint for request in exchange.requests] == ["exchangeInfo", "klines"]
    exchange.spoil(http_status(503), times=2)
    exchange.spoil(dropped_connection)
    read(market)
    assert market.usage() == Usage(len(exchange.requests), 3) == Usage(6, 3)
    market.close()
    assert market.usage() == Usage(6, 3)
    exchange.spoil(http_status(503), endpoint="exchangeInfo")
    read(market, "C1/USDT")
    assert market.usage() == Usage(len(exchange.requests), 4) == Usage(9, 4)
    exchange.spoil_always(http_status(503))
    with pytest.raises(MarketUnavailable):
        read(market)
    assert market.usage() == Usage(len(exchange.requests), 3 + MOST_TRIES)


def test_an_outage_of_the_exchange_costs_the_retries_of_one_call(
    exchange: FakeExchange, market: CcxtMarket, clock: Clock
) -> None:
    exchange.spoil_always(http_status(503))
    for number in range(30):
        with pytest.raises(MarketUnavailable, match=f"C{number}/USDT"):
            read(market, f"C{number}/USDT")
    assert sum(clock.slept) == 31.0
    assert len(exchange.asked()) == 29 + MOST_TRIES
    exchange.heal()
    assert [read(market, f"C{number}/USDT") for number in range(30)] == [8] * 30
