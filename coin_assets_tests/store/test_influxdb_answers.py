"""Frames of answers: what may stand in a cell, and what is refused."""

import struct

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from coin_assets.domain.candles.frame import TIMESTAMP_DTYPE
from coin_assets.errors import CorruptArtefact
from coin_assets.store.influxdb.answers import frame_of
from coin_assets_tests.influx.annotated_csv import quoted, texts
from coin_assets_tests.influx.tables import DOUBLE, Column

COLUMNS = {"_time": TIMESTAMP_DTYPE, "step": "int64", "name": "str", "value": "float64"}
HEAD = "#datatype,string,long,dateTime:RFC3339,string,string,double\r\n,result,table,"


def answer(*rows: str, names: str = "_time,step,name,value") -> bytes:
    lines = [f"{HEAD}{names}", *(f",,0,{row}" for row in rows)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
@example([5e-324, -0.0, 0.1 + 0.2, 2.2250738585072011e-308, 1.7976931348623157e308, 1e22])
@example([struct.unpack("<d", bytes([each] * 8))[0] for each in range(1, 100)])
def test_floats_are_read_to_the_bit(values: list[float]) -> None:
    cells = texts(Column(DOUBLE, np.array(values)))
    body = answer(*cells, names="value")
    found = frame_of(body, {"value": "float64"})["value"].to_numpy()
    assert found.tobytes() == np.array(values).tobytes()


def test_times_are_read_with_and_without_fractions() -> None:
    rows = [
        "2024-01-01T00:00:00Z,01,a,1",
        "2024-01-01T00:00:00.5Z,01,a,1",
        "2024-01-01T00:00:00.123456789Z,01,a,1",
        "1678-01-01T00:00:00Z,01,a,1",
        "2261-12-31T23:59:59Z,01,a,1",
    ]
    found = frame_of(answer(*rows), COLUMNS)
    assert found.dtypes.astype(str).to_dict() == COLUMNS
    assert found["_time"].tolist() == [
        pd.Timestamp(row.partition(",")[0]).floor("us") for row in rows
    ]


@pytest.mark.parametrize("text", ["NA", "NaN", "null", "", 'a,"b"\r\nc', "é☃", "x" * 3_000_000])
def test_texts_are_read_as_they_are(text: str) -> None:
    row = f"2024-01-01T00:00:00Z,24,{quoted(text)},1"
    found = frame_of(answer(row, row), COLUMNS)
    assert found["name"].tolist() == [text, text]
    assert found["step"].tolist() == [24, 24]


@pytest.mark.parametrize(
    "row",
    [
        ",01,a,1",
        "yesterday,01,a,1",
        "2024-01-01T00:00:00Z,,a,1",
        "2024-01-01T00:00:00Z,1.5,a,1",
        "2024-01-01T00:00:00Z,01,a,",
        "2024-01-01T00:00:00Z,01,a,true",
        "2024-01-01T00:00:00Z,01,a,NaN",
        "2024-01-01T00:00:00Z,01,a",
    ],
)
def test_values_that_are_missing_or_of_another_type_are_refused(row: str) -> None:
    with pytest.raises(CorruptArtefact, match="that this platform has not written"):
        frame_of(answer("2024-01-01T00:00:00Z,01,a,1", row), COLUMNS)


def test_points_that_lack_a_field_are_refused() -> None:
    with pytest.raises(CorruptArtefact, match="without all of"):
        frame_of(answer("2024-01-01T00:00:00Z,01,a", names="_time,step,name"), COLUMNS)
