"""A backfill in a process of its own, for tests to kill: real ccxt client, embedded store.

python -m coin_assets_tests.pipeline.backfill_process URL HOME START END NOW [SYMBOL ...]

Several symbols are fetched at the same time, as in a run.
"""

import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe
from coin_assets.market.ccxt import CcxtMarket
from coin_assets.pipeline.fetch import fetch_candles
from coin_assets.pipeline.fetch_ahead import FetchesAhead, Fetching
from coin_assets.pipeline.fetch_request import FetchRequest
from coin_assets.store.parquet import ParquetStore

HOURLY = Series("BTC/USDT", Timeframe("1h"))
CANDLES_A_PAGE = 500
REREAD = 3


def market_at(url: str) -> CcxtMarket:
    """The exchange at ``url``, as fast as it answers and in pages of `CANDLES_A_PAGE`."""

    def configure(client: Any) -> None:
        client.urls["api"]["public"] = f"{url}/api/v3"
        client.enableRateLimit = False
        client.features["spot"]["fetchOHLCV"]["limit"] = CANDLES_A_PAGE

    return CcxtMarket("binance", configure)


def backfill(url: str, home: Path, start: datetime, end: datetime, now: datetime) -> None:
    """Fetch ``[start, end)``, whole months, with a clock that stands still at ``now``."""
    request = FetchRequest(HOURLY, start, end, start, now, REREAD)
    fetch_candles(ParquetStore(home), market_at(url), request, lambda: now)


def backfill_many(
    url: str, home: Path, start: datetime, end: datetime, now: datetime, symbols: list[str]
) -> None:
    """As `backfill`, for several symbols at the same time."""
    fetching = Fetching(ParquetStore(home), market_at(url), lambda: now, lambda _start: True)
    requests = [
        FetchRequest(Series(symbol, HOURLY.timeframe), start, end, start, now, REREAD)
        for symbol in symbols
    ]
    ahead = FetchesAhead(fetching, requests)
    for request in requests:
        assert ahead.take(request, print) is not None
    ahead.close()


if __name__ == "__main__":
    url, home, *rest = sys.argv[1:]
    start, end, now = (datetime.fromisoformat(time) for time in rest[:3])
    if len(rest) > 3:
        backfill_many(url, Path(home), start, end, now, rest[3:])
    else:
        backfill(url, Path(home), start, end, now)
