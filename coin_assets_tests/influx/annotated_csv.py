"""Tables to annotated CSV, byte for byte as the server encodes them.

Columns are formatted as a whole, and what is the same in every row is formatted once.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from coin_assets_tests.influx import tables
from coin_assets_tests.influx.points import rfc3339
from coin_assets_tests.influx.tables import Column, Table

LINE = "\r\n"
Results = Iterable[tuple[str, Sequence[Table]]]  # by name
_NEEDS_QUOTES = re.compile(r'[",\r\n]|^\s|^\\\.$')


@dataclass(frozen=True)
class Dialect:
    """What the request asks for."""

    annotations: Sequence[str] = ()
    header: bool = True
    delimiter: str = ","


def encoded(results: Results, dialect: Dialect) -> str:
    """All results, each followed by an empty line; without any table that is all there is."""
    return "".join(_result(name, each, dialect) + LINE for name, each in results)


def broken_off(results: Results, message: str, dialect: Dialect) -> str:
    """The first half of the rows of each table, and the table of the error that ended it."""
    halves = [
        (name, [each.take(slice(0, (len(each) + 1) // 2)) for each in found])
        for name, found in results
    ]
    begun = encoded(halves, dialect).removesuffix(LINE)
    rows = {"datatype": "string,string", "group": "true,true", "default": ","}
    lines = [f"#{each},{rows[each]}" for each in dialect.annotations]
    lines += [",error,reference", f",{quoted(message)},"]
    return begun + (LINE if begun else "") + "".join(line + LINE for line in lines)


def _result(result: str, found: Sequence[Table], dialect: Dialect) -> str:
    parts: list[str] = []
    schema: list[tuple[str, str]] = []
    for number, table in enumerate(found):
        columns = [(name, column.kind) for name, column in table.columns.items()]
        if columns != schema:
            parts += [LINE] if parts else []
            parts += _schema(result, table, dialect)
            schema = columns
        marked = "default" in dialect.annotations
        prefix = dialect.delimiter.join(["", "" if marked else quoted(result), str(number), ""])
        parts.append(_rows(prefix, list(table.columns.values()), dialect.delimiter))
    return "".join(parts)


def _schema(result: str, table: Table, dialect: Dialect) -> list[str]:
    names = list(table.columns)
    rows = {
        "datatype": ["string", "long", *(each.kind for each in table.columns.values())],
        "group": [
            "false",
            "false",
            *("true" if name in table.series else "false" for name in names),
        ],
        "default": [quoted(result), "", *("" for _ in names)],
    }
    lines = [[f"#{each}", *rows[each]] for each in dialect.annotations]
    if dialect.header:
        lines.append(["", "result", "table", *(quoted(name) for name in names)])
    return [dialect.delimiter.join(line) + LINE for line in lines]


def _rows(prefix: str, columns: Sequence[Column], delimiter: str) -> str:
    length = len(columns[0].values)
    pieces: list[list[str]] = []
    for place, column in enumerate(columns):
        after = delimiter if place < len(columns) - 1 else LINE
        if column.is_constant:
            text = texts(column.take(slice(0, 1)))[0] + after
            if pieces:
                pieces[-1] = [each + text for each in pieces[-1]]
            else:
                prefix += text
        else:
            pieces.append([each + after for each in texts(column)])
    if not pieces:
        return prefix * length
    return prefix + prefix.join(map("".join, zip(*pieces, strict=True)))


def texts(column: Column) -> list[str]:
    """The cells of a column, quoted where CSV needs it; nulls are empty."""
    values = column.values
    if column.kind == tables.DOUBLE:
        cells = _floats(values.tolist())
    elif column.kind == tables.TIME:
        cells = _times(values)
    elif column.kind == tables.BOOLEAN:
        cells = ["true" if each else "false" for each in values.tolist()]
    elif column.kind == tables.STRING:
        cells = _strings(values.tolist())
    else:
        cells = list(map(str, values.tolist()))
    if column.null is not None:
        cells = ["" if null else cell for cell, null in zip(cells, column.null, strict=True)]
    return cells


def _strings(values: list[str | None]) -> list[str]:
    known: dict[str | None, str] = {None: ""}
    return [
        known[each] if each in known else known.setdefault(each, quoted(each or ""))
        for each in values
    ]


def quoted(text: str) -> str:
    """As Go's ``encoding/csv`` writes a field with CRLF line ends."""
    if not _NEEDS_QUOTES.search(text):
        return text
    inner = text.replace("\r", "").replace("\n", LINE).replace('"', '""')
    return f'"{inner}"'


def _times(values: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> list[str]:
    if (values % 10**9).any():
        return [rfc3339(each) for each in values.tolist()]
    whole = np.datetime_as_string(values.astype("M8[ns]").astype("M8[s]"))
    return [f"{each}Z" for each in whole.tolist()]


def _floats(values: list[float]) -> list[str]:
    """The shortest decimal digits that give the number back, without an exponent."""
    text = ",".join(map(repr, values)) + ","
    if "e" in text or "n" in text:
        return [_decimal(each) for each in values]
    return text.replace(".0,", ",")[:-1].split(",")


def _decimal(value: float) -> str:
    if value != value or value in (float("inf"), float("-inf")):
        return {"inf": "+Inf", "-inf": "-Inf"}.get(repr(value), "NaN")
    text = repr(value)
    mantissa, _, exponent = text.partition("e")
    if not exponent:
        return text.removesuffix(".0")
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    fraction = "" if fraction == "0" else fraction
    shift = int(exponent)
    if shift < 0:
        return f"{sign}0.{'0' * (-shift - 1)}{whole}{fraction}"
    return sign + whole + fraction.ljust(shift, "0")
