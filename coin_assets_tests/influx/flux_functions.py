"""What the stages of a pipe do to a stream of tables."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from coin_assets_tests.influx import tables
from coin_assets_tests.influx.refusal import Refusal
from coin_assets_tests.influx.tables import Column, Table

BOUNDS = ("_start", "_stop")


@dataclass(frozen=True)
class Stream:
    """Tables on their way through a pipe.

    Attributes:
        origin: ``stored`` as read, ``grouped`` by the storage engine, or ``computed``. The engine
            pushes the first stages down to its storage, and a few behave otherwise there.
        name: of the result.
    """

    tables: list[Table]
    origin: Literal["stored", "grouped", "computed"] = "computed"
    name: str = "_result"

    def of(self, found: Sequence[Table]) -> "Stream":
        return Stream([each for each in found if len(each)], "computed", self.name)


def filtered(stream: Stream, chosen: Callable[[Table], Any]) -> Stream:
    """Rows that ``chosen`` tells: by an array, or one truth value for a whole table."""
    kept: list[Table] = []
    for table in stream.tables:
        rows = chosen(table)
        if rows.shape == ():
            kept += [table] if rows else []
        elif rows.any():
            kept.append(table.take(rows))
    return Stream(kept, stream.origin, stream.name)


def group(stream: Stream, columns: Sequence[str], mode: str) -> Stream:
    if mode not in ("by", "except"):
        raise Refusal("invalid", f'group: mode "{mode}" is not covered')
    pushed = stream.origin == "stored" and mode == "by" and not {"_time", "_value"} & {*columns}
    singled: list[Table] = []
    for table in stream.tables:
        if mode == "except":
            series = tuple(each for each in table.columns if each not in columns)
        else:
            wanted = [*BOUNDS, *(each for each in columns if each not in BOUNDS)]
            series = tuple(
                each for each in (wanted if pushed else columns) if each in table.columns
            )
        singled += _split(table, series)
    groups = tables.grouped(singled)
    for alike in groups if pushed else []:
        kinds = {each.columns["_value"].kind: None for each in alike}
        if len(kinds) > 1:
            one, other = (tables.NAMES.get(kind, kind) for kind in [*kinds][:2])
            mixed = f"schema collision: cannot group {one} and {other} types together"
            raise Refusal("internal error", mixed)
    found = [tables.stacked(each) for each in groups]
    return Stream(found, "grouped" if pushed else "computed", stream.name)


def _split(table: Table, series: tuple[str, ...]) -> list[Table]:
    """Tables of which each has one value in each column of the key."""
    varying = [name for name in series if not table.columns[name].is_constant]
    if not varying:
        return [Table(table.columns, series)]
    codes, numbers = tables.numbered([table.columns[name] for name in varying])
    return [_keyed(table.take(codes == number), series, varying) for number in range(numbers)]


def _keyed(table: Table, series: tuple[str, ...], varying: Sequence[str]) -> Table:
    columns = dict(table.columns)
    for name in varying:
        column = columns[name]
        if not column.nulls[0]:
            columns[name] = Column(
                column.kind, np.broadcast_to(column.values[:1], len(column.values))
            )
    return Table(columns, series)


def keep(stream: Stream, chosen: Callable[[str], bool]) -> Stream:
    """Only some columns; tables that are alike then become one.

    Raises:
        Refusal: 400; tables to be made one have different columns.
    """
    kept: list[Table] = []
    for table in stream.tables:
        columns = {name: each for name, each in table.columns.items() if chosen(name)}
        if columns:
            kept.append(Table(columns, tuple(name for name in table.series if name in columns)))
    found: list[Table] = []
    for alike in tables.grouped(kept):
        shapes = {tuple((n, c.kind) for n, c in each.columns.items()) for each in alike}
        if len({len(shape) for shape in shapes}) > 1:
            message = "requested operation merges tables with different numbers of columns"
            raise Refusal("invalid", f"{message} for group key")
        if len(shapes) > 1:
            message = "requested operation merges tables with different schemas"
            raise Refusal("invalid", f"{message} for group key")
        found.append(tables.stacked(alike))
    return stream.of(found)


def select(stream: Stream, which: str, name: str) -> Stream:
    """The first, last, least or greatest row of each table, by a column that is not null."""
    found: list[Table] = []
    for table in stream.tables:
        column = _column(table, name)
        rows = np.flatnonzero(~column.nulls)
        if not len(rows):
            continue
        by = column
        if which in ("first", "last") and stream.origin == "grouped":
            by = table.columns["_time"]
        elif which in ("first", "last"):
            found.append(table.take(rows[:1] if which == "first" else rows[-1:]))
            continue
        elif column.kind in (tables.STRING, tables.BOOLEAN):
            raise Refusal("invalid", f"unsupported input type for {which}: {column.kind}")
        values = by.values[rows]
        if which in ("first", "min"):
            place = int(np.argmin(values))
        else:
            place = len(values) - 1 - int(np.argmax(values[::-1]))
            place = int(np.argmax(values)) if which == "max" else place
        found.append(table.take(rows[place : place + 1]))
    return stream.of(found)


def count(stream: Stream, name: str) -> Stream:
    """How many rows each table has, nulls among them."""
    found: list[Table] = []
    for table in stream.tables:
        _column(table, name)
        if name in table.series:
            raise Refusal("invalid", "cannot aggregate columns that are part of the group key")
        counted = tables.constant(tables.LONG, len(table), 1)
        series = {each: table.columns[each].take(slice(0, 1)) for each in table.series}
        if stream.origin == "computed":
            found.append(Table(series | {name: counted}, table.series))
        else:
            bounds = {each: series.pop(each) for each in BOUNDS}
            found.append(Table(bounds | {name: counted} | series, table.series))
    return stream.of(found)


def distinct(stream: Stream, name: str) -> Stream:
    """The different values of a column of each table, in order of appearance, as ``_value``."""
    found: list[Table] = []
    for table in stream.tables:
        column = _column(table, name)
        codes, _ = tables.numbered([column])
        rows = np.unique(codes, return_index=True)[1]
        columns = {each: table.columns[each].take(rows) for each in table.series}
        found.append(Table(columns | {"_value": column.take(rows)}, table.series))
    return stream.of(found)


def sort(stream: Stream, names: Sequence[str], descending: bool) -> Stream:
    found: list[Table] = []
    for table in stream.tables:
        series_list: list[Any] = []
        for name in reversed(names):
            if name not in table.columns:
                continue
            column = table.columns[name]
            filled = np.where(column.nulls, column.values[0], column.values)
            codes = np.unique(filled, return_inverse=True)[1] + 1
            codes = np.where(column.nulls, 0, codes)
            series_list.append(-codes if descending else codes)
        found.append(table.take(np.lexsort(series_list)) if series_list else table)
    return stream.of(found)


def limit(stream: Stream, most: int, offset: int) -> Stream:
    return stream.of([each.take(slice(offset, offset + most)) for each in stream.tables])


def _column(table: Table, name: str) -> Column:
    if name not in table.columns:
        raise Refusal("invalid", f'no column "{name}" exists')
    return table.columns[name]
