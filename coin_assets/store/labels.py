"""Labels of month files: what each Parquet file says it holds, in the metadata of its footer.

A copy, a restore or a sync can put a whole file in the place of another one. The label tells them
apart: table, symbol, timeframe, month and schema version, and the hash of the rows. Files of
earlier releases have none.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import month_label, next_month
from coin_assets.store.tabular import TableKind

# Of the columns and this metadata; files of a newer version are refused.
SCHEMA_VERSION = 1
_PREFIX = "coin_assets."
_VERSION = f"{_PREFIX}schema_version".encode()
_HASH = f"{_PREFIX}content_sha256".encode()
_PLACE = tuple(f"{_PREFIX}{name}".encode() for name in ("table", "symbol", "timeframe", "month"))


class MonthFile(NamedTuple):
    """The file of a series and month: where it lies, and what it must hold."""

    path: str
    kind: TableKind
    series: Series
    month: datetime

    @property
    def end(self) -> datetime:
        """First instant after the month."""
        return next_month(self.month)

    @property
    def most_rows(self) -> int:
        """Largest number of rows that the month can have."""
        return self.kind.most_at_once * self.series.timeframe.count(self.month, self.end)

    @property
    def label(self) -> dict[bytes, bytes]:
        """Metadata that says to which table, series and month the file belongs."""
        series = self.series
        values = self.kind.name, series.symbol, series.timeframe.name, month_label(self.month)
        return {name: value.encode() for name, value in zip(_PLACE, values, strict=True)}

    def difference(self, metadata: Mapping[bytes, bytes] | None) -> str | None:
        """How a label differs from this place; None if it fits, or if there is no label.

        Raises:
            ValueError: its schema version is no number.
        """
        label, found = self.label, metadata or {}
        if not any(name in found for name in label):
            return None
        version = int(found.get(_VERSION, b"0"))
        if version > SCHEMA_VERSION:
            return (
                f"was written by a newer release (schema version {version}; this one reads "
                f"{SCHEMA_VERSION}), which can read it"
            )
        wrong = [name for name, value in label.items() if found.get(name) != value]
        if not wrong:
            return None
        says, expected = (
            ", ".join(
                f"{name.decode().removeprefix(_PREFIX)} {_text(values.get(name))}" for name in wrong
            )
            for values in (found, label)
        )
        return f"belongs elsewhere: it says {says}; this place is for {expected}"


def label_of(file: MonthFile, table: pa.Table) -> dict[bytes, bytes]:
    """Label of ``file`` with the rows of ``table``."""
    return file.label | {
        _VERSION: str(SCHEMA_VERSION).encode(),
        _HASH: content_hash(table).encode(),
    }


def recorded_hash(metadata: Mapping[bytes, bytes] | None) -> str | None:
    """Hash of the rows that a label records; None without a label."""
    found = (metadata or {}).get(_HASH)
    return None if found is None else found.decode(errors="replace")


def content_hash(table: pa.Table) -> str:
    """SHA-256 of the names, types and values of all columns, in row order.

    Numbers count by their bits; how the columns are cut into pieces does not matter.
    """
    digest = hashlib.sha256()
    for field, column in zip(table.schema, table.columns, strict=True):
        kind, lacking = field.type, column.null_count
        digest.update(f"{field.name}\0{kind}\0{len(column)}\0{lacking}\0".encode())
        if lacking:
            digest.update(column.is_valid().combine_chunks().to_numpy(zero_copy_only=False))
            column = column.drop_null()
        values = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
        if len(values) == 0:
            continue
        if pa.types.is_string(kind):
            _add_texts(digest, values)
        else:  # as `to_numpy`, which takes ten times as long for a short column
            width, first = kind.bit_width // 8, values.offset
            content = memoryview(values.buffers()[1])
            digest.update(content[first * width : (first + len(values)) * width])
    return digest.hexdigest()


def _add_texts(digest: "hashlib._Hash", texts: pa.StringArray) -> None:
    """Lengths, then the bytes of all texts."""
    _, ends, content = texts.buffers()
    bounds = np.frombuffer(ends, dtype=np.int32)[texts.offset : texts.offset + len(texts) + 1]
    digest.update(np.diff(bounds).tobytes())
    if content is not None:
        digest.update(memoryview(content)[bounds[0] : bounds[-1]])


def _text(value: bytes | None) -> str:
    return "nothing" if value is None else repr(value.decode(errors="replace"))
