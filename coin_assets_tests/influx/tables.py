"""Tables as the Flux engine has them: typed columns with nulls, and a group key."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from coin_assets_tests.influx.points import Stored, Values
from coin_assets_tests.influx.refusal import Refusal

STRING, DOUBLE, LONG, UNSIGNED = "string", "double", "long", "unsignedLong"
BOOLEAN, TIME = "boolean", "dateTime:RFC3339"
OF_FIELD = {
    "float": DOUBLE,
    "integer": LONG,
    "unsigned": UNSIGNED,
    "boolean": BOOLEAN,
    "string": STRING,
}
NAMES = {DOUBLE: "float", LONG: "int", UNSIGNED: "uint", BOOLEAN: "bool", TIME: "time"}
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Column:
    """Values of one type.

    Attributes:
        kind: as ``#datatype`` names it; times are nanoseconds.
        null: where there is no value; no array: nowhere.
    """

    kind: str
    values: Values
    null: Mask | None = None

    @property
    def is_constant(self) -> bool:
        """Whether it was made of one value, so that one is enough to look at."""
        return self.values.strides == (0,) and self.null is None and len(self.values) > 0

    def take(self, rows: Any) -> "Column":
        """Some rows, by numbers, mask or slice."""
        null = None if self.null is None else self.null[rows]
        if self.is_constant and self.kind != DOUBLE:
            length = len(np.empty(len(self.values), np.bool_)[rows])
            return constant(self.kind, self.values[0], length)
        return Column(self.kind, self.values[rows], null)

    @property
    def nulls(self) -> Mask:
        return np.zeros(len(self.values), np.bool_) if self.null is None else self.null


@lru_cache(4_096)  # most tables have most of them in common
def constant(kind: str, value: Any, length: int) -> Column:
    """Of any type but DOUBLE, of which 0.0 and -0.0 would be one to the cache."""
    one = np.empty(1, np.object_ if kind == STRING else type(value))
    one[0] = value
    return Column(kind, np.broadcast_to(one, length))


def joined(columns: Sequence[Column]) -> Column:
    """Columns of one type, one below the other."""
    if len(columns) == 1:
        return columns[0]
    values = np.concatenate([each.values for each in columns])
    some_null = any(each.null is not None for each in columns)
    null = np.concatenate([each.nulls for each in columns]) if some_null else None
    first = columns[0]
    if all(each.is_constant and each.values[0] == first.values[0] for each in columns):
        return Column(first.kind, np.broadcast_to(first.values[:1], len(values)))
    return Column(first.kind, values, null)


def missing(kind: str, length: int) -> Column:
    values = np.zeros(length, np.object_ if kind == STRING else np.float64)
    return Column(kind, values.astype(_dtype(kind)), np.ones(length, np.bool_))


def _dtype(kind: str) -> type:
    return {
        STRING: np.object_,
        DOUBLE: np.float64,
        UNSIGNED: np.uint64,
        BOOLEAN: np.bool_,
    }.get(kind, np.int64)


@dataclass(frozen=True)
class Table:
    """Columns of one length, in order.

    Attributes:
        key: the columns that tell this table from others; each has one value throughout.
    """

    columns: dict[str, Column]
    series: tuple[str, ...]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())).values) if self.columns else 0

    def take(self, rows: Any) -> "Table":
        return Table({name: each.take(rows) for name, each in self.columns.items()}, self.series)

    @property
    def key_values(self) -> tuple[tuple[str, Any], ...]:
        """Of a table with rows; a null is None."""

        def first(column: Column) -> Any:
            return None if column.nulls[0] else column.values[0]

        return tuple((name, first(self.columns[name])) for name in sorted(self.series))


def of_series(stored: Stored, start: int, stop: int) -> Table:
    """The table that the storage engine makes of a field of a series."""
    length = len(stored.times)
    measurement, pairs = stored.series
    tags = {"_field": stored.field, "_measurement": measurement} | dict(pairs)
    columns = {
        "_start": constant(TIME, start, length),
        "_stop": constant(TIME, stop, length),
        "_time": Column(TIME, stored.times),
        "_value": Column(OF_FIELD[stored.kind], stored.values),
    }
    for name in sorted(tags):
        columns[name] = constant(STRING, tags[name], length)
    return Table(columns, ("_start", "_stop", *sorted(tags)))


def grouped(tables: Iterable[Table]) -> list[list[Table]]:
    """Tables of equal group keys together, in order of appearance."""
    groups: dict[Any, list[Table]] = {}
    for table in tables:
        groups.setdefault(table.key_values, []).append(table)
    return list(groups.values())


def stacked(tables: Sequence[Table]) -> Table:
    """One table of all rows; what a table does not have is null.

    Raises:
        Refusal: 400; a column has different types.
    """
    if len(tables) == 1:
        return tables[0]
    kinds: dict[str, str] = {}
    for table in tables:
        for name, column in table.columns.items():
            if kinds.setdefault(name, column.kind) != column.kind:
                one, other = (NAMES.get(kind, kind) for kind in (kinds[name], column.kind))
                collision = f'column "{name}" is both of type {other} and {one}'
                raise Refusal("invalid", f"schema collision detected: {collision}")
    columns = {
        name: joined([each.columns.get(name) or missing(kind, len(each)) for each in tables])
        for name, kind in kinds.items()
    }
    return Table(columns, tables[0].series)


def numbered(columns: Sequence[Column]) -> tuple[Any, int]:
    """A number for each row, equal for rows that are equal, counted by first appearance."""
    codes = np.zeros(len(columns[0].values), np.int64)
    for column in columns:
        values, uniques = pd.factorize(column.values)
        values = np.where(column.nulls, len(uniques), values)
        codes = codes * (len(uniques) + 1) + values
        codes = pd.factorize(codes)[0]
    return codes, int(codes.max(initial=-1)) + 1
