"""A table in Parquet files, one for each series and calendar month, in hive layout.

    <root>/symbol=BTC_USDT/timeframe=1h/month=2026-11/<name>.parquet

Dot files (locks, partial files) are invisible to hive-aware readers.
"""

import os
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import pandas as pd
import pyarrow as pa

from coin_assets.domain.candles.frame import by_month
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import month_label, months_between, next_month
from coin_assets.files.atomic import locked
from coin_assets.files.cache import FileCache, are_settled, identity_of
from coin_assets.store.base import Extent, Written
from coin_assets.store.changes import changes
from coin_assets.store.month_files import MonthFiles, note_marker
from coin_assets.store.tabular import Combine, TableKind

# Longer ranges are read by listing the folder instead of opening each month.
_MONTHS_TO_LIST = 24
_PREFIX = "month="
_MONTHS: FileCache[tuple[datetime, ...]] = FileCache(10_000)


@dataclass(frozen=True)
class MonthlyTable:
    """`Table` of one schema; a month written without rows can have an empty file.

    Attributes:
        schema: column types, in order; nothing else is stored.
    """

    root: Path
    kind: TableKind
    schema: pa.Schema

    def read(
        self, series: Series, start: datetime, end: datetime, *, anew: bool = False
    ) -> pd.DataFrame:
        """Rows whose time lies in ``[start, end)``, sorted by identity."""
        touched = months_between(start, end)
        if len(touched) > _MONTHS_TO_LIST:
            touched = sorted(set(touched) & set(self.months(series)))
        found = [self._read_month(series, month, anew=anew) for month in touched]
        parts = [part for part in found if part is not None]
        frame = self._frame(pa.concat_tables(parts) if parts else self.schema.empty_table())
        inside = (frame[self.kind.time] >= start) & (frame[self.kind.time] < end)
        frame = frame[inside]
        # Months are ascending, so rows identified by time first are already in order.
        if self.kind.identity[0] != self.kind.time:
            frame = frame.sort_values(list(self.kind.identity))
        return frame.reset_index(drop=True)

    def update(
        self, series: Series, rows: pd.DataFrame, months: list[datetime], combine: Combine
    ) -> Written:
        """Replace each month by ``combine(stored rows, rows of that month)``, under one lock."""
        held, changed = 0, dict[datetime, int]()
        with locked(self._folder(series)):
            for month, inside in by_month(rows, months, self.kind.time):
                month_held, month_changed = self._update_month(series, month, inside, combine)
                held += month_held
                if month_changed:
                    changed[month] = month_changed
        return Written(held, sum(changed.values()), changed)

    def delete(self, series: Series, start: datetime, end: datetime) -> int:
        """Remove the rows of ``[start, end)``, and the files of months left without rows."""
        removed = 0
        with locked(self._folder(series)):
            for month in months_between(start, end):
                path = self._path(series, month)
                if not path.exists():
                    continue
                stored = self._frame(self._files.read_to_write(path))
                keep = stored[(stored[self.kind.time] < start) | (stored[self.kind.time] >= end)]
                removed += len(stored) - len(keep)
                if keep.empty:
                    self._files.remove(path)
                elif len(keep) < len(stored):
                    self._files.write(path, keep)
        return removed

    def months(self, series: Series) -> list[datetime]:
        """Months that have a file, ascending."""
        folder = self._where(series)
        files = {month: self._file(folder, month) for month in _listed(folder)}
        # Folders of deleted months remain. `Path.exists` takes four times as long.
        return [month for month, file in files.items() if os.path.exists(file)]  # noqa: PTH110

    def count(self, series: Series, start: datetime, end: datetime) -> int:
        """Number of rows in ``[start, end)``; whole months are counted by their footers."""
        known, count = set(self.months(series)), 0
        for month in months_between(start, end):
            if month not in known:
                continue
            if start <= month and next_month(month) <= end:
                extent = self._files.extent(self._file(self._where(series), month))
                count += 0 if extent is None else extent.rows
            else:
                count += len(self.read(series, max(month, start), min(next_month(month), end)))
        return count

    def state(self, series: Series, start: datetime, end: datetime) -> Hashable | None:
        """Identities of the files of ``[start, end)``; None if one changed recently."""
        folder, known = self._where(series), set(self.months(series))
        paths = [self._file(folder, each) for each in months_between(start, end) if each in known]
        try:
            identities = [identity_of(Path(path).stat()) for path in paths]
        except FileNotFoundError:  # deleted by another process since it was listed
            return None
        return (folder, *paths, *identities) if are_settled(identities) else None

    def newest(self, series_list: Iterable[Series]) -> dict[Series, datetime]:
        """Newest time of each series that has rows, from file footers alone."""
        found = {}
        for series in series_list:
            folder = self._where(series)
            for month in reversed(_listed(folder)):
                extent = self._files.extent(self._file(folder, month))
                if extent is not None:
                    found[series] = extent.last
                    break
        return found

    def extent(self, series: Series) -> Extent | None:
        """First time, last time and row count of a series, from file footers alone."""
        folder = self._where(series)
        found = [self._files.extent(self._file(folder, month)) for month in _listed(folder)]
        extents = [extent for extent in found if extent is not None]
        if not extents:
            return None
        rows = sum(extent.rows for extent in extents)
        return Extent(extents[0].first, extents[-1].last, rows)

    def texts(self, series: Series, column: str) -> frozenset[str]:
        """All values of a column of text, month by month."""
        found = set[str]()
        for month in self.months(series):
            found |= set(self.read(series, month, next_month(month))[column].unique())
        return frozenset(found)

    def _update_month(
        self, series: Series, month: datetime, rows: pd.DataFrame, combine: Combine
    ) -> tuple[int, int]:
        """Rows that the month holds afterwards, and rows that differ from before."""
        path = self._path(series, month)
        known = path.exists()
        table = self._files.read_to_write(path) if known else self.schema.empty_table()
        stored = self._frame(table)
        wanted = self.kind.result(combine, stored, rows)
        changed = changes(self.kind, stored, wanted).rows
        if changed or (not known and self.kind.records_empty):
            self._files.write(path, wanted)
        return len(wanted), changed

    def _read_month(self, series: Series, month: datetime, *, anew: bool) -> pa.Table | None:
        try:
            return self._files.read(self._path(series, month), anew=anew)
        except FileNotFoundError:  # deleted by another process since it was listed
            return None

    @property
    def _files(self) -> MonthFiles:
        return MonthFiles(self.schema, self.kind.time)

    def _frame(self, table: pa.Table) -> pd.DataFrame:
        frame: pd.DataFrame = table.to_pandas(use_threads=False)
        return frame

    def _folder(self, series: Series) -> Path:
        return Path(self._where(series))

    def _path(self, series: Series, month: datetime) -> Path:
        return Path(self._file(self._where(series), month))

    # As text: sensors need thousands of paths, and text takes a tenth of the time of Path.
    def _where(self, series: Series) -> str:
        return f"{self.root}/symbol={series.symbol_name}/timeframe={series.timeframe.name}"

    def _file(self, folder: str, month: datetime) -> str:
        return f"{folder}/{_PREFIX}{_label(month)}/{self.kind.name}.parquet"


def _listed(folder: str) -> tuple[datetime, ...]:
    """Months that have a folder, ascending."""
    try:
        return _MONTHS.of(folder, _list)
    except (FileNotFoundError, NotADirectoryError):
        return ()


def _list(folder: str) -> tuple[datetime, ...]:
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries)
    for name in names:
        note_marker(Path(folder, name))
    return tuple(_month(name.removeprefix(_PREFIX)) for name in names if name.startswith(_PREFIX))


@lru_cache(maxsize=10_000)
def _month(label: str) -> datetime:
    return datetime.strptime(label, "%Y-%m").replace(tzinfo=UTC)


@lru_cache(maxsize=10_000)
def _label(month: datetime) -> str:
    return month_label(month)
