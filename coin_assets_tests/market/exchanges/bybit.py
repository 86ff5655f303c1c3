"""Bybit's spot market."""

from collections.abc import Mapping
from typing import Any, ClassVar

from coin_assets.domain.timeframes import Timeframe
from coin_assets_tests.market.exchanges.server import Answer, StandIn, texts, whole


class Bybit(StandIn):
    """Newest first; both ends of ``start`` and ``end`` are included, and the candle that contains
    ``start`` is sent too. With ``start`` alone the oldest ``limit`` from there on, else the newest.

    Sources: docs.rs' patisson-bybit-sdk after Bybit's v5 "Get Kline" (limit 1 to 1000, default
    200); the answer recorded in ccxt's source (reverse order); ccxt#26736 (the candle that contains
    ``start``). ``start`` alone follows ccxt's ``bybit.fetch_ohlcv``, which pages by it; that a
    ``limit`` above 1000 counts as 1000 was not verified.
    """

    exchange_id = "bybit"
    intervals: ClassVar[Mapping[str, str]] = {
        "1": "1m",
        "3": "3m",
        "5": "5m",
        "15": "15m",
        "30": "30m",
        "60": "1h",
        "120": "2h",
        "240": "4h",
        "360": "6h",
        "720": "12h",
        "D": "1d",
        "W": "1w",
        "M": "1M",
    }
    cap = 1000

    def answer(self, path: str, query: Mapping[str, str]) -> Answer:
        match path:
            case "/v5/market/instruments-info":
                spot = query.get("category") == "spot"
                return self._result({"list": [_INSTRUMENT] if spot else []})
            case "/v5/market/kline":
                return self._kline(query)
            case _:
                return 404, {"retCode": 404, "retMsg": path}

    def _kline(self, query: Mapping[str, str]) -> Answer:
        if query.get("symbol") != "BTCUSDT" or query.get("category") != "spot":
            return self._result({}, 10001, "Not supported symbols")
        if query.get("interval") not in self.intervals:
            return self._result({}, 10001, "Invalid period!")
        timeframe = Timeframe(self.intervals[query["interval"]])
        count = min(whole(query, "limit", 200), self.cap)
        first, last = whole(query, "start", 0), whole(query, "end", self.wall())
        if not timeframe.is_month:
            first -= timeframe.seconds * 1000 - 1
        newest = "start" not in query or "end" in query
        sent = self.sent(timeframe, first, last, count, newest)
        rows = [[str(each.open_time), *texts(each), "1"] for each in reversed(sent)]
        return self._result({"category": "spot", "symbol": "BTCUSDT", "list": rows})

    def _result(self, result: Mapping[str, Any], code: int = 0, message: str = "OK") -> Answer:
        return 200, {
            "retCode": code,
            "retMsg": message,
            "result": dict(result),
            "retExtInfo": {},
            "time": self.wall(),
        }


_INSTRUMENT = {
    "symbol": "BTCUSDT",
    "baseCoin": "BTC",
    "quoteCoin": "USDT",
    "innovation": "0",
    "status": "Trading",
    "marginTrading": "utaOnly",
    "lotSizeFilter": {
        "basePrecision": "0.000001",
        "quotePrecision": "0.0000001",
        "minOrderQty": "0.000011",
        "maxOrderQty": "83",
        "minOrderAmt": "5",
        "maxOrderAmt": "8000000",
    },
    "priceFilter": {"tickSize": "0.1"},
}
