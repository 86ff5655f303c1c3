"""Random queries, held against an evaluation row by row that shares nothing with the engine's."""

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from coin_assets_tests.influx.database import Database, Rights
from coin_assets_tests.influx.tables import Table

Row = dict[str, Any]
Rows = list[list[Row]]  # of each table
SECOND = 10**9

POINTS = st.dictionaries(
    st.tuples(
        st.sampled_from(["m", "n"]),
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["f", "g"]),
        st.integers(0, 9),
    ),
    st.integers(-3, 3).map(float),
    max_size=25,
)
COMPARISONS: dict[str, Callable[[Row], bool]] = {
    'r._measurement == "m"': lambda row: row["_measurement"] == "m",
    'r.t != "a"': lambda row: row["t"] != "a",
    'r._field == "f"': lambda row: row["_field"] == "f",
    "r._value > 0": lambda row: row["_value"] > 0,
    "r._value <= 1.0": lambda row: row["_value"] <= 1,
}


@st.composite
def conditions(draw: st.DrawFn, depth: int = 2) -> tuple[str, Callable[[Row], bool]]:
    kind = draw(st.sampled_from(["and", "or", "not", "one"])) if depth else "one"
    if kind == "one":
        text = draw(st.sampled_from(list(COMPARISONS)))
        return text, COMPARISONS[text]
    left, is_left = draw(conditions(depth - 1))
    if kind == "not":
        return f"not ({left})", lambda row: not is_left(row)
    right, is_right = draw(conditions(depth - 1))
    if kind == "and":
        return f"({left}) and ({right})", lambda row: is_left(row) and is_right(row)
    return f"({left}) or ({right})", lambda row: is_left(row) or is_right(row)


def series(points: dict[tuple[str, str, str, int], float], start: int, stop: int) -> Rows:
    found: dict[tuple[str, str, str], list[Row]] = {}
    for (measurement, tag, name, time), value in sorted(points.items()):
        if start <= time < stop:
            row: Row = {"_measurement": measurement, "t": tag, "_field": name}
            row |= {"_time": time * SECOND, "_value": value}
            found.setdefault((measurement, tag, name), []).append(row)
    return list(found.values())


def ends(which: int) -> Callable[[Rows], Rows]:
    return lambda tables: [[table[which]] for table in tables]


def counted(tables: Rows) -> Rows:
    names = ("_measurement", "t", "_field")
    return [[{n: t[0][n] for n in names} | {"_value": len(t)}] for t in tables]


def by_tag(tables: Rows) -> Rows:
    found: dict[str, list[Row]] = {}
    for table in tables:
        found.setdefault(table[0]["t"], []).extend(table)
    return list(found.values())


def pivoted(tables: Rows) -> Rows:
    found: dict[tuple[str, str], dict[int, Row]] = {}
    for row in (row for table in tables for row in table):
        series = (row["_measurement"], row["t"])
        blank = {"_measurement": series[0], "t": series[1], "_time": row["_time"]}
        line = found.setdefault(series, {}).setdefault(row["_time"], blank)
        line[row["_field"]] = row["_value"]
    return [[lines[time] for time in sorted(lines)] for lines in found.values()]


STAGES: dict[str, Callable[[Rows], Rows]] = {
    "": lambda tables: tables,
    "|> last()": ends(-1),
    "|> first()": ends(0),
    "|> count()": counted,
    '|> limit(n: 9) |> group(columns: ["t"]) |> last()': lambda tables: ends(-1)(by_tag(tables)),
    '|> group(columns: ["t"]) |> last() |> keep(columns: ["t", "_time"])': lambda tables: [
        [{"t": table[0]["t"], "_time": max(row["_time"] for row in table)}]
        for table in by_tag(tables)
    ],
    '|> group(columns: ["t"]) |> sort(columns: ["_value", "_time"]) |> limit(n: 2)': (
        lambda tables: [
            sorted(table, key=lambda row: (row["_value"], row["_time"]))[:2]
            for table in by_tag(tables)
        ]
    ),
    '|> group() |> distinct(column: "_value")': lambda tables: (
        [[{"_value": value} for value in {row["_value"]: 0 for t in tables for row in t}]]
        if tables
        else []
    ),
    '|> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")': pivoted,
}


@given(POINTS, conditions(), st.integers(0, 9), st.integers(1, 10), st.sampled_from(list(STAGES)))
def test_queries_mean_what_they_say(
    points: dict[tuple[str, str, str, int], float],
    condition: tuple[str, Callable[[Row], bool]],
    start: int,
    length: int,
    stages: str,
) -> None:
    database = Database("org", now=lambda: 0)
    database.create("b")
    lines = [f"{m},t={t} {f}={value} {time}" for (m, t, f, time), value in points.items()]
    database.write("b", "\n".join(lines), "s")
    query = f"""from(bucket: "b") |> range(start: {start}, stop: {start + length})
        |> filter(fn: (r) => {condition[0]}) {stages}"""
    ((_, found),) = database.query(query, Rights())
    stored = series(points, start, start + length)
    tables = [[row for row in table if condition[1](row)] for table in stored]
    expected = STAGES[stages]([table for table in tables if table])
    assert [as_rows(table) for table in found] == expected


def as_rows(table: Table) -> list[Row]:
    """Without bounds and nulls."""
    return [
        {
            name: column.values[number]
            for name, column in table.columns.items()
            if name not in ("_start", "_stop") and not column.nulls[number]
        }
        for number in range(len(table))
    ]
