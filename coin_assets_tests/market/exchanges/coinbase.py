"""Coinbase's Advanced Trade, spot."""

from collections.abc import Mapping
from typing import Any, ClassVar

from coin_assets.domain.timeframes import Timeframe
from coin_assets_tests.market.exchanges.server import Answer, Candle, StandIn, text, whole

_BROKERAGE = "/api/v3/brokerage/market/products"


class Coinbase(StandIn):
    """Both ends of ``start`` and ``end`` (in seconds) are included, newest first; a range of 350
    candles or more is refused.

    Sources: hummingbot#6889 (348 candles from a range of 348 minutes, both ends included),
    KmiQ/coinbase-advanced-python#26 (the refusal's words, when the most was 300), ccxt#25171 (300
    is what ccxt asks for). The code beside the refusal's words was not verified.
    """

    exchange_id = "coinbase"
    symbol = "BTC/USD"
    intervals: ClassVar[Mapping[str, str]] = {
        "ONE_MINUTE": "1m",
        "FIVE_MINUTE": "5m",
        "FIFTEEN_MINUTE": "15m",
        "THIRTY_MINUTE": "30m",
        "ONE_HOUR": "1h",
        "TWO_HOUR": "2h",
        "SIX_HOUR": "6h",
        "ONE_DAY": "1d",
    }
    cap = 350

    def answer(self, path: str, query: Mapping[str, str]) -> Answer:
        match path:
            case "/v2/currencies":
                return 200, {"data": [{"id": "USD", "name": "US Dollar", "min_size": "0.01"}]}
            case "/v2/currencies/crypto":
                return 200, {"data": [_BITCOIN]}
            case "/v2/exchange-rates":
                return 200, {"data": {"currency": "USD", "rates": {"BTC": "0.00002", "USD": "1"}}}
            case str() if path == _BROKERAGE:
                future = query.get("product_type") == "FUTURE"
                return 200, {"products": [] if future else [_PRODUCT]}
            case str() if path == f"{_BROKERAGE}/BTC-USD/candles":
                return self._candles(query)
            case _:
                return 404, {"error": "NOT_FOUND", "message": path}

    def _candles(self, query: Mapping[str, str]) -> Answer:
        if query.get("granularity") not in self.intervals:
            return _refused("granularity argument is invalid")
        if "start" not in query or "end" not in query:
            return _refused("start and end argument is required")
        timeframe = Timeframe(self.intervals[query["granularity"]])
        first, last = whole(query, "start", 0), whole(query, "end", 0)
        if (last - first) // timeframe.seconds >= self.cap:
            return _refused(
                "start and end argument is invalid - number of candles requested should be less "
                f"than {self.cap} "
            )
        sent = self.sent(timeframe, first * 1000, last * 1000)
        return 200, {"candles": [_row(each) for each in reversed(sent)]}


def _refused(details: str) -> Answer:
    error = {"error": "INVALID_ARGUMENT", "error_details": details, "message": details}
    return 400, error


def _row(candle: Candle) -> dict[str, Any]:
    return {
        "start": str(candle.open_time // 1000),
        "low": text(candle.low),
        "high": text(candle.high),
        "open": text(candle.first),
        "close": text(candle.last),
        "volume": text(candle.volume),
    }


_BITCOIN = {"asset_id": "1", "code": "BTC", "name": "Bitcoin", "exponent": 8, "type": "crypto"}
_PRODUCT = {
    "product_id": "BTC-USD",
    "price": "40000",
    "base_increment": "0.00000001",
    "quote_increment": "0.01",
    "price_increment": "0.01",
    "quote_min_size": "1",
    "quote_max_size": "150000000",
    "base_min_size": "0.00000001",
    "base_max_size": "3400",
    "status": "online",
    "is_disabled": False,
    "trading_disabled": False,
    "product_type": "SPOT",
    "quote_currency_id": "USD",
    "base_currency_id": "BTC",
    "display_name": "BTC-USD",
    "product_venue": "CBE",
    "alias": "",
    "alias_to": [],
}
