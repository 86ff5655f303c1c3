"""Kraken's spot market."""

from collections.abc import Mapping
from typing import ClassVar

from coin_assets.domain.timeframes import Timeframe
from coin_assets_tests.market.exchanges.server import Answer, StandIn, text, whole


class Kraken(StandIn):
    """The newest 720 candles and no older ones, whatever ``since`` says; of these those that open
    after ``since``, ascending, the running one last. 720 counts times: holes leave fewer candles.
    Weeks open on Thursdays.

    Sources: ccxt#5614, ccxt#4165, dominiktraxl/pykrakenapi#53 (the newest 720); ccxt#5682 (711
    candles from 17:03 to 05:02, which is 720 minutes); Kraken's guide "Historical data" (most 720,
    candles after ``since``). That weeks follow the epoch was not verified.
    """

    exchange_id = "kraken"
    symbol = "BTC/USD"
    intervals: ClassVar[Mapping[str, str]] = {
        "1": "1m",
        "5": "5m",
        "15": "15m",
        "30": "30m",
        "60": "1h",
        "240": "4h",
        "1440": "1d",
        "10080": "1w",
    }
    cap = 720
    usual_edge = 720
    week_anchor = 0

    def answer(self, path: str, query: Mapping[str, str]) -> Answer:
        match path:
            case "/0/public/AssetPairs":
                return 200, {"error": [], "result": {"XXBTZUSD": _PAIR}}
            case "/0/public/Assets":
                return 200, {"error": [], "result": _ASSETS}
            case "/0/public/OHLC":
                return self._ohlc(query)
            case _:
                return 200, {"error": ["EGeneral:Unknown method"]}

    def _ohlc(self, query: Mapping[str, str]) -> Answer:
        if query.get("pair") not in ("XXBTZUSD", "XBTUSD"):
            return 200, {"error": ["EQuery:Unknown asset pair"]}
        if query.get("interval", "1") not in self.intervals:
            return 200, {"error": ["EGeneral:Invalid arguments"]}
        timeframe = Timeframe(self.intervals[query.get("interval", "1")])
        newest = self.sent(timeframe, 0, self.wall(), self.cap, newest=True)
        since = whole(query, "since", 0) * 1000
        rows = [
            [
                each.open_time // 1000,
                *(text(value) for value in (*each[1:5], each.last, each.volume)),
                9,
            ]
            for each in newest
            if each.open_time > since
        ]
        last = newest[-2].open_time // 1000 if len(newest) > 1 else 0
        return 200, {"error": [], "result": {"XXBTZUSD": rows, "last": last}}


_PAIR = {
    "altname": "XBTUSD",
    "wsname": "XBT/USD",
    "aclass_base": "currency",
    "base": "XXBT",
    "aclass_quote": "currency",
    "quote": "ZUSD",
    "lot": "unit",
    "cost_decimals": 5,
    "pair_decimals": 1,
    "lot_decimals": 8,
    "lot_multiplier": 1,
    "leverage_buy": [],
    "leverage_sell": [],
    "fees": [[0, 0.4]],
    "fees_maker": [[0, 0.25]],
    "fee_volume_currency": "ZUSD",
    "ordermin": "0.00005",
    "costmin": "0.5",
    "tick_size": "0.1",
    "status": "online",
}
_ASSETS = {
    "XXBT": {"aclass": "currency", "altname": "XBT", "decimals": 10, "status": "enabled"},
    "ZUSD": {"aclass": "currency", "altname": "USD", "decimals": 4, "status": "enabled"},
}
