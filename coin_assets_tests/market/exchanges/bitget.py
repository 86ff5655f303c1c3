"""Bitget's spot market."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar

from coin_assets.domain.timeframes import Timeframe
from coin_assets_tests.market.exchanges.server import (
    Answer,
    StandIn,
    milliseconds,
    texts,
    whole,
)

_SHORT = {"1min": "1m", "3min": "3m", "5min": "5m", "15min": "15m", "30min": "30m"}
_MONTH = 30


class Bitget(StandIn):
    """``/candles`` sends at most 1000, newest ones of the range, but none that are older than some
    days: then the answer is empty. ``/history-candles`` wants ``endTime``, does not know
    ``startTime`` and sends at most 200, those before ``endTime``. Both ascend.

    Sources: ccxt#20591 (history wants ``endTime``, its refusal), ccxt#20722 (it takes no start),
    ccxt#20730 (what both send), ccxt#24890 and ccxt#17479 (empty when too long ago), ccxt#20587.
    How many days ``/candles`` knows follows the table in ccxt's ``bitget`` options; that
    ``endTime`` is not included in either was not verified.
    """

    exchange_id = "bitget"
    intervals: ClassVar[Mapping[str, str]] = {
        **_SHORT,
        "1h": "1h",
        "4h": "4h",
        "6Hutc": "6h",
        "12Hutc": "12h",
        "1Dutc": "1d",
        "3Dutc": "3d",
        "1Wutc": "1w",
        "1Mutc": "1M",
    }
    cap = 1000
    history_cap = 200

    def answer(self, path: str, query: Mapping[str, str]) -> Answer:
        match path.removeprefix("/api/v2"):
            case "/spot/public/symbols":
                return self._fine([_SYMBOL])
            case "/spot/public/coins" | "/margin/currencies" | "/mix/market/contracts":
                return self._fine([])
            case "/spot/market/candles":
                return self._candles(query, recent=True)
            case "/spot/market/history-candles":
                return self._candles(query, recent=False)
            case _:
                return 404, self._failed("40404", "Request URL NOT FOUND")[1]

    def _candles(self, query: Mapping[str, str], recent: bool) -> Answer:
        if query.get("symbol") != "BTCUSDT":
            return self._failed("40034", "Parameter does not exist")
        if query.get("granularity") not in self.intervals:
            return self._failed("400171", "Parameter verification failed")
        if not recent and "endTime" not in query:
            return self._failed("40019", "Parameter endTime cannot be empty")
        timeframe = Timeframe(self.intervals[query["granularity"]])
        last = whole(query, "endTime", self.wall() + 1) - 1
        first = 0
        if recent:
            oldest = milliseconds(self.now - self.recent(timeframe))
            first = max(whole(query, "startTime", 0), oldest)
        count = min(whole(query, "limit", 100), self.cap if recent else self.history_cap)
        sent = self.sent(timeframe, first, last, count, newest=True)
        return self._fine([[str(each.open_time), *texts(each), "1", "1"] for each in sent])

    def recent(self, timeframe: Timeframe) -> timedelta:
        """How long ago ``/candles`` still knows candles."""
        minutes = timeframe.seconds // 60
        return timedelta(days=max(_MONTH, minutes))

    def _fine(self, data: list[Any]) -> Answer:
        return 200, {"code": "00000", "msg": "success", "requestTime": self.wall(), "data": data}

    def _failed(self, code: str, message: str) -> Answer:
        return 400, {"code": code, "msg": message, "requestTime": self.wall(), "data": None}


_SYMBOL = {
    "symbol": "BTCUSDT",
    "baseCoin": "BTC",
    "quoteCoin": "USDT",
    "minTradeAmount": "0",
    "maxTradeAmount": "900000000000000000000",
    "takerFeeRate": "0.002",
    "makerFeeRate": "0.002",
    "pricePrecision": "2",
    "quantityPrecision": "6",
    "quotePrecision": "8",
    "status": "online",
    "minTradeUSDT": "1",
}
