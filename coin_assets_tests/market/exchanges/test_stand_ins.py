"""ccxt alone against the stand-ins, and the habits that each of them has."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import ccxt
import pytest

from coin_assets.domain.timeframes import Timeframe
from coin_assets_tests.market.exchanges import EXCHANGES, StandIn
from coin_assets_tests.market.exchanges.server import LISTED, milliseconds

NOW = datetime(2026, 11, 20, 7, 25, 30, tzinfo=UTC)
HOUR = Timeframe("1h")
BACK = timedelta(days=20)


def _seconds(time: datetime) -> str:
    return str(int(time.timestamp()))


@pytest.fixture(params=EXCHANGES)
def fake(request: pytest.FixtureRequest) -> Iterator[StandIn]:
    with EXCHANGES[request.param](NOW) as exchange:
        yield exchange


def _client(fake: StandIn) -> Any:
    client = getattr(ccxt, fake.exchange_id)()
    fake.configure(client)
    return client


def _hours(fake: StandIn, start: datetime, end: datetime) -> list[list[Any]]:
    return [list(each) for each in fake.candles("1h", start, end)]


def test_ccxt_lists_the_one_market(fake: StandIn) -> None:
    assert fake.symbol in _client(fake).load_markets()
    assert {each.status for each in fake.requests} == {200}


def test_ccxt_reads_the_true_candles(fake: StandIn) -> None:
    start = HOUR.floor(NOW) - BACK
    rows = _client(fake).fetch_ohlcv(fake.symbol, "1h", milliseconds(start), 24)
    assert rows[:24] == _hours(fake, start, start + timedelta(days=1))


@pytest.mark.parametrize("name", ["1m", "1h", "1d"])
def test_ccxt_reads_the_newest_candles_and_the_running_one(fake: StandIn, name: str) -> None:
    timeframe = Timeframe(name)
    start = timeframe.shift(NOW, -9)
    rows = _client(fake).fetch_ohlcv(fake.symbol, name, milliseconds(start), 100)
    assert [list(each) for each in fake.candles(name, start, NOW)] == rows[:9]
    assert [row[0] for row in rows[9:]] == [milliseconds(timeframe.floor(NOW))]


def test_an_answer_holds_no_more_than_the_cap(fake: StandIn) -> None:
    client = _client(fake)
    start = HOUR.floor(NOW) - timedelta(days=200)
    rows = client.fetch_ohlcv(fake.symbol, "1h", milliseconds(start), 5000)
    assert 0 < len(rows) <= fake.cap


@pytest.mark.parametrize("name", EXCHANGES)
def test_a_hole_and_a_broken_candle(name: str) -> None:
    start = HOUR.floor(NOW) - BACK
    hole = (start + timedelta(hours=3), start + timedelta(hours=7))
    odd = start + timedelta(hours=9)
    broken = {odd: (5.0, 1.0, 2.0, 3.0, None)}
    with EXCHANGES[name](NOW, holes=[hole], broken=broken) as fake:
        client = _client(fake)
        rows = client.fetch_ohlcv(fake.symbol, "1h", milliseconds(start), 24)
        rows = [row for row in rows if row[0] < milliseconds(start + timedelta(days=1))]
        assert [milliseconds(odd), 5.0, 1.0, 2.0, 3.0, None] in rows
        sound = [row for row in rows if row[0] != milliseconds(odd)]
        assert len(rows) == 24 - 4
        assert sound == _hours(fake, start, start + timedelta(days=1))


@pytest.mark.parametrize("name", EXCHANGES)
def test_nothing_is_older_than_the_edge_that_a_test_sets(name: str) -> None:
    for edge in (100, timedelta(hours=99)):
        with EXCHANGES[name](NOW, edge=edge) as fake:
            oldest = fake.oldest(HOUR)
            assert abs(oldest - (NOW - timedelta(hours=99))) < timedelta(hours=2)
            rows = _client(fake).fetch_ohlcv(fake.symbol, "1h", milliseconds(oldest), 10)
            assert rows[:10] == _hours(fake, oldest, NOW)[:10]
            assert _hours(fake, NOW - BACK, oldest) == []


@pytest.mark.parametrize("name", EXCHANGES)
def test_the_first_candle_is_the_one_in_which_trading_began(name: str) -> None:
    begun = NOW - timedelta(days=9, minutes=17)
    with EXCHANGES[name](NOW, listed=begun) as fake:
        first = fake.candles("1h", NOW - timedelta(days=99), NOW)[0]
        assert first.open_time == milliseconds(HOUR.floor(begun))
        rows = _client(fake).fetch_ohlcv(fake.symbol, "1h", first.open_time, 5)
        assert rows[0] == list(first)


def _asked(fake: StandIn, path: str, **query: Any) -> Any:
    status, content = fake.answer(path, {name: str(value) for name, value in query.items()})
    assert status == 200
    return content


def _opens(rows: list[Any]) -> list[int]:
    return [int(row[0]) for row in rows]


def test_binance_usdm_sends_the_oldest_and_binance_coinm_the_newest_of_a_range() -> None:
    start, end = milliseconds(HOUR.floor(NOW) - BACK), milliseconds(HOUR.floor(NOW))
    query = {"interval": "1h", "startTime": start, "endTime": end, "limit": 10}
    linear = EXCHANGES["binanceusdm"](NOW)
    rows = _asked(linear, "/fapi/v1/klines", symbol="BTCUSDT", **query)
    assert _opens(rows) == [start + i * 3_600_000 for i in range(10)]
    inverse = EXCHANGES["binancecoinm"](NOW)
    rows = _asked(inverse, "/dapi/v1/klines", symbol="BTCUSD_PERP", **query)
    assert _opens(rows) == [end - i * 3_600_000 for i in reversed(range(10))]


def test_mexc_sends_500_at_most_and_the_newest_without_an_end() -> None:
    mexc, start = EXCHANGES["mexc"](NOW), milliseconds(HOUR.floor(NOW) - timedelta(days=99))
    query = {"symbol": "BTCUSDT", "interval": "60m", "startTime": start, "limit": 1000}
    rows = _asked(mexc, "/api/v3/klines", endTime=start + 1000 * 3_600_000, **query)
    assert (len(rows), rows[0][0]) == (500, start)
    rows = _asked(mexc, "/api/v3/klines", endTime=start + 4 * 3_600_000, **query)
    assert len(rows) == 4
    rows = _asked(mexc, "/api/v3/klines", **query)
    assert rows[-1][0] == milliseconds(HOUR.floor(NOW))


def test_gate_refuses_what_is_too_long_ago_and_too_much() -> None:
    with EXCHANGES["gate"](NOW) as gate:
        client, border = _client(gate), NOW - 10_000 * timedelta(hours=1)
        with pytest.raises(ccxt.BadRequest, match="Candlestick too long ago"):
            client.fetch_ohlcv("BTC/USDT", "1h", milliseconds(border) - 1000, 10)
        assert client.fetch_ohlcv("BTC/USDT", "1h", milliseconds(border), 10)
        assert gate.requests[-2].status == 400
        pair = {"currency_pair": "BTC_USDT", "interval": "1h"}
        begin, end = _seconds(NOW - 1000 * timedelta(hours=1)), _seconds(NOW)
        status, content = gate.answer("/spot/candlesticks", {**pair, "from": begin, "to": end})
        assert (status, content["label"]) == (400, "INVALID_PARAM_VALUE")


def test_htx_sends_the_oldest_from_a_time_on_newest_first() -> None:
    htx, start = EXCHANGES["htx"](NOW), HOUR.floor(NOW) - BACK
    query = {"symbol": "btcusdt", "period": "60min", "size": 3}
    path = "/market/history/candles"
    data = _asked(htx, path, **query, **{"from": _seconds(start)})["data"]
    assert [row["id"] for row in data] == [int(start.timestamp()) + i * 3600 for i in (2, 1, 0)]
    assert _asked(htx, path, **query)["data"][0]["id"] == int(HOUR.floor(NOW).timestamp())
    assert _asked(htx, path, **{**query, "size": 2001})["status"] == "error"


def test_kraken_sends_the_newest_720_whatever_since_says() -> None:
    with EXCHANGES["kraken"](NOW) as kraken:
        client = _client(kraken)
        rows = client.fetch_ohlcv("BTC/USD", "1h", milliseconds(LISTED), 1000)
        assert len(rows) == 720
        assert rows[-1][0] == milliseconds(HOUR.floor(NOW))
        assert len(kraken.candles("1h", LISTED, NOW)) == 719
    hole = (HOUR.floor(NOW) - BACK, HOUR.floor(NOW) - BACK + timedelta(hours=3))
    with EXCHANGES["kraken"](NOW, holes=[hole]) as kraken:
        rows = _client(kraken).fetch_ohlcv("BTC/USD", "1h", milliseconds(LISTED), 1000)
        assert len(rows) == 717


def test_okx_excludes_both_ends_and_sends_the_newest_first() -> None:
    okx, start = EXCHANGES["okx"](NOW), milliseconds(HOUR.floor(NOW) - BACK)
    query = {"instId": "BTC-USDT", "bar": "1H", "before": start, "after": start + 5 * 3_600_000}
    rows = _asked(okx, "/api/v5/market/candles", limit=300, **query)["data"]
    assert _opens(rows) == [start + i * 3_600_000 for i in (4, 3, 2, 1)]
    rows = _asked(okx, "/api/v5/market/candles", limit=2, **query)["data"]
    assert _opens(rows) == [start + i * 3_600_000 for i in (4, 3)]
    old = {"before": milliseconds(LISTED), "after": milliseconds(LISTED + BACK)}
    assert _asked(okx, "/api/v5/market/candles", **{**query, **old})["data"] == []
    rows = _asked(okx, "/api/v5/market/history-candles", limit=500, **{**query, **old})["data"]
    assert len(rows) == 300


def test_coinbase_refuses_350_candles() -> None:
    coinbase, start = EXCHANGES["coinbase"](NOW), HOUR.floor(NOW) - BACK
    path = "/api/v3/brokerage/market/products/BTC-USD/candles"
    query = {"granularity": "ONE_HOUR", "start": _seconds(start)}
    end = start + timedelta(hours=349)
    status, content = coinbase.answer(path, {**query, "end": _seconds(end)})
    assert (status, len(content["candles"])) == (200, 350)
    assert content["candles"][0]["start"] == _seconds(end)
    status, content = coinbase.answer(path, {**query, "end": _seconds(end + timedelta(hours=1))})
    assert status == 400
    assert "should be less than 350" in content["message"]


def test_kucoin_sends_the_newest_1500_newest_first() -> None:
    kucoin, start = EXCHANGES["kucoin"](NOW), HOUR.floor(NOW) - timedelta(days=99)
    query = {"symbol": "BTC-USDT", "type": "1hour"}
    path, last = "/api/v1/market/candles", HOUR.floor(NOW)
    times = {"startAt": _seconds(start), "endAt": _seconds(last)}
    rows = _asked(kucoin, path, **query, **times)["data"]
    assert len(rows) == 1500
    assert rows[0][0] == _seconds(last - timedelta(hours=1))
    assert _asked(kucoin, path, **query)["data"] == []


def test_bybit_sends_the_newest_unless_only_a_start_is_given() -> None:
    bybit, start = EXCHANGES["bybit"](NOW), milliseconds(HOUR.floor(NOW) - BACK)
    query = {"category": "spot", "symbol": "BTCUSDT", "interval": "60", "limit": 2}
    path, step = "/v5/market/kline", 3_600_000
    rows = _asked(bybit, path, start=start, **query)["result"]["list"]
    assert _opens(rows) == [start + step, start]
    rows = _asked(bybit, path, start=start, end=start + 9 * step, **query)["result"]["list"]
    assert _opens(rows) == [start + 9 * step, start + 8 * step]
    rows = _asked(bybit, path, start=start + 1, **query)["result"]["list"]
    assert _opens(rows) == [start + step, start]
    rows = _asked(bybit, path, start=start, **{**query, "limit": 5000})["result"]["list"]
    assert len(rows) == BACK // timedelta(hours=1) + 1


def test_bitget_keeps_two_endpoints() -> None:
    bitget, start = EXCHANGES["bitget"](NOW), milliseconds(HOUR.floor(NOW) - timedelta(days=90))
    query = {"symbol": "BTCUSDT", "granularity": "1h", "startTime": start, "limit": 1000}
    end, step = start + 300 * 3_600_000, 3_600_000
    assert _asked(bitget, "/api/v2/spot/market/candles", endTime=end, **query)["data"] == []
    rows = _asked(bitget, "/api/v2/spot/market/history-candles", endTime=end, **query)["data"]
    assert _opens(rows) == [end - i * step for i in reversed(range(1, 201))]
    status, content = bitget.answer(
        "/api/v2/spot/market/history-candles", {"symbol": "BTCUSDT", "granularity": "1h"}
    )
    assert (status, content["code"]) == (400, "40019")
