"""Reads from servers; writes what came of each, then its peak memory in MB.

Started with pairs of what is read and an address.
"""

import re
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from coin_assets.errors import CoinAssetsError
from coin_assets.store.influxdb.bucket import Bucket
from coin_assets.store.influxdb.connection import Connection
from coin_assets.store.influxdb.store import InfluxStore
from coin_assets_tests.platform import series

START, END = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 1, 2, tzinfo=UTC)


def main(arguments: list[str]) -> None:
    outcomes = []
    for what, address in zip(arguments[::2], arguments[1::2], strict=True):
        try:
            read(what, Connection(address, "coins", "market", "token", patience_seconds=0.0))
        except CoinAssetsError as error:
            outcomes.append(type(error).__name__)
        else:
            outcomes.append("read")
    sys.stdout.write("\n".join([*outcomes, str(_peak())]))


def read(what: str, connection: Connection) -> None:
    with tempfile.TemporaryDirectory() as locks:
        store, one = InfluxStore(connection, "sandbox", Path(locks)), series("1m")
        if what == "candles":
            store.read_candles(one, START, START + timedelta(minutes=4))
        elif what == "ledger":
            store.read_ledger(one)
        elif what == "revisions":
            store.read_revisions(one, START, END)
        elif what == "months":
            store.fetched_months(one)
        else:
            Bucket(connection).retention()
        store.close()


def _peak() -> int:
    """Peak memory of this process in MB; ``ru_maxrss`` would count that of its parent as well."""
    status = Path("/proc/self/status").read_text()
    (kilobytes,) = re.findall(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return int(kilobytes) // 1024


if __name__ == "__main__":
    main(sys.argv[1:])
