"""Fetches a month from exchanges named by address; writes errors, then its peak memory in MB."""

import resource
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from coin_assets.errors import CoinAssetsError
from coin_assets.market.ccxt import CcxtMarket
from coin_assets.pipeline.fetch import fetch_candles
from coin_assets.pipeline.fetch_request import FetchRequest
from coin_assets.store.parquet import ParquetStore
from coin_assets_tests.market.unreachable import at
from coin_assets_tests.platform import series

MONTH, END = datetime(2024, 2, 1, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC)


def main(addresses: list[str]) -> None:
    outcomes = []
    for address in addresses:
        market = CcxtMarket("binance", at(address), sleep=lambda _: None)
        with tempfile.TemporaryDirectory() as home:
            request = FetchRequest(series("1h"), MONTH, END, MONTH, END, 3)
            try:
                fetch_candles(ParquetStore(Path(home)), market, request, lambda: END)
            except CoinAssetsError as error:
                outcomes.append(type(error).__name__)
            else:
                outcomes.append("stored")
        market.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    sys.stdout.write("\n".join([*outcomes, str(peak)]))


if __name__ == "__main__":
    main(sys.argv[1:])
