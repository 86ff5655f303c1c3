"""Evaluates a Flux program by its structure: statements, pipes and calls over streams of tables."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from coin_assets_tests.influx import flux_functions as functions
from coin_assets_tests.influx import flux_predicate, tables
from coin_assets_tests.influx import flux_syntax as syntax
from coin_assets_tests.influx import flux_tree as tree
from coin_assets_tests.influx.flux_arguments import Arguments
from coin_assets_tests.influx.flux_functions import Stream
from coin_assets_tests.influx.flux_pivot import pivot
from coin_assets_tests.influx.flux_pushdown import StoredRange, Wanted
from coin_assets_tests.influx.flux_tokens import bad
from coin_assets_tests.influx.points import Stored
from coin_assets_tests.influx.refusal import Refusal
from coin_assets_tests.influx.tables import Column, Table

Read = Callable[[str, int, int, Wanted], Iterable[Stored]]
_MONTH_AGO = tree.Duration(-30 * 86_400 * 10**9)
SCHEMA = "influxdata/influxdb/schema"
_UNBOUNDED = (
    "error in building plan while starting program: cannot submit unbounded read to "
    "\"{}\"; try bounding 'from' with a call to 'range'"
)
_NO_RESULT = (
    "error in query specification while starting program: this Flux script returns no streaming "
    'data. Consider adding a "yield" or invoking streaming functions directly, without performing '
    "an assignment"
)


@dataclass(frozen=True)
class _Bucket:
    """What ``from`` gives: nothing can be read of it before ``range``."""

    name: str


def evaluate(text: str, read: Read, now: int) -> list[tuple[str, list[Table]]]:
    """Names and tables of the results.

    Args:
        read: the wanted points of a bucket from a time before another.
        now: nanoseconds.

    Raises:
        Refusal: 400 for what is wrong with the query, 404 for an unknown bucket.
    """
    program = syntax.parse(text)
    engine = _Engine(read, now, program.imports)
    streams = [engine.statement(each) for each in program.statements]
    results = [each for each in streams if each is not None]
    if not results:
        raise Refusal("invalid", _NO_RESULT)
    names = [each.name for each in results]
    if len({*names}) < len(names):
        twice = f'tried to produce more than one result with the name "{names[0]}"'
        raise Refusal("invalid", f"error in building plan while starting program: {twice}")
    return [(each.name, each.tables) for each in results]


class _Engine:
    def __init__(self, read: Read, now: int, imports: tuple[str, ...]) -> None:
        self._read = read
        self._now = now
        for path in imports:
            if path != SCHEMA:
                raise Refusal("invalid", f'compilation failed: invalid import path "{path}"')
        self._packages = {path.rpartition("/")[2] for path in imports}
        self._variables: dict[str, Any] = {}

    def statement(self, node: tree.Expression | tree.Assignment) -> Stream | None:
        if isinstance(node, tree.Assignment):
            self._variables[node.name] = self._value(node.value)
            return None
        value = self._value(node)
        if isinstance(value, _Bucket):
            raise Refusal("invalid", _UNBOUNDED.format(value.name))
        if isinstance(value, StoredRange):
            return value.stream()
        return value if isinstance(value, Stream) else None

    def _value(self, node: tree.Expression) -> Any:
        if isinstance(node, tree.Literal):
            return node.value
        if isinstance(node, tree.Array):
            return [self._value(each) for each in node.items]
        if isinstance(node, tree.Function):
            return node
        if isinstance(node, tree.Pipe):
            return self._call(node.call, self._value(node.source))
        if isinstance(node, tree.Call):
            return self._call(node, None)
        if isinstance(node, tree.Name) and node.name in self._variables:
            return self._variables[node.name]
        if isinstance(node, tree.Name):
            raise Refusal("invalid", f"error {node.at}: undefined identifier {node.name}")
        raise Refusal("invalid", f"compilation failed: {type(node).__name__} is not covered here")

    def _call(self, node: tree.Call, piped: Any) -> Any:
        name = self._function_name(node.function, node.at)
        values = {series: self._value(each) for series, each in node.arguments.items()}
        arguments = Arguments(node.at, values)
        if name in _SOURCES:
            found = _SOURCES[name](self, arguments)
        else:
            source = values.get("tables") if piped is None else piped
            if isinstance(source, _Bucket) and name != "range":
                raise Refusal("invalid", _UNBOUNDED.format(source.name))
            if isinstance(source, StoredRange) and name != "filter":
                source = source.stream()
            if not isinstance(source, Stream | StoredRange | _Bucket):
                raise Refusal("invalid", f"error {node.at}: missing required argument tables")
            found = _STAGES[name](self, source, arguments)
        arguments.refuse_others()
        return found

    def _function_name(self, node: tree.Expression, at: str) -> str:
        if isinstance(node, tree.Member) and isinstance(node.of, tree.Name):
            if node.of.name not in self._packages:
                raise Refusal("invalid", f"error {at}: undefined identifier {node.of.name}")
            name = f"{node.of.name}.{node.name}"
        elif isinstance(node, tree.Name):
            name, at = node.name, node.at
        else:
            raise bad(at, "this call is not covered")
        if name not in _SOURCES and name not in _STAGES:
            raise bad(at, f"undefined identifier {name}, or not covered by the stand-in")
        return name

    def _moment(self, value: object, at: str) -> int:
        """A time, or a duration from now, or seconds, in nanoseconds."""
        if isinstance(value, tree.Time):
            return value.nanoseconds
        if isinstance(value, tree.Duration):
            return self._now + value.nanoseconds
        if isinstance(value, int) and not isinstance(value, bool):
            return value * 10**9
        raise Refusal("invalid", f"error {at}: expected time but found {type(value).__name__}")

    def _stored(self, bucket: str, arguments: Arguments) -> StoredRange:
        """The range that the arguments ``start`` and ``stop`` name."""
        start = self._moment(arguments.need("start", object), arguments.at)
        stop = self._moment(arguments.get("stop", object, tree.Time(self._now)), arguments.at)
        if start >= stop:
            empty = "cannot query an empty range"
            raise Refusal("invalid", f"error in building plan while starting program: {empty}")
        return StoredRange(lambda wanted: self._read(bucket, start, stop, wanted), start, stop)

    def from_bucket(self, arguments: Arguments) -> _Bucket:
        return _Bucket(arguments.need("bucket", str))

    def now(self, _: Arguments) -> tree.Time:
        return tree.Time(self._now)

    def time(self, arguments: Arguments) -> tree.Time:
        return tree.Time(tree.nanoseconds(arguments.need("v", str)))

    def tag_keys(self, arguments: Arguments) -> Stream:
        measurement = arguments.need("measurement", str)
        arguments.values.setdefault("start", _MONTH_AGO)
        stored = self._stored(arguments.need("bucket", str), arguments)
        found = stored.stream(lambda series, _: series[0] == measurement)
        series_list = {series for table in found.tables for series in table.series}
        names = np.array(sorted(series_list, key=_bounds_first), np.object_)
        return Stream([Table({"_value": Column(tables.STRING, names)}, ())] if series_list else [])

    def range(self, source: Stream | _Bucket, arguments: Arguments) -> StoredRange:
        if isinstance(source, Stream):
            raise Refusal("invalid", "compilation failed: range is covered after from only")
        return self._stored(source.name, arguments)

    def filter(self, source: Stream | StoredRange, arguments: Arguments) -> Stream:
        function = arguments.need("fn", tree.Function)
        known = self._variables
        flux_predicate.check(function, known)
        if isinstance(source, StoredRange):
            return source.filtered(function, known)
        return functions.filtered(
            source, lambda table: flux_predicate.chosen(function, table, known)
        )


def _bounds_first(name: str) -> tuple[bool, str]:
    return name not in functions.BOUNDS, name


def _named(source: Stream, arguments: Arguments) -> Stream:
    return replace(source, name=arguments.get("name", str, "_result"))


def _kept(source: Stream, arguments: Arguments) -> Stream:
    names = arguments.names("columns")
    return functions.keep(source, lambda name: name in names)


def _dropped(source: Stream, arguments: Arguments) -> Stream:
    names = arguments.names("columns")
    return functions.keep(source, lambda name: name not in names)


def _selected(which: str) -> Callable[[_Engine, Any, Arguments], Stream]:
    return lambda _, source, arguments: functions.select(
        source, which, arguments.get("column", str, "_value")
    )


_SOURCES: dict[str, Callable[[_Engine, Arguments], Any]] = {
    "from": _Engine.from_bucket,
    "now": _Engine.now,
    "time": _Engine.time,
    "schema.measurementTagKeys": _Engine.tag_keys,
}
_STAGES: dict[str, Callable[[_Engine, Any, Arguments], Stream | StoredRange]] = {
    "range": _Engine.range,
    "filter": _Engine.filter,
    "first": _selected("first"),
    "last": _selected("last"),
    "min": _selected("min"),
    "max": _selected("max"),
    "yield": lambda _, source, arguments: _named(source, arguments),
    "keep": lambda _, source, arguments: _kept(source, arguments),
    "drop": lambda _, source, arguments: _dropped(source, arguments),
    "count": lambda _, source, arguments: functions.count(
        source, arguments.get("column", str, "_value")
    ),
    "distinct": lambda _, source, arguments: functions.distinct(
        source, arguments.get("column", str, "_value")
    ),
    "group": lambda _, source, arguments: functions.group(
        source, arguments.names("columns", []), arguments.get("mode", str, "by")
    ),
    "sort": lambda _, source, arguments: functions.sort(
        source, arguments.names("columns", ["_value"]), arguments.get("desc", bool, False)
    ),
    "limit": lambda _, source, arguments: functions.limit(
        source, arguments.need("n", int), arguments.get("offset", int, 0)
    ),
    "pivot": lambda _, source, arguments: pivot(
        source,
        arguments.names("rowKey"),
        arguments.names("columnKey"),
        arguments.need("valueColumn", str),
    ),
}
