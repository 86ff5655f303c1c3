"""Fetches a month from exchanges named by address; writes errors, then its peak memory in MB."""

import re
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
    sys.stdout.write("\n".join([*outcomes, str(_peak())]))


def _peak() -> int:
    """Peak memory of this process in MB; ``ru_maxrss`` would count that of its parent as well."""
    status = Path("/proc/self/status").read_text()
    (kilobytes,) = re.findall(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return int(kilobytes) // 1024


if __name__ == "__main__":
    main(sys.argv[1:])
