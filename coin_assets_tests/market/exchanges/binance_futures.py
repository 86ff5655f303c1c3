"""Binance's futures: klines margined in USDT, and those margined in the coin."""

from collections.abc import Mapping
from typing import Any, ClassVar

from coin_assets.domain.timeframes import Timeframe
from coin_assets_tests.market.exchanges.server import (
    Answer,
    Candle,
    StandIn,
    text,
    whole,
)

_NAMES = ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d")
_DAY = 86_400_000


class _Futures(StandIn):
    intervals: ClassVar[Mapping[str, str]] = {name: name for name in (*_NAMES, "1w", "1M")}
    cap = 1500
    root: ClassVar[str]
    contract: ClassVar[Mapping[str, Any]]

    def answer(self, path: str, query: Mapping[str, str]) -> Answer:
        match path.removeprefix(self.root):
            case "/exchangeInfo":
                return 200, {"serverTime": self.wall(), "symbols": [dict(self.contract)]}
            case "/time":
                return 200, {"serverTime": self.wall()}
            case "/klines":
                return self._klines(query)
            case _:
                return 404, {"code": -5000, "msg": f"Path {path} is invalid"}

    def _klines(self, query: Mapping[str, str]) -> Answer:
        if query.get("symbol") != self.contract["symbol"]:
            return 400, {"code": -1121, "msg": "Invalid symbol."}
        if query.get("interval") not in self.intervals:
            return 400, {"code": -1120, "msg": "Invalid interval."}
        if not 0 < whole(query, "limit", 500) <= self.cap:
            return 400, {"code": -1130, "msg": "Data sent for parameter 'limit' is not valid."}
        timeframe = Timeframe(query["interval"])
        sent = self._between(timeframe, query, whole(query, "limit", 500))
        return 200, [self._kline(timeframe, each) for each in sent]

    def _between(self, timeframe: Timeframe, query: Mapping[str, str], limit: int) -> list[Candle]:
        raise NotImplementedError

    def _kline(self, timeframe: Timeframe, candle: Candle) -> list[Any]:
        prices = [text(value) for value in candle[1:5]]
        volumes = self._volumes(candle)
        close = self.close(timeframe, candle.open_time) - 1
        return [candle.open_time, *prices, volumes[0], close, volumes[1], 9, "1", "1", "0"]

    def _volumes(self, candle: Candle) -> tuple[str | None, str | None]:
        raise NotImplementedError


def _contract(**own: Any) -> dict[str, Any]:
    return {
        "contractType": "PERPETUAL",
        "deliveryDate": 4133404800000,
        "onboardDate": 1569398400000,
        "baseAsset": "BTC",
        "pricePrecision": 2,
        "quantityPrecision": 3,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "1", "maxPrice": "900000", "tickSize": "1"},
            {"filterType": "LOT_SIZE", "minQty": "1", "maxQty": "9000", "stepSize": "1"},
        ],
        **own,
    }


class BinanceUsdM(_Futures):
    """From ``startTime`` on the oldest come first, both ends included, with the running one.

    Sources: Binance's "Kline/Candlestick Data" of USDⓈ-M (default 500, most 1500, without times the
    most recent); sammchardy/python-binance#701 (its working example: the data near ``startTime``).
    """

    exchange_id = "binanceusdm"
    symbol = "BTC/USDT:USDT"
    root = "/fapi/v1"
    contract = _contract(
        symbol="BTCUSDT", pair="BTCUSDT", quoteAsset="USDT", marginAsset="USDT", status="TRADING"
    )

    def _between(self, timeframe: Timeframe, query: Mapping[str, str], limit: int) -> list[Candle]:
        first, last = whole(query, "startTime", 0), whole(query, "endTime", self.wall())
        return self.sent(timeframe, first, last, limit, newest="startTime" not in query)

    def _volumes(self, candle: Candle) -> tuple[str | None, str | None]:
        return text(candle.volume), "1"


class BinanceCoinM(_Futures):
    """Of a range with more than ``limit`` candles the newest are sent; one end of a range alone
    means 200 days. The volume in the coin is the eighth field, the sixth counts contracts.

    Sources: Binance's "Kline/Candlestick Data" of COIN-M ("the most recent limit data from endTime
    will be returned", 200 days); dev.binance.vision topic 13517; sammchardy/python-binance#701. The
    documented refusal of more than 200 days is left out: ccxt asks for more in days, and what the
    refusal looks like was not found.
    """

    exchange_id = "binancecoinm"
    symbol = "BTC/USD:BTC"
    root = "/dapi/v1"
    contract = _contract(
        symbol="BTCUSD_PERP",
        pair="BTCUSD",
        quoteAsset="USD",
        marginAsset="BTC",
        contractStatus="TRADING",
        contractSize=100,
    )

    def _between(self, timeframe: Timeframe, query: Mapping[str, str], limit: int) -> list[Candle]:
        if "startTime" in query:
            first = int(query["startTime"])
            last = whole(query, "endTime", min(self.wall(), first + 200 * _DAY))
        else:
            last = whole(query, "endTime", self.wall())
            first = last - 200 * _DAY
        return self.sent(timeframe, first, last, limit, newest=True)

    def _volumes(self, candle: Candle) -> tuple[str | None, str | None]:
        return "1000", text(candle.volume)
