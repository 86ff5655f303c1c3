"""KuCoin's spot market."""

from collections.abc import Mapping
from typing import Any, ClassVar

from coin_assets.domain.timeframes import Timeframe
from coin_assets_tests.market.exchanges.server import Answer, Candle, StandIn, text, whole


class Kucoin(StandIn):
    """From ``startAt`` (included) to ``endAt`` (not included), in seconds, the newest 1500, newest
    first; in the order open, close, high, low. Without times there are none.

    Sources: KuCoin's "Get Klines" (at most 1500 a query; dereckmezquita/kucoin),
    Kucoin/kucoin-api-docs#125 (both times default to 0: an empty list), KuCoin's page 3470071w0
    (order of the fields), Kucoin/kucoin-api-docs#450 (the refusal of a type). Newest first follows
    ccxt's recorded answer; that ``endAt`` is not included was not verified.
    """

    exchange_id = "kucoin"
    intervals: ClassVar[Mapping[str, str]] = {
        "1min": "1m",
        "3min": "3m",
        "5min": "5m",
        "15min": "15m",
        "30min": "30m",
        "1hour": "1h",
        "2hour": "2h",
        "4hour": "4h",
        "6hour": "6h",
        "8hour": "8h",
        "12hour": "12h",
        "1day": "1d",
        "1week": "1w",
        "1month": "1M",
    }
    cap = 1500

    def answer(self, path: str, query: Mapping[str, str]) -> Answer:
        match path:
            case "/api/v2/symbols" | "/api/v1/symbols":
                return _fine([_SYMBOL])
            case "/api/v1/market/allTickers":
                return _fine({"time": self.wall(), "ticker": [_TICKER]})
            case "/api/v1/contracts/active" | "/api/v3/currencies":
                return _fine([])
            case "/api/v1/market/candles":
                return self._candles(query)
            case _:
                return 404, {"code": "404", "msg": path}

    def _candles(self, query: Mapping[str, str]) -> Answer:
        if query.get("symbol") != "BTC-USDT":
            return _failed("900001", "symbol not exists")
        if query.get("type") not in self.intervals:
            return _failed("400100", "This type of Candlestick is currently not provided.")
        timeframe = Timeframe(self.intervals[query["type"]])
        first, last = whole(query, "startAt", 0) * 1000, whole(query, "endAt", 0) * 1000 - 1
        sent = self.sent(timeframe, first, last, self.cap, newest=True)
        return _fine([_row(each) for each in reversed(sent)])


def _row(candle: Candle) -> list[str | None]:
    fields = [candle.first, candle.last, candle.high, candle.low, candle.volume]
    return [str(candle.open_time // 1000), *map(text, fields), "1"]


def _fine(data: Any) -> Answer:
    return 200, {"code": "200000", "data": data}


def _failed(code: str, message: str) -> Answer:
    return 200, {"code": code, "msg": message}


_TICKER = {
    "symbol": "BTC-USDT",
    "symbolName": "BTC-USDT",
    "takerFeeRate": "0.001",
    "makerFeeRate": "0.001",
    "takerCoefficient": "1",
    "makerCoefficient": "1",
}
_SYMBOL = {
    "symbol": "BTC-USDT",
    "name": "BTC-USDT",
    "baseCurrency": "BTC",
    "quoteCurrency": "USDT",
    "feeCurrency": "USDT",
    "market": "USDS",
    "baseMinSize": "0.00001",
    "quoteMinSize": "0.1",
    "baseMaxSize": "10000000000",
    "quoteMaxSize": "99999999",
    "baseIncrement": "0.00000001",
    "quoteIncrement": "0.000001",
    "priceIncrement": "0.1",
    "isMarginEnabled": False,
    "enableTrading": True,
}
