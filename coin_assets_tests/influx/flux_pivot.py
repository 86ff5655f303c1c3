"""The pivot of Flux: values of many rows become columns of one."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from coin_assets_tests.influx import tables
from coin_assets_tests.influx.flux_functions import Stream
from coin_assets_tests.influx.refusal import Refusal
from coin_assets_tests.influx.tables import Column, Table


def pivot(stream: Stream, row_key: Sequence[str], column_key: Sequence[str], value: str) -> Stream:
    """A row for each row key and a column for each column key.

    Straight from the storage, with one of each, the engine takes a way of its own: rows and new
    columns are sorted, and the row key is the first column. Else they are in order of appearance.
    """
    narrowed: list[Table] = []
    for table in stream.tables:
        for name in (*row_key, *column_key, value):
            if name not in table.columns:
                raise Refusal("invalid", f"specified column does not exist in table: {name}")
        gone = (*column_key, value)
        series = tuple(name for name in table.series if name not in gone)
        narrowed.append(Table(table.columns, series))
    found = [_pivoted(each, row_key, column_key, value) for each in tables.grouped(narrowed)]
    if stream.origin == "stored" and len(row_key) == len(column_key) == 1:
        found = [_in_order(each, row_key[0]) for each in found]
    return stream.of(found)


def _pivoted(
    alike: Sequence[Table], row_key: Sequence[str], column_key: Sequence[str], value: str
) -> Table:
    series = alike[0].series
    rows, length = tables.numbered(
        [tables.joined([t.columns[name] for t in alike]) for name in row_key]
    )
    first = np.unique(rows, return_index=True)[1]
    columns = {
        name: tables.joined([table.columns[name] for table in alike]).take(first)
        for name in alike[0].columns
        if name in row_key or name in series
    }
    new: dict[str, tuple[str, Any, Any]] = {}
    begin = 0
    for table in alike:
        places = rows[begin : begin + len(table)]
        begin += len(table)
        cells = table.columns[value]
        for label, chosen in _labels(table, column_key):
            if label not in new:
                blank = tables.missing(cells.kind, length)
                new[label] = (cells.kind, blank.values, blank.nulls)
            kind, values, null = new[label]
            if kind != cells.kind:
                different = "value columns with the same column key have different types"
                raise Refusal("invalid", different)
            values[places[chosen]] = cells.values[chosen]
            null[places[chosen]] = cells.nulls[chosen]
    for label, (kind, values, null) in new.items():
        columns[label] = Column(kind, values, null if null.any() else None)
    return Table(columns, series)


def _in_order(table: Table, row_key: str) -> Table:
    labels = sorted(name for name in table.columns if name not in (*table.series, row_key))
    names = dict.fromkeys((row_key, *table.series, *labels))
    rows = table.columns[row_key].values
    sorted_already = bool((rows[1:] >= rows[:-1]).all())
    ordered = Table({name: table.columns[name] for name in names}, table.series)
    return ordered if sorted_already else ordered.take(np.argsort(rows, kind="stable"))


def _labels(table: Table, column_key: Sequence[str]) -> list[tuple[str, Any]]:
    """Names of the new columns, each with the rows that belong to it."""
    columns = [table.columns[name] for name in column_key]
    if all(each.is_constant for each in columns):
        return [("_".join(str(each.values[0]) for each in columns), slice(None))]
    codes, numbers = tables.numbered(columns)
    found: list[tuple[str, Any]] = []
    for number in range(numbers):
        chosen = codes == number
        row = int(np.argmax(chosen))
        found.append(("_".join(str(each.values[row]) for each in columns), chosen))
    return found
