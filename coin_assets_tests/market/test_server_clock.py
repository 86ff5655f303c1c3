"""The exchange's clock as its answers tell it, through the real ccxt client.

``Date`` headers of caches: aws/aws-sdk-go-v2#3409 (CloudFront), mnot/redbot#16 (nginx).
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from coin_assets.market.ccxt import CcxtMarket
from coin_assets.market.combined import CombinedMarket
from coin_assets.market.downloads import ArchiveFiles
from coin_assets.market.pace import Halt
from coin_assets.market.sandbox import SandboxMarket
from coin_assets.market.server_clock import ServerClock, time_of
from coin_assets_tests.market.exchange import FakeExchange
from coin_assets_tests.market.faults import Fault, headed, http_status
from coin_assets_tests.platform import series

NOW = datetime(2026, 11, 22, 20, 40, 30, tzinfo=UTC)
YESTERDAY = "Sat, 21 Nov 2026 20:40:30 GMT"
BTC_1H = series("1h")
ANSWERS = ("exchangeInfo", "klines")


@pytest.fixture
def exchange() -> Iterator[FakeExchange]:
    with FakeExchange(NOW) as made:
        yield made


def asked(exchange: FakeExchange) -> CcxtMarket:
    """A market that has fetched some candles."""
    market = CcxtMarket("binance", exchange.configure, sleep=lambda _: None)
    list(market.pages(BTC_1H, NOW - timedelta(hours=3), NOW, NOW))
    return market


def lead(market: object, local: datetime) -> float:
    time = time_of(market)
    assert time is not None
    return time.lead_of(local).total_seconds()


@pytest.mark.parametrize("ahead", [35, -35, 4, -4, 86400, -86400])
def test_a_date_header_shows_how_far_a_machine_is_ahead(exchange: FakeExchange, ahead: int) -> None:
    market = asked(exchange)
    assert lead(market, NOW + timedelta(seconds=ahead)) == pytest.approx(ahead, abs=1.5)
    assert exchange.asked("time") == []


@pytest.mark.parametrize("ahead", [0, 0.9, 1.9])
def test_what_whole_seconds_leave_open_is_no_difference(
    exchange: FakeExchange, ahead: float
) -> None:
    assert lead(asked(exchange), NOW + timedelta(seconds=ahead)) == 0


UNUSABLE: dict[str, Fault] = {
    "absent": headed(Date=""),
    "no date": headed(Date="noon"),
    "of a cache": headed(Date=YESTERDAY, Age="86400"),
    "of CloudFront": headed(Date=YESTERDAY, X_Cache="Hit from cloudfront"),
    "of Cloudflare": headed(Date=YESTERDAY, CF_Cache_Status="HIT"),
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_without_a_date_of_its_own_the_exchange_is_asked_once(
    exchange: FakeExchange, kind: str
) -> None:
    for endpoint in (*ANSWERS, "time"):
        exchange.spoil_always(UNUSABLE[kind], endpoint)
    market = asked(exchange)
    assert exchange.asked("time") == []
    twin = market.twin(Halt())
    for each in (market, twin, market):
        assert lead(each, NOW + timedelta(seconds=35)) == pytest.approx(35, abs=1)
    assert len(exchange.asked("time")) == 1


def test_an_exchange_that_does_not_tell_its_time_is_asked_once(exchange: FakeExchange) -> None:
    for endpoint in ANSWERS:
        exchange.spoil_always(headed(Date=""), endpoint)
    exchange.spoil_always(http_status(500, headers={"Date": ""}), "time")
    market = asked(exchange)
    assert [time_of(market) for _ in range(3)] == [None] * 3
    assert len(exchange.asked("time")) == 1


@pytest.mark.parametrize("age", ["0", ""])
def test_a_cache_that_asked_the_exchange_again_is_believed(
    exchange: FakeExchange, age: str
) -> None:
    for endpoint in ANSWERS:
        exchange.spoil_always(headed(Age=age, X_Cache="Miss from cloudfront"), endpoint)
    assert lead(asked(exchange), NOW + timedelta(seconds=35)) == pytest.approx(35, abs=1.5)


def test_nothing_is_asked_before_the_first_answer_or_of_markets_without_a_clock(
    exchange: FakeExchange,
) -> None:
    market = CcxtMarket("binance", exchange.configure)
    assert time_of(market) is None
    assert time_of(SandboxMarket()) is None
    assert exchange.requests == []


def test_an_archive_beside_an_exchange_has_its_time(exchange: FakeExchange) -> None:
    combined = CombinedMarket(ArchiveFiles("."), asked(exchange))
    assert lead(combined, NOW + timedelta(seconds=35)) == pytest.approx(35, abs=1.5)
    assert time_of(CombinedMarket(ArchiveFiles("."), SandboxMarket())) is None


def test_of_answers_that_contradict_the_earlier_time_counts() -> None:
    clock = ServerClock(lambda: 0.0)
    posix = NOW.timestamp()
    for shift in (0, -3600, 3600):
        clock.note(posix + shift, posix + shift + 1, 0.0, 0.0)
    now = clock.now()
    assert now is not None
    assert (now.earliest, now.latest) == (
        NOW - timedelta(hours=1),
        NOW - timedelta(minutes=59, seconds=59),
    )


def test_answers_narrow_the_time_and_the_stopwatch_moves_it_on() -> None:
    at = [100.0]
    clock = ServerClock(lambda: at[0])
    posix = NOW.timestamp()
    clock.note(posix, posix + 1, 99.5, 100.0)
    clock.note(posix + 1, posix + 2, 100.3, 100.4)
    at[0] = 110.0
    now = clock.now()
    assert now is not None
    assert now.earliest == NOW + timedelta(seconds=10.6)
    assert now.latest == NOW + timedelta(seconds=11.5)


@pytest.mark.parametrize("posix", [-1e12, 0.0, 4e9, 1e15])
def test_dates_of_other_centuries_are_times_as_well(posix: float) -> None:
    clock = ServerClock()
    clock.note(posix, posix + 1, 0.0, 0.0)
    now = clock.now()
    assert now is not None
    assert abs(now.lead_of(NOW)) > timedelta(days=365)
