"""Parser of field tables: an answer without `pivot` to rows, joined by time and tags.

InfluxDB stores each field of a series by itself and sends it as a table of its own. Joining them
here takes a fraction of the time of `pivot` on the server.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from coin_assets.store.influxdb.answers import ARROW_TYPES, Block, arrow_table, blocks, foreign
from coin_assets.store.influxdb.measurements import Measurement

_OF_ANSWER = ("", "result", "table")
_FIELD, _VALUE, _TIME = "_field", "_value", "_time"


def rows_of(
    body: bytes, measurement: Measurement, tags: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Rows of the points of an answer, in no particular order.

    A point is identified by its time and all its tags, those of other programs included.

    Args:
        body: answer to `flux.values`.
        measurement: owner of the points; each point must have all fields.
        tags: types of tags to keep as columns beside those of the measurement.

    Raises:
        QueryFailed: the answer holds an error.
        CorruptArtefact: a point lacks a field or has a field of another type.
    """
    columns = {**(tags or {}), **measurement.dtypes}
    found = sorted(blocks(body), key=lambda block: block.names)
    parts = [
        _joined(list(alike), measurement, columns)
        for _, alike in groupby(found, key=lambda block: block.names)
    ]
    if not parts:
        return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in columns.items()})
    return parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)


@dataclass(frozen=True)
class _Column:
    """Values of one field, with the identities of their points."""

    identity: pa.Table
    values: pa.ChunkedArray

    def ordered(self) -> "_Column":
        """The same, by identity."""
        keys = [(name, "ascending") for name in self.identity.column_names]
        places = pc.sort_indices(self.identity, sort_keys=keys)
        return _Column(self.identity.take(places), self.values.take(places))


def _joined(
    alike: list[Block], measurement: Measurement, columns: Mapping[str, str]
) -> pd.DataFrame:
    """Rows of blocks that have the same columns."""
    types = {(_TIME if name == measurement.time else name): kind for name, kind in columns.items()}
    identity = [name for name in alike[0].names if name not in (*_OF_ANSWER, _FIELD, _VALUE)]
    try:
        kinds = {name: types.get(name, "str") for name in identity}
        fields = dict(_fields(alike, kinds, len(measurement.fields)))
        table = _aligned([fields[name] for name in measurement.fields], measurement.fields)
        _require_types(table, measurement)
        rows: pd.DataFrame = table.rename_columns(
            [measurement.time if name == _TIME else name for name in table.column_names]
        ).to_pandas()
        return rows[list(columns)].astype(dict(columns))
    except (KeyError, ValueError) as error:
        raise foreign([*columns], error) from error


def _fields(
    alike: list[Block], identity: Mapping[str, str], most: int
) -> Iterator[tuple[str, _Column]]:
    """The columns of all fields, at most ``most``.

    Args:
        identity: types of what identifies a point.
    """
    parts: dict[str, list[pa.Table]] = {}
    for is_text in (False, True):
        chosen = [block for block in alike if (block.kind_of(_VALUE) == "string") == is_text]
        if not chosen:
            continue
        types = {name: ARROW_TYPES[kind] for name, kind in identity.items()} | {
            _VALUE: pa.string() if is_text else pa.float64(),
        }
        table = arrow_table(chosen, types, _FIELD, most)
        if not pa.types.is_dictionary(table[_FIELD].type):
            raise ValueError(f"more fields than {most}, or names that are no text")
        names = table[_FIELD].combine_chunks()
        codes = names.indices
        for code, name in enumerate(names.dictionary.to_pylist()):
            own = table if len(names.dictionary) == 1 else table.filter(pc.equal(codes, code))
            parts.setdefault(name, []).append(own)
    for name, tables in parts.items():
        if len(tables) > 1:
            raise ValueError(f"{name} holds both numbers and texts")
        yield name, _Column(tables[0].select([*identity]), tables[0][_VALUE])


def _aligned(fields: list[_Column], names: tuple[str, ...]) -> pa.Table:
    """One row for each point; ``fields`` in the order of ``names``."""
    first, *others = fields
    if not all(each.identity.equals(first.identity) for each in others):
        first, *others = (each.ordered() for each in fields)
        lacking = [
            name
            for name, each in zip(names[1:], others, strict=True)
            if not each.identity.equals(first.identity)
        ]
        if lacking:
            raise ValueError(f"{names[0]} and {', '.join(lacking)} are not of the same points")
    table = first.identity
    for name, each in zip(names, [first, *others], strict=True):
        table = table.append_column(name, each.values)
    return table


def _require_types(table: pa.Table, measurement: Measurement) -> None:
    for name in measurement.fields:
        is_text = pa.types.is_string(table[name].type)
        if is_text != (name in measurement.texts):
            raise ValueError(f"{name} holds {'texts' if is_text else 'numbers'}")
