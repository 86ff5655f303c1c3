"""Gate's spot market."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import ClassVar

from coin_assets.domain.timeframes import Timeframe
from coin_assets_tests.market.exchanges.server import (
    Answer,
    Candle,
    StandIn,
    milliseconds,
    text,
    whole,
)

_INTERVALS = {"1m": "1m", "5m": "5m", "15m": "15m", "30m": "30m", "1h": "1h", "4h": "4h"}
_EMPTY = ("/margin/currency_pairs", "/spot/currencies", "/futures/", "/delivery/", "/options/")


class Gate(StandIn):
    """Both ends of ``from`` and ``to`` (in seconds) are included, the oldest come first, and the
    running one is sent. More than 1000 at once are refused, and so is, whatever ``to`` says, a
    ``from`` more than 10,000 candles back; ``limit`` goes with neither.

    Sources: ccxt#27887 (the refusal on spot; futures say "points recently" in ccxt#27861 and
    freqtrade#12814), freqtrade#13090 (the newest 10,000 candles alone); ccxt#17464, ccxt#10561
    (1000 candles); gateio/gateapi-python#100 (``limit`` conflicts with from and to).
    """

    exchange_id = "gate"
    intervals: ClassVar[Mapping[str, str]] = {**_INTERVALS, "8h": "8h", "1d": "1d", "7d": "1w"}
    cap = 1000
    usual_edge = 10_000

    def oldest(self, timeframe: Timeframe) -> datetime:
        served = self.at_or_after(timeframe, self._border(timeframe))
        return max(self.floor(timeframe, self._listed), served)

    def answer(self, path: str, query: Mapping[str, str]) -> Answer:
        path = path.removeprefix("/api/v4")
        if path == "/spot/currency_pairs":
            return 200, [_PAIR]
        if path == "/spot/candlesticks":
            return self._candlesticks(query)
        if path.startswith(_EMPTY):
            return 200, []
        return 404, {"label": "NOT_FOUND", "message": path}

    def _candlesticks(self, query: Mapping[str, str]) -> Answer:
        if query.get("currency_pair") != "BTC_USDT":
            return 400, {"label": "INVALID_CURRENCY_PAIR", "message": "Invalid currency pair"}
        if query.get("interval") not in self.intervals:
            return _refused(f"Invalid request parameter `interval` value: {query['interval']}")
        if "limit" in query and ("from" in query or "to" in query):
            return _refused(f"Invalid request parameter `limit` value: {query['limit']}")
        timeframe = Timeframe(self.intervals[query["interval"]])
        last = whole(query, "to", self.wall() // 1000)
        back = whole(query, "limit", 100) - 1
        first = whole(query, "from", last - back * timeframe.seconds)
        if (last - first) // timeframe.seconds >= self.cap:
            return _refused(
                f"Candlestick range too broad. Maximum {self.cap} data points are allowed per "
                "request"
            )
        if first * 1000 < milliseconds(self._border(timeframe)):
            return _refused(f"Candlestick too long ago. Maximum {self.edge} points ago are allowed")
        sent = self.sent(timeframe, first * 1000, last * 1000)
        return 200, [self._row(timeframe, each) for each in sent]

    def _border(self, timeframe: Timeframe) -> datetime:
        if isinstance(self.edge, timedelta):
            return self.now - self.edge
        return self.now - (self.edge or 0) * timedelta(seconds=timeframe.seconds)

    def _row(self, timeframe: Timeframe, candle: Candle) -> list[str | None]:
        over = candle.open_time + timeframe.seconds * 1000 <= self.wall()
        fields = [candle.last, candle.high, candle.low, candle.first, candle.volume]
        opened = str(candle.open_time // 1000)
        return [opened, "1", *map(text, fields), "true" if over else "false"]


def _refused(message: str) -> Answer:
    return 400, {"label": "INVALID_PARAM_VALUE", "message": message}


_PAIR = {
    "id": "BTC_USDT",
    "base": "BTC",
    "quote": "USDT",
    "fee": "0.2",
    "min_base_amount": "0.00001",
    "min_quote_amount": "3",
    "amount_precision": 6,
    "precision": 1,
    "trade_status": "tradable",
    "sell_start": 0,
    "buy_start": 0,
    "type": "normal",
}
