"""Parquet files of one table: read, their footers, written; kept in memory until they change."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from coin_assets.errors import CorruptArtefact
from coin_assets.files.atomic import remove_partials, write_atomically
from coin_assets.files.cache import FileCache, Identity, LargeFileCache, identity_of
from coin_assets.files.checksummed_json import MACHINE_REMEDY
from coin_assets.store import damage_markers
from coin_assets.store.base import Extent
from coin_assets.store.damage_markers import DamageMarker

# Errors of pyarrow on a damaged file; text and times of a damaged footer raise the last two.
_DAMAGES = (pa.ArrowException, OSError, ValueError, OverflowError)
# A footer takes 0.5 kB: 120,000 are 2,500 series of four years; beyond that some are read again
# each time.
_EXTENTS: FileCache[Extent | None] = FileCache(120_000)
# Damage behind a footer that is whole: found by reading, or by the marker of an earlier reader.
_DAMAGED: FileCache[DamageMarker] = FileCache(10_000)
# A task needs a month several times, and so do the tasks after it.
_BYTES = 64 * 2**20


def _bytes_of(table: pa.Table) -> int:
    return int(table.nbytes)


_READ: LargeFileCache[pa.Table] = LargeFileCache(_BYTES, _bytes_of)
# What this process wrote lately. Reads may use it at once, writes only files that are settled: were
# a file replaced twice within one tick of the file system's clock, a write would lose a row.
_WRITTEN: LargeFileCache[pa.Table] = LargeFileCache(_BYTES, _bytes_of, settled=0.0)


@dataclass(frozen=True)
class MonthFiles:
    """Files of one schema.

    Attributes:
        schema: column types, in order; nothing else is stored.
        time: column whose extremes are the extent of a file.
    """

    schema: pa.Schema
    time: str

    def read(self, path: Path, *, anew: bool = False) -> pa.Table:
        """Rows of a file.

        Args:
            anew: read the file, whatever is in memory.

        Raises:
            FileNotFoundError: there is no such file.
            CorruptArtefact: it is damaged, and is marked so from now on.
        """
        identity = (identity_of(path.stat()),)
        written = None if anew else _WRITTEN.get(str(path), identity)
        return written if written is not None else self._read(path, identity, anew=anew)

    def read_to_write(self, path: Path) -> pa.Table:
        """As `read`, for the writer of the file, who holds its lock."""
        return self._read(path, (identity_of(path.stat()),), anew=False)

    def _read(self, path: Path, identity: tuple[Identity], *, anew: bool) -> pa.Table:
        known = None if anew else _READ.get(str(path), identity)
        if known is not None:
            return known
        try:
            table = pq.ParquetFile(path, page_checksum_verification=True).read(use_threads=False)
        except FileNotFoundError:
            raise
        except _DAMAGES as error:
            raise _unreadable(path, error, identity[0]) from error
        self._require_schema(path, table.schema)
        _READ.put(str(path), identity, table)
        return table

    def extent(self, path: str) -> Extent | None:
        """Extent from a file footer; None if there are no rows or no file.

        Raises:
            CorruptArtefact: the file is damaged, or was found damaged.
        """
        try:
            if len(_DAMAGED):
                marker = _DAMAGED.get(path, (identity_of(Path(path).stat()),))
                if marker is not None:
                    raise marker.error()
            return _EXTENTS.of(path, self._read_extent)
        except FileNotFoundError:
            return None
        except _DAMAGES as error:
            raise _unreadable(Path(path), error) from error

    def write(self, path: Path, frame: pd.DataFrame) -> None:
        """Replace a file by ``frame``; needs the lock of its series."""
        # One thread: starting more takes longer than a month of candles.
        table = pa.Table.from_pandas(frame, self.schema, preserve_index=False, nthreads=1)
        table = table.replace_schema_metadata(None)
        sink = pa.BufferOutputStream()
        pq.write_table(
            table,
            sink,
            compression="zstd",
            use_dictionary=_repeating(self.schema),  # on prices it costs time and saves no space
            write_page_checksum=True,
        )
        remove_partials(path.parent)
        write_atomically(path, sink.getvalue().to_pybytes())
        damage_markers.unmark(path)
        _WRITTEN.put(str(path), (identity_of(path.stat()),), table)

    def remove(self, path: Path) -> None:
        """Remove a file; needs the lock of its series."""
        path.unlink()
        damage_markers.unmark(path)

    def _read_extent(self, path: str) -> Extent | None:
        footer = pq.read_metadata(path)
        self._require_schema(Path(path), footer.schema.to_arrow_schema())
        if footer.num_rows == 0:
            return None
        column = self.schema.get_field_index(self.time)
        groups = [footer.row_group(group) for group in range(footer.num_row_groups)]
        times = [group.column(column).statistics for group in groups]
        if any(time is None for time in times):  # not "None in": pyarrow crashes on ==
            raise ValueError("its footer lacks the extreme times")
        return Extent(min(t.min for t in times), max(t.max for t in times), footer.num_rows)

    def _require_schema(self, path: Path, schema: pa.Schema) -> None:
        if schema != self.schema:
            raise CorruptArtefact(
                f"{path} has columns {schema.names} of other types than {self.schema.names}. "
                "Remove the file and materialise its month again."
            )


def note_marker(path: Path) -> None:
    """Report the damage that a marker at ``path`` records, if it is a current marker."""
    marker = damage_markers.current(path)
    if marker is not None:
        _DAMAGED.put(marker.path, (marker.identity,), marker)


def _repeating(schema: pa.Schema) -> list[str]:
    return [field.name for field in schema if pa.types.is_string(field.type)]


def _may_pass(error: Exception) -> bool:
    """Whether the error is of the machine, not of the file: too many open files, no memory."""
    has_number = isinstance(error, OSError) and error.errno is not None
    return has_number or isinstance(error, pa.ArrowMemoryError)


def _unreadable(path: Path, error: Exception, read: Identity | None = None) -> CorruptArtefact:
    """The error of a damaged file, which is marked unless the machine was at fault."""
    if _may_pass(error):
        return CorruptArtefact(f"{path} cannot be read ({error}). {MACHINE_REMEDY}")
    message = f"{path} cannot be read ({error}). Remove the file and materialise its month again."
    marker = damage_markers.mark(path, read, message)
    _DAMAGED.put(str(path), (marker.identity,), marker)
    return marker.error()
