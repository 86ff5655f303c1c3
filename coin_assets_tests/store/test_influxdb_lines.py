"""Line protocol: byte for byte what the client's own serialiser makes, and what is never sent.

- Random bits, awkward names and texts come out as the client writes them, and go back to the bit.
- A frame that InfluxDB would store as something else is refused before anything is sent.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from influxdb_client.client.write.dataframe_serializer import data_frame_to_list_of_points
from influxdb_client.client.write_api import PointSettings

from coin_assets.domain.candles.frame import VALUES
from coin_assets.domain.series import Series
from coin_assets.errors import DataRefused, StoreRefused
from coin_assets.store.influxdb.lines import LINES_A_REQUEST, requests_of, series_tags
from coin_assets.store.influxdb.measurements import FORECAST, OHLCV, REVISION, Measurement
from coin_assets_tests.influx import line_protocol
from coin_assets_tests.store.contract import HOUR, NOV, forecasts_at, hours, series_of

SYMBOLS = ["BTC/USDT", "A B,C=D/E", "Q\"'/U", "Ä/USDT:USDT", r"B\S/U", "100%/%s"]
BITS = st.floats(allow_nan=False, allow_infinity=False)


def lines_of(measurement: Measurement, series: Series, rows: pd.DataFrame) -> list[str]:
    return [
        line
        for request in requests_of(measurement, series_tags(series), rows)
        for line in request.split("\n")
    ]


def by_the_client(measurement: Measurement, series: Series, rows: pd.DataFrame) -> list[str]:
    frame = rows.set_index(measurement.time).assign(**series_tags(series))
    if "step" in frame:
        frame["step"] = frame["step"].map("{:02d}".format)
    lines: list[str] = data_frame_to_list_of_points(
        frame,
        PointSettings(),
        precision="s",
        data_frame_measurement_name=measurement.name,
        data_frame_tag_columns=sorted(measurement.tags),
    )
    return lines


@given(rows=st.lists(st.tuples(*[BITS] * len(VALUES)), min_size=1, max_size=8))
def test_any_candles_are_the_bytes_of_the_client_and_read_back_to_the_bit(
    rows: list[tuple[float, ...]],
) -> None:
    frame = hours(NOV, len(rows))
    frame[VALUES] = np.array(rows, dtype="float64")
    lines = lines_of(OHLCV, series_of("1h"), frame)
    assert lines == by_the_client(OHLCV, series_of("1h"), frame)
    points = line_protocol.parse("\n".join(lines), "s", 0)
    read = np.array([[point.fields[name] for name in VALUES] for point in points], dtype="float64")
    assert read.tobytes() == frame[VALUES].to_numpy().tobytes()


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_any_name_is_the_bytes_of_the_client_and_reads_back(symbol: str) -> None:
    series = series_of("1M", symbol)
    [line] = lines_of(OHLCV, series, hours(NOV, 1))
    assert [line] == by_the_client(OHLCV, series, hours(NOV, 1))
    [point] = line_protocol.parse(line, "s", 0)
    assert point.series == ("ohlcv", (("symbol", symbol), ("timeframe", "1M")))


def test_forecasts_are_the_bytes_of_the_client() -> None:
    frame = forecasts_at([NOV, NOV + HOUR], price=1 / 3, version='1 "and" \\ more,=')
    lines = lines_of(FORECAST, series_of("1h", SYMBOLS[1]), frame)
    assert lines == by_the_client(FORECAST, series_of("1h", SYMBOLS[1]), frame)
    assert lines[0].startswith(r"forecast,role=champion,step=01,symbol=A\ B\,C\=D/E,timeframe=1h ")


@pytest.mark.parametrize("text", ["", '{"a": "b\\nc"}', "Ä \\ \" ' % %s = ,", "#datatype"])
def test_texts_read_back(text: str) -> None:
    row = pd.DataFrame({"timestamp": [NOV], "records": [text]}).astype(REVISION.dtypes)
    lines = lines_of(REVISION, series_of("1h"), row)
    [point] = line_protocol.parse("\n".join(lines), "s", 0)
    assert point.fields == {"records": text}


@pytest.mark.parametrize("number", [0, 1, LINES_A_REQUEST, LINES_A_REQUEST + 1, 12_000])
def test_a_request_holds_so_many_lines_at_most(number: int) -> None:
    requests = list(requests_of(OHLCV, series_tags(series_of("1h")), hours(NOV, number)))
    sizes = [request.count("\n") + 1 for request in requests]
    assert sum(sizes) == number
    assert all(size == LINES_A_REQUEST for size in sizes[:-1])
    assert all(0 < size <= LINES_A_REQUEST for size in sizes)


TRAPS: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    # what InfluxDB or the client would make of it -> how to come by it
    "1970, by row number": lambda frame: frame.assign(timestamp=range(len(frame))),
    "UTC, though nobody said so": lambda frame: frame.assign(
        timestamp=frame["timestamp"].dt.tz_localize(None)
    ),
    "another unit": lambda frame: frame.astype({"timestamp": "datetime64[ns, UTC]"}),
    "a missing time": lambda frame: frame.assign(
        timestamp=frame["timestamp"].where(frame.index != 1)
    ),
    "a time cut to the second": lambda frame: frame.assign(
        timestamp=frame["timestamp"] + timedelta(milliseconds=1)
    ),
    "the old value kept": lambda frame: frame.assign(close=frame["close"].where(frame.index != 1)),
    "invalid line protocol": lambda frame: frame.assign(
        close=frame["close"].where(frame.index != 1, float("inf"))
    ),
    "an integer field, a conflict": lambda frame: frame.assign(volume=7),
    "a text field, a conflict": lambda frame: frame.assign(volume="7"),
    "a field left out": lambda frame: frame.drop(columns="volume"),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_what_would_be_stored_as_something_else_is_refused(trap: str) -> None:
    with pytest.raises(DataRefused, match="Nothing was stored"):
        list(requests_of(OHLCV, series_tags(series_of("1h")), TRAPS[trap](hours(NOV, 3))))


@pytest.mark.parametrize("name", ["", "a\nb", "a\x00b", "a\\", "a\\,b", "a\\ b", "a\\=b"])
def test_names_that_line_protocol_cannot_say_are_refused(name: str) -> None:
    with pytest.raises(StoreRefused, match="cannot be a name in InfluxDB"):
        lines_of(OHLCV, series_of("1h", name), hours(NOV, 1))


def test_times_before_1970_are_negative_seconds() -> None:
    before = datetime(1969, 12, 31, 23, tzinfo=UTC)
    assert lines_of(OHLCV, series_of("1h"), hours(before, 1))[0].endswith(" -3600")
