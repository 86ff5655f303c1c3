"""A stand-in and the real client for it."""

from collections.abc import Iterator

import pytest
from influxdb_client.client.influxdb_client import InfluxDBClient

from coin_assets_tests.influx.server import InfluxServer


@pytest.fixture
def influx() -> Iterator[InfluxServer]:
    with InfluxServer() as server:
        yield server


@pytest.fixture
def client(influx: InfluxServer) -> Iterator[InfluxDBClient]:
    with InfluxDBClient(influx.url, influx.token, org=influx.org, timeout=10_000) as connected:
        yield connected
