"""The first stages of a pipe that the engine leaves to its storage: a range, and a filter of it.

Most series are left out for their measurement, tags and field, without a look at their points.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from coin_assets_tests.influx import flux_functions, flux_predicate, tables
from coin_assets_tests.influx import flux_tree as tree
from coin_assets_tests.influx.flux_functions import Stream
from coin_assets_tests.influx.line_protocol import Series
from coin_assets_tests.influx.points import Stored
from coin_assets_tests.influx.tables import Table

Wanted = Callable[[Series, str], bool]
_UNDECIDED = object()  # as long as the points are not looked at
_VARYING = ("_time", "_value")
Decide = Callable[[Mapping[str, Any]], Any]


@dataclass(frozen=True)
class StoredRange:
    """What ``range`` gives, read as soon as it is known which series are wanted.

    Attributes:
        read: the points of fields of series within the range.
        start: in nanoseconds, as ``stop``.
    """

    read: Callable[[Wanted], Iterable[Stored]]
    start: int
    stop: int

    def stream(self, wanted: Wanted = lambda *_: True) -> Stream:
        return Stream([self._table(each) for each in self.read(wanted)], "stored")

    def filtered(self, function: tree.Function, known: Mapping[str, Any]) -> Stream:
        """The rows that a checked function means."""
        decide = _compiled(function.body, known)
        bounds = {"_start": tree.Time(self.start), "_stop": tree.Time(self.stop)}

        def verdict(series: Series, field: str) -> Any:
            names = {"_measurement": series[0], "_field": field}
            return decide({**bounds, **names, **dict(series[1])})

        def rows(table: Table) -> Any:
            return flux_predicate.chosen(function, table, known)

        found: list[Table] = []
        for each in self.read(lambda *of: verdict(*of) not in (None, False)):
            table = self._table(each)
            if verdict(each.series, each.field) is True:
                found.append(table)
            else:
                found += flux_functions.filtered(Stream([table]), rows).tables
        return Stream(found, "stored")

    def _table(self, stored: Stored) -> Table:
        return tables.of_series(stored, self.start, self.stop)


def _compiled(node: tree.Expression, known: Mapping[str, Any]) -> Decide:
    """What an expression is for a series: a value, null (None), or undecided."""
    if isinstance(node, tree.Literal):
        return lambda _: node.value
    if isinstance(node, tree.Name):
        return lambda _: known[node.name]
    if isinstance(node, tree.Member):
        return lambda series: _UNDECIDED if node.name in _VARYING else series.get(node.name)
    if isinstance(node, tree.Unary):
        return _unary(node.operator, _compiled(node.operand, known))
    assert isinstance(node, tree.Binary)
    left, right = _compiled(node.left, known), _compiled(node.right, known)
    if node.operator in ("and", "or"):
        return _logical(node.operator == "or", left, right)
    return _comparison(node, left, right)


def _unary(operator: str, operand: Decide) -> Decide:
    def decide(series: Mapping[str, Any]) -> Any:
        value = operand(series)
        if value is _UNDECIDED:
            return value
        if operator == "exists":
            return value is not None
        return None if value is None else not value

    return decide


def _logical(settles: bool, left: Decide, right: Decide) -> Decide:
    """``or``, which is settled by one side that is true; or ``and``, settled by one false."""

    def decide(series: Mapping[str, Any]) -> Any:
        first = left(series)
        if first is settles:
            return first
        second = right(series)
        if second is settles or second is _UNDECIDED:
            return second
        return second if first is (not settles) else first

    return decide


def _comparison(node: tree.Binary, left: Decide, right: Decide) -> Decide:
    compare = flux_predicate.COMPARE[node.operator]

    def decide(series: Mapping[str, Any]) -> Any:
        one, other = left(series), right(series)
        if one is _UNDECIDED or other is _UNDECIDED:
            return _UNDECIDED
        if one is None or other is None:
            return None
        if type(one) is not type(other):
            flux_predicate.check_kinds(
                node, *(flux_predicate.kind_of(each) for each in (one, other))
            )
        if isinstance(one, tree.Time):
            return compare(one.nanoseconds, other.nanoseconds)
        return compare(one, other)

    return decide
