"""Answers on their way to a client: frames, packing, and floats to the bit."""

import numpy as np
import pandas as pd
import requests
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from influxdb_client.client.influxdb_client import InfluxDBClient

from coin_assets_tests.influx.server import InfluxServer
from coin_assets_tests.influx.test_querying import CANDLES, FROM, NOTED, PIVOT, answer
from coin_assets_tests.influx.test_writing import EVER, write


def test_data_frames(client: InfluxDBClient) -> None:
    write(client, CANDLES)
    frame = client.query_api().query_data_frame(FROM + PIVOT)
    assert isinstance(frame, pd.DataFrame)
    assert frame["close"].tolist() == [1.5, 2.5, 7.0]
    write(client, NOTED)
    frames = client.query_api().query_data_frame(FROM + PIVOT)
    assert [sorted(each.columns)[-3:] for each in frames] == [
        ["symbol", "table", "timeframe"],
        ["symbol", "table", "timeframe"],
    ]


def test_answers_are_packed_on_request_and_from_some_size(influx: InfluxServer) -> None:
    with InfluxDBClient(influx.url, influx.token, org=influx.org) as client:
        write(client, "\n".join(f"m f={each} {each}" for each in range(50)))
    headers = {"Authorization": f"Token {influx.token}", "Accept-Encoding": "gzip"}

    def ask(query: str) -> requests.Response:
        headers["Content-Type"] = "application/vnd.flux"
        address = f"{influx.url}/api/v2/query"
        body = query.encode()
        return requests.post(
            address, params={"org": influx.org}, data=body, headers=headers, timeout=10
        )

    large, small = ask(FROM), ask(f"{FROM} |> last()")
    assert large.headers["Content-Encoding"] == "gzip"
    assert len(large.text.split("\r\n")) == 50 + 3  # no annotations were asked for
    assert "Content-Encoding" not in small.headers
    assert small.headers["Content-Type"] == "text/csv; charset=utf-8"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(
    st.dictionaries(
        st.integers(0, 10**9),
        st.floats(allow_nan=False, allow_infinity=False),
        min_size=1,
        max_size=50,
    )
)
@example({0: 5e-324, 1: -0.0, 2: 0.1 + 0.2, 3: 1.7976931348623157e308})
def test_floats_keep_every_bit_from_write_to_read(
    influx: InfluxServer, client: InfluxDBClient, points: dict[int, float]
) -> None:
    bucket = influx.database.create(f"bits {len(influx.database.buckets)}").name
    write(client, "\n".join(f"m f={value!r} {time}" for time, value in points.items()), bucket)
    query = f'from(bucket: "{bucket}") |> {EVER} {PIVOT} |> keep(columns: ["_time", "f"])'
    found = [line.split(",")[3:] for line in answer(client, query).split("\r\n")[4:-2]]
    assert [pd.Timestamp(time).timestamp() for time, _ in found] == sorted(points)
    expected = np.array([points[time] for time in sorted(points)])
    assert np.array([float(cell) for _, cell in found]).tobytes() == expected.tobytes()
