"""Buckets for tests, each new and empty: on the server that the environment names, else on the
stand-in. They are removed again, so a server is left as it was."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from influxdb_client.client.influxdb_client import InfluxDBClient

from coin_assets.store.influxdb.connection import Connection
from coin_assets_tests.influx.server import InfluxServer

VARIABLES = ("INFLUXDB_V2_URL", "INFLUXDB_V2_ORG", "COIN_INFLUXDB_BUCKET", "INFLUXDB_V2_TOKEN")
# Before a fixture hides what the machine has set.
_NAMED = [os.environ.get(name, "") for name in VARIABLES]


@contextmanager
def a_server() -> Iterator[Connection]:
    """The server of the tests: its bucket may not be there, and is never used."""
    if all(_NAMED):
        url, org, bucket, token = _NAMED
        yield Connection(url, org, bucket, token)
        return
    with InfluxServer() as server:
        yield connection_to(server)


def connection_to(server: InfluxServer, patience: float = 5.0) -> Connection:
    return Connection(
        server.url, server.org, server.bucket, server.token, patience_seconds=patience
    )


@contextmanager
def new_bucket(server: Connection) -> Iterator[Connection]:
    """An own bucket for as long as the context lasts."""
    name = f"{server.bucket}_test_{secrets.token_hex(6)}"
    with InfluxDBClient(server.url, server.token, org=server.org) as client:
        made = client.buckets_api().create_bucket(bucket_name=name, org=server.org)
        try:
            yield Connection(server.url, server.org, name, server.token)
        finally:
            client.buckets_api().delete_bucket(made)
