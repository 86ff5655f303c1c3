"""Parquet files of one table: read, their footers, written; kept in memory until they change."""

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from coin_assets.errors import CoinAssetsError
from coin_assets.files.atomic import remove_partials, write_atomically
from coin_assets.files.cache import FileCache, Identity, LargeFileCache, identity_of
from coin_assets.files.faults import machine_fault
from coin_assets.files.leases import require_leases
from coin_assets.foreign_text import shortened
from coin_assets.store import damage_markers
from coin_assets.store.base import Extent
from coin_assets.store.damage_markers import DamageMarker
from coin_assets.store.faults import is_absent, typed_errors
from coin_assets.store.labels import MonthFile, content_hash, label_of, recorded_hash

# Errors of pyarrow on damaged content, and of the machine. Python reads the content, so errors of
# the operating system keep their numbers.
_FAILURES = (
    pa.ArrowException,
    ArithmeticError,
    LookupError,
    MemoryError,
    OSError,
    TypeError,
    ValueError,
)
# A footer takes 0.5 kB: 120,000 are 2,500 series of four years; beyond that some are read again
# each time.
_EXTENTS: FileCache[Extent | None] = FileCache(120_000)
# Damage behind a footer that is whole: found by reading, or by the marker of an earlier reader. Its
# time does not matter: what replaces a file is another inode, so damage is known at once.
_DAMAGED: FileCache[DamageMarker] = FileCache(10_000, settled=0.0)
# A task needs a month several times, and so do the tasks after it.
_BYTES = 64 * 2**20
_MOST_TEXT = 400  # characters of an error of pyarrow
# As many candles or fewer take one block of a disk, compressed or not; decompressing takes time.
_FEW_ROWS = 48
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _bytes_of(table: pa.Table) -> int:
    return int(table.get_total_buffer_size())  # `nbytes` takes five times as long


_READ: LargeFileCache[pa.Table] = LargeFileCache(_BYTES, _bytes_of)
# What this process wrote lately. Reads may use it at once, writes only files that are settled: were
# a file replaced twice within one tick of the file system's clock, a write would lose a row.
_WRITTEN: LargeFileCache[pa.Table] = LargeFileCache(_BYTES, _bytes_of, settled=0.0)


class _Wrong(ValueError):
    """Content that is not what the file must hold; its text follows the name of the file."""


@dataclass(frozen=True)
class MonthFiles:
    """Files of one schema.

    Attributes:
        schema: column types, in order; nothing else is stored.
        time: column whose extremes are the extent of a file.
    """

    schema: pa.Schema
    time: str

    def read(self, file: MonthFile, *, anew: bool = False) -> pa.Table | None:
        """Rows of a file; None if there is none.

        Args:
            anew: read the file, whatever is in memory.

        Raises:
            CorruptArtefact: it is damaged or belongs elsewhere, and is marked so from now on.
            MachineFault: the machine cannot read it.
        """
        identity = _identity_of(file.path)
        if identity is None:
            return None
        written = None if anew else _WRITTEN.get(file.path, identity)
        return written if written is not None else self._read(file, identity, anew=anew)

    def read_to_write(self, file: MonthFile) -> pa.Table | None:
        """As `read`, for the writer of the file, who holds its lock."""
        identity = _identity_of(file.path)
        return None if identity is None else self._read(file, identity, anew=False)

    def _read(self, file: MonthFile, identity: tuple[Identity], *, anew: bool) -> pa.Table | None:
        known = None if anew else _READ.get(file.path, identity)
        if known is not None:
            return known
        try:
            table = self._table_of(file, _content(file.path))
        except _FAILURES as error:
            if is_absent(error):  # deleted meanwhile
                return None
            raise _failure(file, error, identity[0]) from error
        _READ.put(file.path, identity, table)
        return table

    def extent(self, file: MonthFile) -> Extent | None:
        """Extent from a file footer; None if there are no rows or no file.

        Raises:
            CorruptArtefact: as `read`, or the file was found damaged earlier.
            MachineFault: as `read`.
        """
        path = file.path
        try:
            if len(_DAMAGED):
                marker = _DAMAGED.get(path, (identity_of(os.stat(path)),))  # noqa: PTH116
                if marker is not None:
                    raise marker.error()
            return _EXTENTS.of(path, lambda _: self._extent_of(file, _footer(path)))
        except _FAILURES as error:
            if is_absent(error):
                return None
            raise _failure(file, error) from error

    def digest(self, file: MonthFile) -> str | None:
        """Hash of the rows that a file records; without a file that of no rows.

        None if the file records none, because an earlier release wrote it.

        Raises:
            CorruptArtefact, MachineFault: as `extent`.
        """
        try:
            footer = _footer(file.path)
            self._extent_of(file, footer)
        except _FAILURES as error:
            if is_absent(error):
                return content_hash(self.schema.empty_table())
            raise _failure(file, error) from error
        return recorded_hash(footer.metadata)

    def table_of(self, frame: pd.DataFrame) -> pa.Table:
        """``frame`` as a table of this schema, without metadata."""
        # Column by column: `Table.from_pandas` describes the frame in metadata that nobody reads.
        columns = [pa.array(frame[field.name], field.type) for field in self.schema]
        return pa.Table.from_arrays(columns, schema=self.schema)

    def encoded(self, file: MonthFile, table: pa.Table) -> bytes:
        """Content of a file with the rows of ``table``; equal rows give equal bytes."""
        sink = pa.BufferOutputStream()
        with pq.ParquetWriter(
            sink,
            self.schema,
            compression="none" if len(table) <= _FEW_ROWS else "zstd",
            use_dictionary=_repeating(self.schema),  # on prices it costs time and saves no space
            write_statistics=[self.time],
            write_page_checksum=True,
            store_schema=False,  # the types of the columns say the same in a third of the bytes
        ) as writer:
            writer.write_table(table)
            writer.add_key_value_metadata(label_of(file, table))
        content: bytes = sink.getvalue().to_pybytes()
        return content

    def write(self, file: MonthFile, frame: pd.DataFrame) -> None:
        """Replace a file by ``frame``; needs the lock of its series."""
        table = self.table_of(frame)
        content = self.encoded(file, table)
        path = Path(file.path)
        remove_partials(path.parent)
        write_atomically(path, content)
        damage_markers.unmark(path)
        _WRITTEN.put(file.path, (identity_of(path.stat()),), table)

    def remove(self, file: MonthFile) -> None:
        """Remove a file; needs the lock of its series."""
        path = Path(file.path)
        require_leases()
        path.unlink()
        damage_markers.unmark(path)

    def _table_of(self, file: MonthFile, content: bytes) -> pa.Table:
        """Rows in the content of a file, without metadata; raises one of `_FAILURES`."""
        # All content is in memory, so there is nothing to read ahead of its use.
        source = pa.BufferReader(content)
        parquet = pq.ParquetFile(source, page_checksum_verification=True, pre_buffer=False)
        self._extent_of(file, parquet.metadata)
        table = parquet.read(use_threads=False).replace_schema_metadata(None)
        table.validate(full=True)
        recorded = recorded_hash(parquet.metadata.metadata)
        if recorded is not None and recorded != content_hash(table):
            raise _Wrong("holds other rows than were written")
        if recorded is None:
            self._require_sound(file, table)
        return table

    def _require_sound(self, file: MonthFile, table: pa.Table) -> None:
        """Check rows without a recorded hash; raises one of `_FAILURES`."""
        identity = list(file.kind.identity)
        required = {*identity, *(each.name for each in self.schema if not _may_lack(each.type))}
        lacking = [name for name in table.column_names if table[name].null_count]
        if required.intersection(lacking):
            raise _Wrong(f"has rows without {', '.join(lacking)}")
        if table.group_by(identity, use_threads=False).aggregate([]).num_rows < len(table):
            raise _Wrong(f"has several rows of one {' and '.join(identity)}")
        ends = pc.min_max(table[self.time])
        if len(table) and not file.month <= ends["min"].as_py() <= ends["max"].as_py() < file.end:
            raise _Wrong("has rows outside of its month")

    def _extent_of(self, file: MonthFile, footer: pq.FileMetaData) -> Extent | None:
        """Extent of a file from its footer, which must fit the file; raises one of `_FAILURES`."""
        schema = footer.schema.to_arrow_schema()
        if schema != self.schema:
            raise _Wrong(f"has columns {schema.names} of other types than {self.schema.names}")
        difference = file.difference(footer.metadata)
        if difference is not None:
            raise _Wrong(difference)
        groups = [footer.row_group(group) for group in range(footer.num_row_groups)]
        rows = sum(group.num_rows for group in groups)
        if rows != footer.num_rows or rows > file.most_rows:
            raise _Wrong(f"claims {rows} rows; its month has at most {file.most_rows}")
        if rows == 0:
            return None
        column = self.schema.get_field_index(self.time)
        times = [group.column(column).statistics for group in groups]
        if any(time is None for time in times):  # not "None in": pyarrow crashes on ==
            raise ValueError("its footer lacks the extreme times")
        # As stored, in microseconds: as times, pyarrow takes a hundred times as long.
        first = _EPOCH + timedelta(microseconds=min(time.min_raw for time in times))
        last = _EPOCH + timedelta(microseconds=max(time.max_raw for time in times))
        if not file.month <= first <= last < file.end:
            raise _Wrong(f"belongs elsewhere: its rows are of {first} to {last}")
        return Extent(first, last, rows)


def note_marker(path: Path) -> None:
    """Report the damage that a marker at ``path`` records, if it is a current marker."""
    marker = damage_markers.current(path)
    if marker is not None:
        _DAMAGED.put(marker.path, (marker.identity,), marker)


def _identity_of(path: str) -> tuple[Identity] | None:
    """Identity of a file; None if there is none."""
    try:
        return (identity_of(os.stat(path)),)  # noqa: PTH116 (a Path takes four times as long)
    except OSError as error:
        if is_absent(error):
            return None
        with typed_errors(path):
            raise


def _content(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 (a Path takes twice as long)
        return file.read()


def _footer(path: str) -> pq.FileMetaData:
    with Path(path).open("rb") as file:
        return pq.read_metadata(file)


def _repeating(schema: pa.Schema) -> list[str]:
    return [field.name for field in schema if pa.types.is_string(field.type)]


def _may_lack(kind: pa.DataType) -> bool:
    """Whether rows may lack a value of this type: a number that is NaN, or a time to come."""
    return bool(pa.types.is_floating(kind) or pa.types.is_timestamp(kind))


def _failure(
    file: MonthFile, error: BaseException, read: Identity | None = None
) -> CoinAssetsError:
    """The machine's fault behind ``error``, else that of the file, which is then marked."""
    path = file.path
    fault = machine_fault(error, path)
    if fault is not None:
        return fault
    text = shortened(str(error), _MOST_TEXT)
    what = text if isinstance(error, _Wrong) else f"cannot be read ({text})"
    message = f"{path} {what}. {file.kind.remedy}"
    marker = damage_markers.mark(Path(path), read, message)
    _DAMAGED.put(path, (marker.identity,), marker)
    return marker.error()
