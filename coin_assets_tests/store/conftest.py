"""A stand-in InfluxDB for each test that asks for one, and a store on it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from coin_assets.store.influxdb.store import InfluxStore
from coin_assets_tests.influx.server import InfluxServer
from coin_assets_tests.store.influxdb_buckets import connection_to


@pytest.fixture
def influx() -> Iterator[InfluxServer]:
    with InfluxServer() as influx:
        yield influx


@pytest.fixture
def store(influx: InfluxServer, tmp_path: Path) -> Iterator[InfluxStore]:
    store = InfluxStore(connection_to(influx), "sandbox", tmp_path)
    yield store
    store.close()
