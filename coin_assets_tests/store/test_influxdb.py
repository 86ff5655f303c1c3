"""The store on InfluxDB 2: the store contract, and what its requests promise."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from coin_assets.store.base import Store
from coin_assets.store.influxdb.connection import Connection
from coin_assets.store.influxdb.store import InfluxStore
from coin_assets_tests.store.contract import StoreContract
from coin_assets_tests.store.influxdb_buckets import a_server, new_bucket


@pytest.fixture(scope="module")
def server() -> Iterator[Connection]:
    with a_server() as server:
        yield server


@pytest.mark.influxdb
class TestInfluxStore(StoreContract):
    """The contract, run by the store on InfluxDB 2; by a real server if one is named."""

    @pytest.fixture
    def store(self, server: Connection, tmp_path: Path) -> Iterator[Store]:
        with new_bucket(server) as connection:
            store = InfluxStore(connection, "sandbox", tmp_path)
            yield store
            store.close()
