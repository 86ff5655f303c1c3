"""The store on InfluxDB 2, in one bucket."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from coin_assets.domain.series import Series
from coin_assets.store import tabular
from coin_assets.store.base import Finding, Store
from coin_assets.store.influxdb.bucket import Bucket
from coin_assets.store.influxdb.connection import Connection
from coin_assets.store.influxdb.examination import examine
from coin_assets.store.influxdb.installation import ClaimedBucket
from coin_assets.store.influxdb.ledgers import LedgerPoints
from coin_assets.store.influxdb.markers import MonthMarkers
from coin_assets.store.influxdb.measurements import FORECAST, OHLCV, REVISION
from coin_assets.store.influxdb.revisions import RevisionTable
from coin_assets.store.influxdb.snapshot import Snapshot
from coin_assets.store.influxdb.tables import MeasurementTable


class InfluxStore(tabular.TabularStore):
    """`Store` in a bucket; safe for many processes that share the folder of locks.

    The first use connects to the server.

    Args:
        connection: server and bucket.
        market: market of the candles; the first use claims the bucket for it.
        locks: folder of lock files; each series has one writer at a time.
    """

    def __init__(self, connection: Connection, market: str, locks: Path) -> None:
        self._connection, self._market = connection, market
        self._bucket = bucket = ClaimedBucket(Bucket(connection), market, locks)
        candles = MeasurementTable(
            bucket, tabular.CANDLES, OHLCV, locks, MonthMarkers(bucket, OHLCV)
        )
        forecasts = MeasurementTable(bucket, tabular.FORECASTS, FORECAST, locks)
        revisions = RevisionTable(bucket, tabular.REVISIONS, REVISION, locks)
        ledgers = LedgerPoints(bucket, locks)
        super().__init__(candles, forecasts, revisions, ledgers)

        def snapshot(series_list: Iterable[Series]) -> Snapshot:
            return Snapshot(self, (candles, forecasts, revisions), ledgers, series_list)

        self._snapshot = snapshot

    def snapshot(self, series_list: Iterable[Series]) -> Store:
        """See `Store.snapshot`."""
        return self._snapshot(series_list)

    def examine(self, since: datetime, now: datetime) -> list[Finding]:
        """Findings about server, token and bucket."""
        return examine(self._connection, self._market, since, now)

    def require_readable(self, series: Series) -> None:
        """Do nothing: the server checks its own files."""

    def read_through(self, series: Series) -> None:
        """Do nothing; see `require_readable`."""

    def close(self) -> None:
        """Release connections."""
        self._bucket.close()
