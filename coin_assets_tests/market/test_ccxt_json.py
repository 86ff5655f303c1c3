"""Hostile JSON of an exchange, through the real ccxt client: a typed error or a refused candle."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from coin_assets.errors import MarketUnavailable
from coin_assets.market.ccxt import CcxtMarket
from coin_assets_tests.market.exchange import FakeExchange
from coin_assets_tests.market.faults import Reply
from coin_assets_tests.platform import series

NOW = datetime(2026, 11, 22, 20, 40, tzinfo=UTC)
START, END = NOW.replace(hour=15, minute=0), NOW.replace(hour=17, minute=0)
BTC_1H = series("1h")
FIRST = int(START.timestamp() * 1000)
GOOD = f'[{FIRST}, "2", "3", "1", "2", "5"]'

REFUSED = {
    "deep lists": "[" * 100_000 + "]" * 100_000,
    "deep objects": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "a number of a million digits": f"[[{'9' * 1_000_000}, 2, 3, 1, 2, 5]]",
    "not a number": f"[[{FIRST}, NaN, 3, 1, 2, 5]]",
    "infinity": f"[[{FIRST}, 2, Infinity, 1, 2, 5]]",
    "a name with two values": f'{{"code": 0, "data": [{GOOD}], "data": []}}',
    "half an answer": f"[{GOOD}",
    "other bytes than text": "\x00\x01",
    "a text": '"[]"',
    "too many values": "[" + "0," * 1_500_000 + "0]",
    "too many candles": "[" + "[1]," * 100_000 + "[1]]",
}
# In one place of a candle, beside a good one.
SINGLE = {
    "beyond a float": "1e999",
    "many digits in a text": f'"{"9" * 5000}"',
    "a list": "[[[]]]",
    "an object": '{"a": 1}',
    "a text": '"\\ud800"',
    "nothing": "null",
    "true": "true",
}


@pytest.fixture
def exchange() -> Iterator[FakeExchange]:
    with FakeExchange(NOW) as made:
        yield made


def market(exchange: FakeExchange, text: str, endpoint: str) -> CcxtMarket:
    reply = Reply(text.encode(), headers={"Content-Type": "application/json"})
    exchange.spoil_always(lambda _: reply, endpoint)
    return CcxtMarket("binance", exchange.configure, sleep=lambda _: None)


@pytest.mark.parametrize(
    ("endpoint", "what"),
    [*(("klines", what) for what in REFUSED), ("exchangeInfo", "deep objects")],
)
def test_json_that_cannot_be_read_in_one_way_is_an_outage(
    exchange: FakeExchange, endpoint: str, what: str
) -> None:
    with pytest.raises(MarketUnavailable, match="did not deliver BTC/USDT 1h candles"):
        list(market(exchange, REFUSED[what], endpoint).pages(BTC_1H, START, NOW, NOW))


@pytest.mark.parametrize("column", [1, 2, 5])
@pytest.mark.parametrize("what", SINGLE)
def test_a_value_that_is_no_price_refuses_its_candle_alone(
    exchange: FakeExchange, what: str, column: int
) -> None:
    values = [str(FIRST + 3_600_000), "2", "3", "1", "2", "5"]
    values[column] = SINGLE[what]
    text = f"[{GOOD}, [{', '.join(values)}]]"
    (page,) = market(exchange, text, "klines").pages(BTC_1H, START, END, NOW)
    assert [each.hour for each in page.candles["timestamp"]] == [15]
    assert [each.start.hour for each in page.refused] == [16]


@pytest.mark.parametrize("what", SINGLE)
def test_a_value_that_is_no_time_is_not_stored(exchange: FakeExchange, what: str) -> None:
    text = f"[{GOOD}, [{SINGLE[what]}, 2, 3, 1, 2, 5]]"
    (page,) = market(exchange, text, "klines").pages(BTC_1H, START, END, NOW)
    assert [each.hour for each in page.candles["timestamp"]] == [15]
