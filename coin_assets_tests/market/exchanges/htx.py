"""HTX's spot market."""

from collections.abc import Mapping
from typing import Any, ClassVar

from coin_assets.domain.timeframes import Timeframe
from coin_assets_tests.market.exchanges.server import Answer, Candle, StandIn, whole


class Htx(StandIn):
    """Of the candles from ``from`` on (in seconds, included) the oldest ``size``, sent newest
    first; without ``from`` the newest. Numbers are numbers; the volume is called ``amount``.

    Sources: ccxt#21819 (default 150, newest first, ``size`` is obeyed); HTX's "Get Klines" (size 1
    to 2000 and the refusal of others, also at huobius.readme.io). ``from`` and ``to`` of
    ``/market/history/candles`` are not documented: they follow ccxt's ``htx.fetch_ohlcv``.
    """

    exchange_id = "htx"
    intervals: ClassVar[Mapping[str, str]] = {
        "1min": "1m",
        "5min": "5m",
        "15min": "15m",
        "30min": "30m",
        "60min": "1h",
        "4hour": "4h",
        "1day": "1d",
        "1week": "1w",
        "1mon": "1M",
    }
    cap = 2000

    def answer(self, path: str, query: Mapping[str, str]) -> Answer:
        match path:
            case "/v1/common/symbols":
                return self._fine([_SYMBOL])
            case "/v2/reference/currencies":
                return 200, {"code": 200, "data": []}
            case "/market/history/candles" | "/market/history/kline":
                return self._history(query, ranged=path.endswith("candles"))
            case _ if "contract_info" in path:
                # ccxt takes an empty list for a failure.
                return self._fine([_contract(path)])
            case _:
                return self._failed("bad-request", path)

    def _history(self, query: Mapping[str, str], ranged: bool) -> Answer:
        if query.get("symbol") != "btcusdt":
            return self._failed("invalid-parameter", "invalid symbol")
        if query.get("period") not in self.intervals:
            return self._failed("invalid-parameter", "invalid period")
        size = whole(query, "size", 150)
        if not 1 <= size <= self.cap:
            return self._failed("bad-request", f"invalid size, valid range: [1,{self.cap}]")
        timeframe = Timeframe(self.intervals[query["period"]])
        known = query if ranged else {}
        first, last = whole(known, "from", 0), whole(known, "to", self.wall() // 1000)
        newest = "from" not in known
        sent = self.sent(timeframe, first * 1000, last * 1000, size, newest)
        return self._fine([_row(each) for each in reversed(sent)])

    def _fine(self, data: list[Any]) -> Answer:
        return 200, {"status": "ok", "ts": self.wall(), "data": data}

    def _failed(self, code: str, message: str) -> Answer:
        status = {"status": "error", "err-code": code, "err-msg": message}
        return 200, {"ts": self.wall(), **status}


def _row(candle: Candle) -> dict[str, Any]:
    return {
        "id": candle.open_time // 1000,
        "open": candle.first,
        "close": candle.last,
        "low": candle.low,
        "high": candle.high,
        "amount": candle.volume,
        "vol": 1.0,
        "count": 9,
    }


def _contract(path: str) -> dict[str, Any]:
    """One of the kind that ``path`` lists, in another coin."""
    pair = "ETH-USDT" if "linear" in path else "ETH-USD"
    delivered = "swap" not in path
    return {
        "symbol": "ETH",
        "contract_code": "ETH270326" if delivered else pair,
        "contract_size": 0.01 if "linear" in path else 10,
        "price_tick": 0.01,
        "delivery_date": "20270326" if delivered else "",
        "delivery_time": "1806048000000" if delivered else "",
        "create_date": "20201021",
        "contract_status": 1,
        "business_type": "futures" if delivered else "swap",
        "pair": pair,
        "contract_type": "quarter" if delivered else "swap",
    }


_SYMBOL = {
    "base-currency": "btc",
    "quote-currency": "usdt",
    "price-precision": 2,
    "amount-precision": 6,
    "symbol-partition": "main",
    "symbol": "btcusdt",
    "state": "online",
    "value-precision": 8,
    "min-order-amt": 0.00001,
    "max-order-amt": 1000,
    "min-order-value": 10,
    "api-trading": "enabled",
    "tags": "",
}
