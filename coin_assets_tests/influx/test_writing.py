"""Writes through the real client: what is stored, and what is refused with which words."""

import gzip
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import requests
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write.point import Point
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException

from coin_assets_tests.influx.database import Rights
from coin_assets_tests.influx.messages import VERSION
from coin_assets_tests.influx.server import InfluxServer

EVER = "range(start: 1678-01-01T00:00:00Z, stop: 2262-01-01T00:00:00Z)"


def write(client: InfluxDBClient, lines: str, bucket: str = "market", **kwargs: Any) -> None:
    """Times are in seconds."""
    api = client.write_api(write_options=SYNCHRONOUS)
    api.write(bucket, record=lines, **({"write_precision": "s"} | kwargs))


def stored(client: InfluxDBClient, bucket: str = "market") -> list[tuple[str, Any, int]]:
    """Field, value and seconds of all points."""
    tables = client.query_api().query(f'from(bucket: "{bucket}") |> {EVER}')
    return [
        (record.get_field(), record.get_value(), int(record.get_time().timestamp()))
        for table in tables
        for record in table.records
    ]


def refusal(request: Callable[[], object]) -> tuple[int, str, str]:
    """Status, code and message."""
    with pytest.raises(ApiException) as raised:
        request()
    error = raised.value
    document = json.loads(error.body)
    assert error.headers["X-Platform-Error-Code"] == document["code"]
    assert error.headers["X-Influxdb-Version"] == VERSION
    return error.status, document["code"], document["message"]


def test_points_are_merged_field_by_field(client: InfluxDBClient) -> None:
    write(client, "m,t=a f=1,g=1 1\nm,t=a f=2 1\nm,t=b f=3 1")
    write(client, "m,t=a h=4 1\nm,t=a f=5 2")
    assert stored(client) == [
        ("f", 2.0, 1),
        ("f", 5.0, 2),
        ("g", 1.0, 1),
        ("h", 4.0, 1),
        ("f", 3.0, 1),
    ]


def test_a_type_conflict_leaves_out_the_whole_point_and_stores_the_others(
    client: InfluxDBClient,
) -> None:
    write(client, "m f=1 1")
    lines = "m f=2i,g=1 2\nm f=3 3\nm f=true 4\nm h=1 5"
    assert refusal(lambda: write(client, lines)) == (
        422,
        "unprocessable entity",
        'failure writing points to database: partial write: field type conflict: input field "f" '
        'on measurement "m" is type integer, already exists as type float dropped=2',
    )
    assert stored(client) == [("f", 1.0, 1), ("f", 3.0, 3), ("h", 1.0, 5)]


def test_types_belong_to_a_measurement_and_are_forgotten_with_it(client: InfluxDBClient) -> None:
    write(client, "m f=1 1\nn f=1i 1")
    client.delete_api().delete(
        "1970-01-01T00:00:00Z", "1970-01-02T00:00:00Z", '_measurement="m"', "market"
    )
    write(client, 'm f="now a string" 1')
    assert stored(client) == [("f", "now a string", 1), ("f", 1, 1)]


def test_a_malformed_line_refuses_the_whole_body(client: InfluxDBClient) -> None:
    assert refusal(lambda: write(client, "m f=1 1\nm f=inf 2\nm f=3 3")) == (
        400,
        "invalid",
        "unable to parse 'm f=inf 2': invalid boolean",
    )
    assert stored(client) == []


def test_points_beyond_the_retention_are_left_out(
    influx: InfluxServer, client: InfluxDBClient
) -> None:
    influx.database.create("short", retention=7_200)
    now = influx.database.now() // 10**9
    lines = f"m,t=a\\ b f=1 {now - 7_300}\nm f=2 {now - 7_100}\nm f=3 {now - 9_000}"
    status, code, message = refusal(lambda: write(client, lines, "short"))
    assert (status, code) == (422, "unprocessable entity")
    assert "partial write: dropped 2 points outside retention policy of duration 2h0m0s" in message
    assert "oldest point m at " in message
    assert ", newest point m,t=a\\ b at " in message
    assert " dropped=2 for database: " in message
    assert stored(client, "short") == [("f", 2.0, now - 7_100)]


def test_a_retention_follows_the_clock(influx: InfluxServer, client: InfluxDBClient) -> None:
    influx.database.create("short", retention=7_200)
    now = influx.database.now() // 10**9
    write(client, f"m f=1 {now}", "short")
    influx.clock_ahead = timedelta(hours=3)
    assert refusal(lambda: write(client, f"m f=1 {now}", "short"))[0] == 422


def test_strings_and_names_of_any_kind(client: InfluxDBClient) -> None:
    odd = 'a "b", c=d \\ ${x} é'
    point = Point("odd, name=").tag("ta g,=", "v =,/:").field('f "=, ', odd).time(1, "s")
    write(client, point.to_line_protocol())
    (table,) = client.query_api().query(f'from(bucket: "market") |> {EVER}')
    values = table.records[0].values
    assert values["_measurement"] == "odd, name="
    assert values["ta g,="] == "v =,/:"
    assert values["_field"] == 'f "=, '
    assert values["_value"] == odd


def test_strings_over_the_limit_are_left_out(client: InfluxDBClient) -> None:
    status, _, message = refusal(lambda: write(client, f'm f="{"x" * 1_048_577}" 1'))
    assert status == 422
    assert message.endswith('on measurement "m" is too long, 1048577 > 1048576 dropped=1')


def test_time_is_no_name_for_a_tag_or_an_only_field(client: InfluxDBClient) -> None:
    assert refusal(lambda: write(client, "m,time=a f=1 1"))[0] == 422
    assert refusal(lambda: write(client, "m time=1 1"))[0] == 422
    write(client, "m time=1,f=2 1")
    assert stored(client) == [("f", 2.0, 1)]


def test_tokens_names_and_precisions_are_checked(
    influx: InfluxServer, client: InfluxDBClient
) -> None:
    line = "m f=1 1"
    assert refusal(lambda: write(client, line, "nowhere")) == (
        404,
        "not found",
        'bucket "nowhere" not found',
    )
    assert refusal(lambda: write(client, line, org="nobody")) == (
        404,
        "not found",
        'organization name "nobody" not found',
    )
    influx.accept("reader", Rights(writes=frozenset()))
    with InfluxDBClient(influx.url, "reader", org=influx.org) as reader:
        assert refusal(lambda: write(reader, line)) == (
            403,
            "forbidden",
            "insufficient permissions for write",
        )
    influx.revoke()
    assert refusal(lambda: write(client, line)) == (401, "unauthorized", "unauthorized access")
    influx.accept()
    assert raw(influx, line, precision="m").status_code == 400
    assert raw(influx, "").json()["message"] == "writing requires points"
    assert stored(client) == []


def test_a_body_over_the_limit_is_refused_also_when_packed() -> None:
    with InfluxServer(most_bytes=1_000) as influx:
        for headers, body in (
            ({}, b"m f=1 1\n" * 200),
            ({"Content-Encoding": "gzip"}, gzip.compress(b"m f=1 1\n" * 200)),
        ):
            answer = raw(influx, body, headers)
            assert answer.status_code == 413
            assert answer.json() == {
                "code": "request too large",
                "message": "unable to read data: points batch is too large",
            }


def test_packed_bodies(influx: InfluxServer) -> None:
    with InfluxDBClient(influx.url, influx.token, org=influx.org, enable_gzip=True) as client:
        write(client, "\n".join(f"m f={each} {each}" for each in range(500)))
        assert len(stored(client)) == 500
    (request,) = influx.asked("/api/v2/write")
    assert (request.lines, request.gzipped, request.status) == (500, True, 204)
    assert request.size < 2_500
    assert raw(influx, b"no gzip", {"Content-Encoding": "gzip"}).status_code == 400


def raw(
    influx: InfluxServer,
    body: str | bytes,
    headers: dict[str, str] | None = None,
    precision: str = "s",
) -> requests.Response:
    return requests.post(
        f"{influx.url}/api/v2/write",
        params={"org": influx.org, "bucket": influx.bucket, "precision": precision},
        data=body,
        headers={"Authorization": f"Token {influx.token}"} | (headers or {}),
        timeout=10,
    )
