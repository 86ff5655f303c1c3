"""Claims of buckets: each holds the candles of one market."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import TypeVar

import pandas as pd

from coin_assets.errors import ConfigurationError
from coin_assets.files.locks import locked
from coin_assets.store.faults import typed_errors
from coin_assets.store.influxdb import flux
from coin_assets.store.influxdb.bucket import Bucket
from coin_assets.store.influxdb.fields import rows_of
from coin_assets.store.influxdb.lines import requests_of
from coin_assets.store.influxdb.measurements import INSTALLATION, UNDATED, Measurement

T = TypeVar("T")


def market_of(bucket: Bucket) -> str | None:
    """Market that claimed a bucket; None without one."""
    script = flux.values(
        bucket.connection.bucket, INSTALLATION, {}, UNDATED, UNDATED + timedelta(seconds=1)
    )
    rows = bucket.query(script, lambda body: rows_of(body, INSTALLATION))
    return str(rows["market"].iloc[0]) if len(rows) else None


def record_market(bucket: Bucket, market: str) -> None:
    """Claim a bucket for ``market``; repeating it changes nothing."""
    row = pd.DataFrame({"timestamp": [UNDATED], "market": [market]}).astype(INSTALLATION.dtypes)
    for lines in requests_of(INSTALLATION, {}, row):
        bucket.write(lines)


class ClaimedBucket:
    """Bucket that is claimed for one market at its first use."""

    def __init__(self, bucket: Bucket, market: str, locks: Path) -> None:
        self._bucket, self._market, self._locks = bucket, market, locks
        self._claimed = False
        self._lock = Lock()

    @property
    def name(self) -> str:
        """Name of the bucket."""
        return self._bucket.connection.bucket

    def write(self, lines: str) -> None:
        """As `Bucket.write`.

        Raises:
            ConfigurationError: here as in all methods, the bucket belongs to another market.
        """
        self._claim()
        self._bucket.write(lines)

    def query(self, script: str, parse: Callable[[bytes], T]) -> T:
        """As `Bucket.query`."""
        self._claim()
        return self._bucket.query(script, parse)

    def delete(
        self, measurement: Measurement, tags: dict[str, str], start: datetime, end: datetime
    ) -> None:
        """As `Bucket.delete`."""
        self._claim()
        self._bucket.delete(measurement, tags, start, end)

    def confirm(self, is_there: Callable[[], bool], what: str) -> None:
        """As `Bucket.confirm`."""
        self._bucket.confirm(is_there, what)

    def close(self) -> None:
        """As `Bucket.close`."""
        self._bucket.close()

    def _claim(self) -> None:
        with self._lock:
            if self._claimed:
                return
            recorded = market_of(self._bucket)
            if recorded is None:
                recorded = self._record()
            require_market(recorded, self._market, str(self._bucket.connection))
            self._claimed = True

    def _record(self) -> str:
        folder = self._locks / INSTALLATION.name
        with typed_errors(folder), locked(folder):
            recorded = market_of(self._bucket)
            if recorded is None:
                record_market(self._bucket, self._market)
                self._bucket.confirm(lambda: market_of(self._bucket) is not None, "its market")
        return recorded or self._market


def require_market(recorded: str, market: str, where: str) -> None:
    """Require that a bucket is claimed for ``market``.

    Args:
        recorded: market that claimed the bucket.
        market: market of this installation.
        where: the bucket, for the message.

    Raises:
        ConfigurationError: another market claimed it.
    """
    if recorded != market:
        raise ConfigurationError(
            f"COIN_MARKET: {market!r} is not the market of {where}, which is claimed by "
            f"{recorded!r}; set COIN_MARKET={recorded}, or choose another COIN_INFLUXDB_BUCKET."
        )
