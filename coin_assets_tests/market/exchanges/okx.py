"""OKX's spot market."""

from collections.abc import Mapping
from typing import Any, ClassVar

from coin_assets.domain.timeframes import Timeframe
from coin_assets_tests.market.exchanges.server import Answer, Candle, StandIn, text, texts, whole

_RECENT = 1440
_INTERVALS = {"1m": "1m", "3m": "3m", "5m": "5m", "15m": "15m", "30m": "30m", "1H": "1h"}


class Okx(StandIn):
    """Candles that open after ``before`` and before ``after``, neither included, newest first: of
    more than ``limit`` the newest. ``/candles`` knows the newest 1440 only; ``/history-candles``
    all that are closed, and sends at most `history_cap`.

    Sources: ccxt#20756 (1440 candles, 300 and 100), ccxt#25682 and ccxt#25679 (which candles of too
    wide a range come, 300 and 100), ccxt#20320 (``before`` with ``after``). The installed ccxt
    counts on 300 from both; set `history_cap` to 100 for what those threads saw. The wording of the
    refusals was not verified.
    """

    exchange_id = "okx"
    intervals: ClassVar[Mapping[str, str]] = {
        **_INTERVALS,
        "2H": "2h",
        "4H": "4h",
        "6Hutc": "6h",
        "12Hutc": "12h",
        "1Dutc": "1d",
        "1Wutc": "1w",
        "1Mutc": "1M",
    }
    cap = 300
    history_cap = 300

    def answer(self, path: str, query: Mapping[str, str]) -> Answer:
        match path.removeprefix("/api/v5"):
            case "/public/instruments":
                return _fine([_INSTRUMENT] if query.get("instType") == "SPOT" else [])
            case "/market/candles":
                return self._candles(query, self.cap, _RECENT)
            case "/market/history-candles":
                return self._candles(query, self.history_cap, None)
            case _:
                return 404, {"code": "404", "data": [], "msg": path}

    def _candles(self, query: Mapping[str, str], cap: int, back: int | None) -> Answer:
        if query.get("instId") != "BTC-USDT":
            return _failed("51001", "Instrument ID doesn't exist.")
        if query.get("bar", "1m") not in self.intervals:
            return _failed("51000", "Parameter bar error")
        timeframe = Timeframe(self.intervals[query.get("bar", "1m")])
        first = whole(query, "before", -1) + 1
        last = whole(query, "after", self.wall() + 1) - 1
        running = self.floor(timeframe, self.now)
        known = self.sent(timeframe, 0, self.wall(), back, newest=True) if back else []
        if known:
            first = max(first, known[0].open_time)
        count = min(whole(query, "limit", 100), cap)
        sent = self.sent(timeframe, first, last, count, newest=True)
        rows = [self._row(timeframe, each) for each in reversed(sent)]
        history = back is None and running < self.now
        return _fine([row for row in rows if row[-1] == "1"] if history else rows)

    def _row(self, timeframe: Timeframe, candle: Candle) -> list[str | None]:
        over = self.close(timeframe, candle.open_time) <= self.wall()
        quote = text(1.0)
        return [str(candle.open_time), *texts(candle), quote, quote, "1" if over else "0"]


def _fine(data: list[Any]) -> Answer:
    return 200, {"code": "0", "msg": "", "data": data}


def _failed(code: str, message: str) -> Answer:
    return 200, {"code": code, "msg": message, "data": []}


_INSTRUMENT = {
    "alias": "",
    "baseCcy": "BTC",
    "category": "1",
    "ctMult": "",
    "ctType": "",
    "ctVal": "",
    "ctValCcy": "",
    "expTime": "",
    "instId": "BTC-USDT",
    "instIdCode": 1,
    "instType": "SPOT",
    "lever": "10",
    "listTime": "1548133413000",
    "lotSz": "0.00000001",
    "minSz": "0.00001",
    "optType": "",
    "quoteCcy": "USDT",
    "settleCcy": "",
    "state": "live",
    "stk": "",
    "tickSz": "0.1",
    "uly": "",
}
