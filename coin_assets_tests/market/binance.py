"""How Binance writes symbols, candles and times."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from coin_assets.domain.timeframes import EPOCH, Timeframe
from coin_assets_tests.market.faults import Kline


def listing(name: str, symbol: str, status: str) -> dict[str, Any]:
    """What the exchange says about a symbol, as far as ccxt reads it."""
    base, quote = symbol.split("/")
    return {
        "symbol": name,
        "status": status,
        "baseAsset": base,
        "baseAssetPrecision": 8,
        "quoteAsset": quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "orderTypes": ["LIMIT", "MARKET"],
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": "0.00000001",
                "maxPrice": "1000000.00000000",
                "tickSize": "0.00000001",
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": "0.00000001",
                "maxQty": "9000000.00000000",
                "stepSize": "0.00000001",
            },
        ],
        "permissions": ["SPOT"],
    }


def rows_of(candles: pd.DataFrame) -> Iterable[tuple[Any, ...]]:
    return candles.itertuples(index=False, name=None)


def kline(
    timeframe: Timeframe,
    opened: pd.Timestamp,
    first: float,
    high: float,
    low: float,
    last: float,
    volume: float,
) -> Kline:
    """The 12 fields of Binance; numbers are text with eight decimals."""
    open_time = opened.to_pydatetime()
    return [
        milliseconds(open_time),
        *(f"{value:.8f}" for value in (first, high, low, last, volume)),
        milliseconds(timeframe.close_of(open_time)) - 1,
        f"{volume * last:.8f}",
        1,
        f"{volume / 2:.8f}",
        f"{volume * last / 2:.8f}",
        "0",
    ]


def unfinished(
    opened: pd.Timestamp, first: float, high: float, low: float, _last: float, volume: float
) -> tuple[Any, ...]:
    """A candle that is not over: half traded, and the price is back where it began."""
    return opened, first, high, low, first, volume / 2


def time_of(milliseconds: str) -> datetime:
    return EPOCH + timedelta(milliseconds=int(milliseconds))


def milliseconds(time: datetime) -> int:
    return (time - EPOCH) // timedelta(milliseconds=1)
