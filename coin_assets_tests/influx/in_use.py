"""The stand-in as the server that the settings of this process name."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from coin_assets_tests.influx.server import InfluxServer


@contextmanager
def influx_in_use(monkeypatch: pytest.MonkeyPatch) -> Iterator[InfluxServer]:
    """A running server; `COIN_STORE=influxdb` finds it for as long as ``monkeypatch`` lasts."""
    with InfluxServer() as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        yield server
