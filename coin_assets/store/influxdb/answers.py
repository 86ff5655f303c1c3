"""Parser of InfluxDB's answers: annotated CSV to frames.

An answer has one block for each schema; a block has annotations that begin with ``#``, a header,
and the rows of one or more tables. An error that occurs after the status was sent is a table too.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa
from pyarrow import csv

from coin_assets.domain.candles.frame import TIMESTAMP_DTYPE
from coin_assets.errors import CorruptArtefact
from coin_assets.foreign_text import shortened

# InfluxDB's times are nanoseconds.
ARROW_TYPES = {
    TIMESTAMP_DTYPE: pa.timestamp("ns", "UTC"),
    "float64": pa.float64(),
    "int64": pa.int64(),
    "str": pa.string(),
}
_ANNOTATION = b"#"
_DATATYPE = b"#datatype"
# An answer may hold anything; these are far beyond what any query of this platform gets.
_MOST_COLUMNS, _MOST_BLOCKS, _MOST_ROWS, _MOST_REASON = 64, 10_000, 1_600_000, 300


class QueryFailed(Exception):
    """The server began to answer and failed."""


@dataclass(frozen=True)
class Block:
    """Rows of tables with the same columns.

    Attributes:
        names: the columns.
        kinds: what InfluxDB calls the types of the columns.
        rows: CSV without a header.
    """

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    rows: bytes

    def kind_of(self, name: str) -> str:
        """Type of a column; empty if the answer does not tell."""
        return dict(zip(self.names, self.kinds, strict=False)).get(name, "")


def frame_of(body: bytes, columns: Mapping[str, str], time: str = "_time") -> pd.DataFrame:
    """Rows of all tables of an answer, in no particular order.

    Args:
        body: the answer.
        columns: types of the columns to keep; missing and empty values are refused.
        time: name of the column that InfluxDB calls ``_time``.

    Raises:
        QueryFailed: the answer holds an error.
        CorruptArtefact: a point lacks a field or has a field of another type.
    """
    named = {("_time" if name == time else name): kind for name, kind in columns.items()}
    parts = [_rows(block, named) for block in blocks(body)]
    if not parts:
        return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in columns.items()})
    rows = parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)
    return rows.rename(columns={"_time": time})[list(columns)]


def blocks(body: bytes) -> Iterator[Block]:
    """The blocks that have rows.

    Raises:
        QueryFailed: the answer holds an error.
    """
    for number, (start, end) in enumerate(_spans(body)):
        if number == _MOST_BLOCKS:
            raise QueryFailed(f"its answer has more than {_MOST_BLOCKS} tables of other columns")
        kinds: tuple[str, ...] = ()
        below = _line_end(body, start, end)
        while body.startswith(_ANNOTATION, start) and start < end:
            if body.startswith(_DATATYPE, start):
                kinds = _cells(body[start:below])
            start, below = below, _line_end(body, below, end)
        names = _cells(body[start:below])
        if "error" in names:
            raise QueryFailed(_error(body[start:end]))
        rows = body[below:end]
        if rows.count(b"\n") > _MOST_ROWS:
            raise QueryFailed(f"its answer has more than {_MOST_ROWS} rows")
        if rows and not rows.isspace():
            yield Block(names, kinds, rows)


def arrow_table(
    alike: Sequence[Block], types: Mapping[str, pa.DataType], repeated: str = "", most: int = 0
) -> pa.Table:
    """Columns ``types``, then ``repeated``, of blocks with the same columns.

    Arrow reads floats to the bit in a quarter of the time of pandas.

    Args:
        repeated: a column of few different texts, which becomes a dictionary.
        most: how many different texts that may be; with more it becomes anything else, and a
            dictionary of millions of texts is never made.

    Raises:
        KeyError, ValueError: a column or value is missing or has another type.
    """
    # A block ends with the empty line that separates it from the next.
    rows = alike[0].rows if len(alike) == 1 else b"".join(block.rows for block in alike)
    table = csv.read_csv(
        pa.BufferReader(rows),
        # One piece: a text can contain line ends and have any length.
        csv.ReadOptions(use_threads=False, block_size=len(rows), column_names=list(alike[0].names)),
        csv.ParseOptions(newlines_in_values=b'"' in rows),
        csv.ConvertOptions(
            include_columns=[*types, repeated] if repeated else list(types),
            column_types=dict(types),
            auto_dict_encode=True,
            auto_dict_max_cardinality=most,
            null_values=["", "NaN"],  # not for texts: a symbol may be called NA
        ),
    )
    lacking = [name for name in table.column_names if table[name].null_count]
    if lacking:
        raise ValueError(f"no value in some rows of {lacking}")
    return table


def foreign(columns: Sequence[str], error: Exception) -> CorruptArtefact:
    """Error for points that this platform cannot have written."""
    reason = shortened(str(error), _MOST_REASON)
    return CorruptArtefact(
        f"InfluxDB holds points without all of {list(columns)}, or with others of the same "
        f"name ({reason}). Delete the points that this platform has not written."
    )


def _spans(body: bytes) -> Iterator[tuple[int, int]]:
    """Where each block begins and ends, without the empty lines before it."""
    start = 0
    while start < len(body):
        while body[start : start + 1] in (b"\r", b"\n"):
            start += 1
        end = body.find(b"\n" + _DATATYPE, start + 1)
        end = len(body) if end < 0 else end + 1
        if start < end:
            yield start, end
        start = end


def _line_end(body: bytes, start: int, end: int) -> int:
    """First byte after the line at ``start``."""
    found = body.find(b"\n", start, end)
    return end if found < 0 else found + 1


def _cells(line: bytes) -> tuple[str, ...]:
    if line.count(b",") >= _MOST_COLUMNS:
        raise QueryFailed(f"its answer has a table of more than {_MOST_COLUMNS} columns")
    return tuple(line.strip().decode(errors="replace").split(","))


def _rows(block: Block, columns: Mapping[str, str]) -> pd.DataFrame:
    """Rows of a block."""
    try:
        table = arrow_table([block], {name: ARROW_TYPES[kind] for name, kind in columns.items()})
    except (KeyError, ValueError) as error:
        raise foreign([*columns], error) from error
    rows: pd.DataFrame = table.to_pandas()
    return rows.astype(dict(columns))


def _error(block: bytes) -> str:
    rows = pd.read_csv(io.BytesIO(block), dtype="str", keep_default_na=False, nrows=1)
    return shortened(str(rows["error"].iloc[0]), _MOST_REASON) if len(rows) else "no reason given"
