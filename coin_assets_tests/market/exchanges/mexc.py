"""MEXC's spot market."""

from collections.abc import Mapping
from typing import ClassVar

from coin_assets.domain.timeframes import Timeframe
from coin_assets_tests.market.exchanges.server import Answer, StandIn, texts, whole

_INTERVALS = {"1m": "1m", "5m": "5m", "15m": "15m", "30m": "30m", "60m": "1h", "4h": "4h"}


class Mexc(StandIn):
    """At most 500 candles whatever ``limit`` says, the oldest of the range, ``endTime`` not
    included; one end without the other counts for nothing, and the newest are sent.

    Sources: ccxt's ``mexc.fetch_ohlcv`` (500 in practice against 1000 in the documentation,
    ``endTime`` not inclusive; its merged pull request ccxt#27457); ccxt#17483 and
    mexcdevelop/mexc-api-sdk#57 (``startTime`` alone is ignored); hummingbot/dashboard#214 (500).
    Which candles of too wide a range are sent was not found: the oldest, as ccxt's windows need.
    """

    exchange_id = "mexc"
    intervals: ClassVar[Mapping[str, str]] = {**_INTERVALS, "1d": "1d", "1W": "1w", "1M": "1M"}
    cap = 500

    def answer(self, path: str, query: Mapping[str, str]) -> Answer:
        match path:
            case "/api/v3/exchangeInfo":
                return 200, {"timezone": "CST", "serverTime": self.wall(), "symbols": [_SYMBOL]}
            case "/api/v1/contract/detail":
                return 200, {"success": True, "code": 0, "data": []}
            case "/api/v3/klines":
                return self._klines(query)
            case _:
                return 404, {"code": 404, "msg": path}

    def _klines(self, query: Mapping[str, str]) -> Answer:
        if query.get("symbol") != "BTCUSDT":
            return 400, {"code": -1121, "msg": "Invalid symbol."}
        if query.get("interval") not in self.intervals:
            return 400, {"code": -1121, "msg": "Invalid interval."}
        timeframe = Timeframe(self.intervals[query["interval"]])
        count = min(whole(query, "limit", 500), self.cap)
        if "startTime" in query and "endTime" in query:
            first, last = int(query["startTime"]), int(query["endTime"]) - 1
            sent = self.sent(timeframe, first, last, count)
        else:
            sent = self.sent(timeframe, 0, self.wall(), count, newest=True)
        step = timeframe.seconds * 1000
        return 200, [[each.open_time, *texts(each), each.open_time + step, "1"] for each in sent]


_SYMBOL = {
    "symbol": "BTCUSDT",
    "status": "1",
    "baseAsset": "BTC",
    "baseAssetPrecision": 6,
    "quoteAsset": "USDT",
    "quotePrecision": 2,
    "quoteAssetPrecision": 2,
    "isSpotTradingAllowed": True,
    "isMarginTradingAllowed": False,
    "permissions": ["SPOT"],
    "filters": [],
    "baseSizePrecision": "0.000001",
    "quoteAmountPrecision": "1",
    "maxQuoteAmount": "4000000",
    "makerCommission": "0",
    "takerCommission": "0.0005",
}
