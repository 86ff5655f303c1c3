"""The embedded store: Parquet files and ledgers below one folder."""

import shutil
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from tempfile import NamedTemporaryFile

import pyarrow as pa

from coin_assets.domain.candles.frame import VALUES
from coin_assets.domain.candles.revisions import REVISION_SCHEMA
from coin_assets.domain.forecasting.frame import PRICE_COLUMNS
from coin_assets.domain.series import Series
from coin_assets.store import tabular
from coin_assets.store.base import Finding, Store
from coin_assets.store.ledgers import LedgerFiles
from coin_assets.store.monthly import MonthlyTable

_TIME = pa.timestamp("us", tz="UTC")
CANDLES = pa.schema([("timestamp", _TIME), *((name, pa.float64()) for name in VALUES)])
FORECASTS = pa.schema(
    [
        ("as_of", _TIME),
        ("role", pa.string()),
        ("step", pa.int64()),
        *((name, pa.float64()) for name in PRICE_COLUMNS),
        ("model_version", pa.string()),
        ("kind", pa.string()),
    ]
)
REVISIONS = pa.schema(
    [
        (name, _TIME if kind.startswith("timestamp") else pa.float64())
        for name, (kind, _) in REVISION_SCHEMA.items()
    ]
)


class ParquetStore(tabular.TabularStore):
    """`Store` in folders of a home; safe for many processes.

    The folders are ``candles/``, ``forecasts/``, ``revisions/`` and ``ledger/``.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        super().__init__(
            candles=MonthlyTable(home / "candles", tabular.CANDLES, CANDLES),
            forecasts=MonthlyTable(home / "forecasts", tabular.FORECASTS, FORECASTS),
            revisions=MonthlyTable(home / "revisions", tabular.REVISIONS, REVISIONS),
            ledgers=LedgerFiles(home / "ledger"),
        )

    def snapshot(self, series_list: Iterable[Series]) -> Store:  # noqa: ARG002
        """See `Store.snapshot`."""
        return self

    def examine(self, since: datetime, now: datetime) -> list[Finding]:  # noqa: ARG002
        """Whether the home is writable, and its free space."""
        try:
            self._home.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile(dir=self._home, prefix=".probe-"):
                free = shutil.disk_usage(self._home).free
        except OSError as error:
            detail = (
                f"{self._home} cannot be written ({error.strerror}); let this user write there."
            )
            return [Finding("folder", detail, is_fine=False)]
        return [Finding("folder", f"{self._home} can be written, {free / 1e9:.1f} GB are free")]

    def close(self) -> None:
        """Do nothing: no file stays open."""
