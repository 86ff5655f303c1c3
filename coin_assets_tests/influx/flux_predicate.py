"""The function of a ``filter``, evaluated for all rows of a table at once.

Flux has three truth values: what touches a null or a missing column is null, and a filter keeps
rows that are true.
"""

import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from coin_assets_tests.influx import flux_tree as tree
from coin_assets_tests.influx import tables
from coin_assets_tests.influx.refusal import Refusal
from coin_assets_tests.influx.tables import Column, Table

COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_NUMBERS = (tables.DOUBLE, tables.LONG, tables.UNSIGNED)
_KINDS: dict[type, str] = {
    str: tables.STRING,
    bool: tables.BOOLEAN,
    int: tables.LONG,
    float: tables.DOUBLE,
    tree.Time: tables.TIME,
}
Values = Mapping[str, Any]


def check(function: tree.Function, known: Values) -> None:
    """Refuse what cannot be evaluated, also where there is no row to evaluate it for.

    Args:
        known: the variables of the program.

    Raises:
        Refusal: 400; it names what is unknown or not covered.
    """
    if len(function.parameters) != 1:
        raise Refusal("invalid", "compilation failed: filter: the function must have one parameter")
    _check(function.body, function.parameters[0], known)


def _check(node: tree.Expression, row: str, known: Values) -> None:
    if isinstance(node, tree.Binary):
        if node.operator not in (*COMPARE, "and", "or"):
            raise Refusal("invalid", f"compilation failed: error {node.at}: not covered")
        _check(node.left, row, known)
        _check(node.right, row, known)
    elif isinstance(node, tree.Unary) and node.operator in ("not", "exists"):
        _check(node.operand, row, known)
    elif isinstance(node, tree.Member):
        if not isinstance(node.of, tree.Name) or node.of.name != row:
            raise Refusal("invalid", "compilation failed: only columns of the row are covered")
    elif isinstance(node, tree.Name):
        if node.name not in known:
            raise Refusal("invalid", f"error {node.at}: undefined identifier {node.name}")
    elif not isinstance(node, tree.Literal):
        raise Refusal("invalid", "compilation failed: this predicate is not covered")


def chosen(function: tree.Function, table: Table, known: Values) -> Any:
    """Which rows a checked function means: an array, or one truth value for all of them."""
    truth = _Rows(table, known).evaluate(function.body)
    if truth.kind != tables.BOOLEAN:
        raise Refusal("invalid", f"type error: expected bool but found {truth.kind}")
    return truth.values.astype(np.bool_) & ~_null(truth)


def _null(column: Column) -> Any:
    return np.False_ if column.null is None else column.null


class _Rows:
    """Expressions of one row, for all rows; what all have in common is an array without axes."""

    def __init__(self, table: Table, known: Values) -> None:
        self._table = table
        self._known = known

    def evaluate(self, node: tree.Expression) -> Column:
        if isinstance(node, tree.Literal):
            return _literal(node.value)
        if isinstance(node, tree.Member):
            return self._member(node.name)
        if isinstance(node, tree.Name):
            return _literal(self._known[node.name])
        if isinstance(node, tree.Unary):
            return self._unary(node)
        assert isinstance(node, tree.Binary)
        if node.operator in ("and", "or"):
            return self._logical(node)
        return self._comparison(node)

    def _member(self, name: str) -> Column:
        column = self._table.columns.get(name)
        if column is None:
            return Column(tables.BOOLEAN, np.array(False), np.array(True))
        if column.is_constant:
            return Column(column.kind, np.array(column.values[0], column.values.dtype))
        return column

    def _unary(self, node: tree.Unary) -> Column:
        operand = self.evaluate(node.operand)
        if node.operator == "exists":
            exists = np.broadcast_to(~_null(operand), operand.values.shape)
            return Column(tables.BOOLEAN, exists)
        return Column(tables.BOOLEAN, ~operand.values.astype(np.bool_), operand.null)

    def _logical(self, node: tree.Binary) -> Column:
        sides = [self.evaluate(each) for each in (node.left, node.right)]
        if any(each.kind != tables.BOOLEAN for each in sides):
            raise Refusal("invalid", f"error {node.at}: expected bool")
        nulls = [_null(each) for each in sides]
        true = [
            each.values.astype(np.bool_) & ~null for each, null in zip(sides, nulls, strict=True)
        ]
        false = [
            ~each.values.astype(np.bool_) & ~null for each, null in zip(sides, nulls, strict=True)
        ]
        if node.operator == "and":
            value, decided = true[0] & true[1], (true[0] & true[1]) | false[0] | false[1]
        else:
            value, decided = true[0] | true[1], true[0] | true[1] | (false[0] & false[1])
        return Column(tables.BOOLEAN, value, ~decided)

    def _comparison(self, node: tree.Binary) -> Column:
        left, right = self.evaluate(node.left), self.evaluate(node.right)
        null = _null(left) | _null(right)
        if null.all():
            return Column(tables.BOOLEAN, np.zeros(null.shape, np.bool_), null)
        check_kinds(node, left.kind, right.kind)
        value = np.asarray(COMPARE[node.operator](left.values, right.values)).astype(np.bool_)
        return Column(tables.BOOLEAN, value, null)


def check_kinds(node: tree.Binary, left: str, right: str) -> None:
    """Refuse to compare values of types that cannot be compared."""
    if left != right and not (left in _NUMBERS and right in _NUMBERS):
        raise Refusal("invalid", f"error {node.at}: expected {left} but found {right}")


def kind_of(value: object) -> str:
    if type(value) not in _KINDS:
        raise Refusal("invalid", "compilation failed: this value is not covered in a predicate")
    return _KINDS[type(value)]


def _literal(value: Any) -> Column:
    kind = kind_of(value)
    if isinstance(value, tree.Time):
        return Column(kind, np.array(value.nanoseconds, np.int64))
    return Column(kind, np.array(value, np.object_ if kind == tables.STRING else type(value)))
