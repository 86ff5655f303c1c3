"""A table in Parquet files, one for each series and calendar month, in hive layout.

    <root>/symbol=BTC_USDT/timeframe=1h/month=2026-11/<name>.parquet

Dot files (locks, partial files) are invisible to hive-aware readers.
"""

import os
from collections.abc import Collection, Hashable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from coin_assets.domain.candles.frame import by_month
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import month_label, months_between, next_month
from coin_assets.files.cache import FileCache, are_settled, identity_of
from coin_assets.files.locks import fence, locked
from coin_assets.store.base import CandleRange, Extent, Written
from coin_assets.store.changes import changes
from coin_assets.store.faults import exists, is_absent, typed_errors
from coin_assets.store.labels import MonthFile
from coin_assets.store.month_files import MonthFiles, note_marker
from coin_assets.store.strays import MONTH, is_folder, note_stray
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
            touched = sorted(set(touched) & set(_listed(self._where(series))))
        files = (self._month_file(series, month) for month in touched)
        found = [self._files.read(file, anew=anew) for file in files]
        parts = [part for part in found if part is not None]
        if not parts:
            return _no_rows(self.schema)
        table = pa.concat_tables(parts)
        times = table[self.kind.time].to_numpy()
        inside = (times >= _naive(start)) & (times < _naive(end))
        frame = self._frame(_rows(table, inside))
        # Months are ascending, so rows identified by time first are already in order.
        return frame if self.kind.identity[0] == self.kind.time else self.kind.ordered(frame)

    def update(
        self, series: Series, rows: pd.DataFrame, months: list[datetime], combine: Combine
    ) -> Written:
        """Replace each month by ``combine(stored rows, rows of that month)``, under one lock."""
        held, changed = 0, dict[datetime, int]()
        with self._locked(series):
            for month, inside in by_month(rows, months, self.kind.time):
                month_held, month_changed = self._update_month(series, month, inside, combine)
                held += month_held
                if month_changed:
                    changed[month] = month_changed
        return Written(held, sum(changed.values()), changed)

    def delete(self, series: Series, start: datetime, end: datetime) -> int:
        """Remove the rows of ``[start, end)``, and the files of months left without rows."""
        removed = 0
        with self._locked(series):
            for month in months_between(start, end):
                file = self._month_file(series, month)
                fence(Path(file.path).parent)
                table = self._files.read_to_write(file)
                if table is None:
                    continue
                stored = self._frame(table)
                keep = stored[(stored[self.kind.time] < start) | (stored[self.kind.time] >= end)]
                removed += len(stored) - len(keep)
                if keep.empty:
                    self._files.remove(file)
                elif len(keep) < len(stored):
                    self._files.write(file, keep)
        return removed

    def months(self, series: Series) -> list[datetime]:
        """Months that have a file, ascending."""
        folder = self._where(series)
        # Folders of deleted months remain.
        return [month for month in _listed(folder) if exists(self._file(folder, month))]

    def path(self, series: Series, month: datetime) -> str:
        """Where the file of a month lies, if there is one."""
        return self._month_file(series, month).path

    def count(self, series: Series, start: datetime, end: datetime) -> int:
        """Number of rows in ``[start, end)``; files with rows outside of it too are read."""
        count = 0
        for month in months_between(start, end):
            extent = self._files.extent(self._month_file(series, month))
            if extent is None or extent.last < start or end <= extent.first:
                continue
            if start <= extent.first and extent.last < end:
                count += extent.rows
            else:
                count += len(self.read(series, max(month, start), min(next_month(month), end)))
        return count

    def state(self, series: Series, start: datetime, end: datetime) -> Hashable | None:
        """Identities of the files of ``[start, end)``; None if one changed recently."""
        folder, known = self._where(series), set(self.months(series))
        paths = [self._file(folder, each) for each in months_between(start, end) if each in known]
        try:
            identities = [identity_of(Path(path).stat()) for path in paths]
        except OSError as error:
            if is_absent(error):  # deleted by another process since it was listed
                return None
            with typed_errors(folder):
                raise
        return (folder, *paths, *identities) if are_settled(identities) else None

    def digest(self, series: Series, month: datetime) -> str | None:
        """Hash of the rows that the file of a month records; None if it records none."""
        return self._files.digest(self._month_file(series, month))

    def newest(self, series_list: Iterable[Series]) -> dict[Series, datetime]:
        """Newest time of each series that has rows, from file footers alone."""
        found = {}
        for series in series_list:
            for month in reversed(_listed(self._where(series))):
                extent = self._files.extent(self._month_file(series, month))
                if extent is not None:
                    found[series] = extent.last
                    break
        return found

    def extent(self, series: Series) -> Extent | None:
        """First time, last time and row count of a series, from file footers alone."""
        folder, files = self._where(series), self._files
        found = [
            files.extent(MonthFile(self._file(folder, month), self.kind, series, month))
            for month in _listed(folder)
        ]
        extents = [extent for extent in found if extent is not None]
        if not extents:
            return None
        rows = sum(extent.rows for extent in extents)
        return Extent(extents[0].first, extents[-1].last, rows)

    def spans(
        self, ranges: Collection[CandleRange]
    ) -> dict[CandleRange, tuple[datetime, datetime]]:
        """First and last time of the rows of each range that has any; few months are read."""
        found = {}
        for each in ranges:
            known = set(self.months(each.series))
            months = [month for month in months_between(each.start, each.end) if month in known]
            parts = ((place, self._part(each, month)) for place, month in enumerate(months))
            place, first = next((part for part in parts if len(part[1])), (0, None))
            if first is not None:
                later = (self._part(each, month) for month in reversed(months[place + 1 :]))
                last = next((rows for rows in later if len(rows)), first)
                times = first[self.kind.time].iloc[0], last[self.kind.time].iloc[-1]
                found[each] = times[0].to_pydatetime(), times[1].to_pydatetime()
        return found

    def _part(self, wanted: CandleRange, month: datetime) -> pd.DataFrame:
        """Rows of a range that lie in a month."""
        start, end = max(wanted.start, month), min(wanted.end, next_month(month))
        return self.read(wanted.series, start, end)

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
        file = self._month_file(series, month)
        fence(Path(file.path).parent)
        table = self._files.read_to_write(file)
        stored = _no_rows(self.schema) if table is None else self._frame(table)
        wanted = self.kind.result(combine, stored, rows)
        changed = changes(self.kind, stored, wanted).rows
        if changed or (table is None and self.kind.records_empty):
            self._files.write(file, wanted)
        return len(wanted), changed

    @contextmanager
    def _locked(self, series: Series) -> Iterator[None]:
        """The lock of the writers of a series; errors of the operating system become typed."""
        folder = Path(self._where(series))
        with typed_errors(folder), locked(folder):
            yield

    @property
    def _files(self) -> MonthFiles:
        return MonthFiles(self.schema, self.kind.time)

    def _frame(self, table: pa.Table) -> pd.DataFrame:
        frame: pd.DataFrame = table.to_pandas(use_threads=False)
        return frame

    def _month_file(self, series: Series, month: datetime) -> MonthFile:
        return MonthFile(self._file(self._where(series), month), self.kind, series, month)

    # As text: sensors need thousands of paths, and text takes a tenth of the time of Path.
    def _where(self, series: Series) -> str:
        return f"{self.root}/symbol={series.symbol_name}/timeframe={series.timeframe.name}"

    def _file(self, folder: str, month: datetime) -> str:
        return f"{folder}/{_PREFIX}{_label(month)}/{self.kind.name}.parquet"


def _naive(time: datetime) -> np.datetime64:
    """``time`` as numpy compares it with the times of a table."""
    return np.datetime64(time.astimezone(UTC).replace(tzinfo=None), "us")


def _rows(table: pa.Table, inside: npt.NDArray[np.bool_]) -> pa.Table:
    """Rows of ``table`` that are ``inside``; not copied if they follow each other, as usual."""
    count = int(inside.sum())
    first = int(inside.argmax()) if count else 0
    is_run = inside[first : first + count].all()
    return table.slice(first, count) if is_run else table.filter(pa.array(inside))


def _listed(folder: str) -> tuple[datetime, ...]:
    """Months that have a folder, ascending."""
    try:
        return _MONTHS.of(folder, _list)
    except OSError as error:
        if not is_absent(error):
            with typed_errors(folder):
                raise
        if not isinstance(error, FileNotFoundError):  # a file, or a link into a loop
            note_stray(folder)
        return ()


def _list(folder: str) -> tuple[datetime, ...]:
    months = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                note_marker(Path(folder, entry.name))
            elif MONTH.fullmatch(entry.name) and is_folder(entry):
                months.append(_month(entry.name.removeprefix(_PREFIX)))
            else:
                note_stray(entry.path)
    return tuple(sorted(months))


def _no_rows(schema: pa.Schema) -> pd.DataFrame:
    """A frame without rows, made once a process: that takes pandas up to a millisecond."""
    return _without_rows(schema).copy(deep=False)


@lru_cache
def _without_rows(schema: pa.Schema) -> pd.DataFrame:
    frame: pd.DataFrame = schema.empty_table().to_pandas()
    return frame


@lru_cache(maxsize=10_000)
def _month(label: str) -> datetime:
    return datetime.strptime(label, "%Y-%m").replace(tzinfo=UTC)


@lru_cache(maxsize=10_000)
def _label(month: datetime) -> str:
    return month_label(month)
