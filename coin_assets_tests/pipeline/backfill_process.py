"""A backfill in a process of its own, for tests to kill: real ccxt client, embedded store.

python -m coin_assets_tests.pipeline.backfill_process URL HOME START END NOW
"""

import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe
from coin_assets.market.ccxt import CcxtMarket
from coin_assets.pipeline.fetch import fetch_candles
from coin_assets.pipeline.fetch_request import FetchRequest
from coin_assets.store.parquet import ParquetStore

HOURLY = Series("BTC/USDT", Timeframe("1h"))
CANDLES_A_PAGE = 500
REREAD = 3


def backfill(url: str, home: Path, start: datetime, end: datetime, now: datetime) -> None:
    """Fetch ``[start, end)``, whole months, with a clock that stands still at ``now``."""

    def configure(client: Any) -> None:
        client.urls["api"]["public"] = f"{url}/api/v3"
        client.enableRateLimit = False
        client.features["spot"]["fetchOHLCV"]["limit"] = CANDLES_A_PAGE

    market = CcxtMarket("binance", configure)
    request = FetchRequest(HOURLY, start, end, start, now, REREAD)
    fetch_candles(ParquetStore(home), market, request, lambda: now)


if __name__ == "__main__":
    url, home, *times = sys.argv[1:]
    start, end, now = (datetime.fromisoformat(time) for time in times)
    backfill(url, Path(home), start, end, now)
