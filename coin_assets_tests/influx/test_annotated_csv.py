"""The cells of annotated CSV, held against independent ways to write and to read them."""

import csv
import io
from decimal import Decimal

import numpy as np
import pandas as pd
from hypothesis import example, given
from hypothesis import strategies as st

from coin_assets_tests.influx import tables
from coin_assets_tests.influx.annotated_csv import Dialect, encoded, quoted, texts
from coin_assets_tests.influx.points import rfc3339
from coin_assets_tests.influx.tables import Column, Table

FLOATS = st.floats(allow_nan=False, allow_infinity=False)


def floats(values: list[float]) -> Column:
    return Column(tables.DOUBLE, np.array(values, np.float64))


@given(st.lists(FLOATS, min_size=1))
@example([5e-324, 1.7976931348623157e308, -0.0, 0.1, 1e16, 1e-5, -2.5, 100.0, 123456789012345.6])
def test_floats_are_the_shortest_digits_without_an_exponent(values: list[float]) -> None:
    cells = texts(floats(values))
    for value, cell in zip(values, cells, strict=True):
        assert cell == format(Decimal(repr(value)), "f").removesuffix(".0")
        assert np.float64(cell).tobytes() == np.float64(value).tobytes()


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n")), min_size=1))
@example(["", " a", '"', "a,b", "\\.", "\tx", "é"])
def test_strings_read_as_they_were(values: list[str]) -> None:
    column = Column(tables.STRING, np.array([*values, "end"], np.object_))
    text = encoded([("_result", [Table({"s": column}, ())])], Dialect())
    rows = [row[3] for row in csv.reader(io.StringIO(text, newline="")) if row]
    assert rows == ["s", *values, "end"]


def test_quoting_as_go_does() -> None:
    cells = {"a": "a", "a b": "a b", " a": '" a"', "a\nb": '"a\r\nb"', "a\rb": '"ab"', "": ""}
    cells |= {'a"': '"a"""', "a,": '"a,"', "\\.": '"\\."'}
    assert {cell: quoted(cell) for cell in cells} == cells


@given(st.lists(st.integers(-(2**62), 2**62), min_size=1))
@example([0, 10**9, -1, 1_500_000_000, 1_000_000_100])
def test_times(nanoseconds: list[int]) -> None:
    for cell, time in zip(texts(times(nanoseconds)), nanoseconds, strict=True):
        assert cell == rfc3339(time)
        assert pd.Timestamp(cell).value == time


def times(nanoseconds: list[int]) -> Column:
    return Column(tables.TIME, np.array(nanoseconds, np.int64))


def test_times_have_a_fraction_only_as_far_as_there_is_one() -> None:
    assert texts(times([1_577_836_800 * 10**9])) == ["2020-01-01T00:00:00Z"]
    assert texts(times([1_577_836_800 * 10**9 + 120_000_000, 0])) == [
        "2020-01-01T00:00:00.12Z",
        "1970-01-01T00:00:00Z",
    ]


def test_nulls_are_empty() -> None:
    column = Column(tables.DOUBLE, np.array([1.5, 0.0]), np.array([False, True]))
    assert texts(column) == ["1.5", ""]


def test_without_annotations_the_result_is_named_in_each_row() -> None:
    table = Table({"v": floats([1.0, 2.0])}, ())
    assert encoded([("_result", [table])], Dialect()) == (
        ",result,table,v\r\n,_result,0,1\r\n,_result,0,2\r\n\r\n"
    )
    assert encoded([("_result", [table])], Dialect(header=False)) == (
        ",_result,0,1\r\n,_result,0,2\r\n\r\n"
    )
