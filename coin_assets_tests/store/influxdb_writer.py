"""A writer in a process of its own, for tests to kill.

python -m coin_assets_tests.store.influxdb_writer URL ORG BUCKET TOKEN LOCKS PRICE
"""

import sys
from pathlib import Path

from coin_assets.store.influxdb.connection import Connection
from coin_assets.store.influxdb.store import InfluxStore
from coin_assets_tests.store.contract import DEC, NOV
from coin_assets_tests.store.test_influxdb_faults import MINUTELY, minutes

if __name__ == "__main__":
    url, org, bucket, token, locks, price = sys.argv[1:]
    store = InfluxStore(Connection(url, org, bucket, token), "sandbox", Path(locks))
    store.write_candles(MINUTELY, minutes(float(price)), NOV, DEC)
