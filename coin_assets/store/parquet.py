"""The embedded store: Parquet files and ledgers below one folder."""

import shutil
from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import islice
from pathlib import Path
from tempfile import NamedTemporaryFile

import pyarrow as pa

from coin_assets.domain.candles.frame import CANDLE_SCHEMA
from coin_assets.domain.candles.revisions import REVISION_SCHEMA
from coin_assets.domain.forecasting.frame import FORECAST_SCHEMA
from coin_assets.domain.series import Series
from coin_assets.store import tabular
from coin_assets.store.base import Finding, Store
from coin_assets.store.ledgers import LedgerFiles
from coin_assets.store.monthly import MonthlyTable
from coin_assets.store.strays import shown, strays

_MOST_STRAYS = 10
_ARROW_TYPES = {
    "timestamp[us, UTC]": pa.timestamp("us", tz="UTC"),
    "string": pa.string(),
    "int64": pa.int64(),
    "float64": pa.float64(),
}


def _arrow(columns: Mapping[str, tuple[str, str]]) -> pa.Schema:
    """The Arrow schema of a documented one: column -> (type, meaning)."""
    return pa.schema([(name, _ARROW_TYPES[kind]) for name, (kind, _) in columns.items()])


CANDLES, FORECASTS, REVISIONS = map(_arrow, (CANDLE_SCHEMA, FORECAST_SCHEMA, REVISION_SCHEMA))


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
        """Whether the home is writable, its free space, and what does not belong there."""
        return [self._examine_folder(), self._examine_layout()]

    def _examine_folder(self) -> Finding:
        try:
            self._home.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile(dir=self._home, prefix=".probe-"):
                free = shutil.disk_usage(self._home).free
        except OSError as error:
            detail = (
                f"{self._home} cannot be written ({error.strerror}); let this user write there."
            )
            return Finding("folder", detail, is_fine=False)
        return Finding("folder", f"{self._home} can be written, {free / 1e9:.1f} GB are free")

    def _examine_layout(self) -> Finding:
        found = list(islice(strays(self._home), _MOST_STRAYS + 1))
        if not found:
            return Finding("layout", "every file lies where it belongs")
        names = ", ".join(map(shown, found[:_MOST_STRAYS]))
        more = " and others" if len(found) > _MOST_STRAYS else ""
        detail = f"{names}{more} does not belong in the store, and is ignored. Move it away."
        return Finding("layout", detail, is_fine=False)

    def close(self) -> None:
        """Do nothing: no file stays open."""
