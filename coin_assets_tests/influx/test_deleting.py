"""Deletes through the real client: which points go, and which predicates are refused."""

import pytest
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write.point import Point

from coin_assets_tests.influx.server import InfluxServer
from coin_assets_tests.influx.test_writing import refusal, stored, write

FIRST, LAST = "1970-01-01T00:00:00Z", "1970-01-01T00:00:59Z"
LINES = "m,s=a,t=1h f=1,g=1 10\nm,s=a,t=1h f=2 20\nm,s=b,t=1h f=3 10\nm,s=a,t=1d f=4 10\nn f=5 10"


def delete(
    client: InfluxDBClient, predicate: str, start: str = FIRST, stop: str = LAST, **kwargs: str
) -> None:
    client.delete_api().delete(start, stop, predicate, "market", **kwargs)


def left(
    client: InfluxDBClient, predicate: str, start: str = FIRST, stop: str = LAST
) -> set[float]:
    """Values of f that are left of `LINES`."""
    write(client, LINES)
    delete(client, predicate, start, stop)
    return {value for field, value, _ in stored(client) if field == "f"}


@pytest.mark.parametrize(
    ("predicate", "values"),
    [
        ("", set()),
        ('_measurement="m"', {5.0}),
        ("_measurement=m and s=a", {3.0, 5.0}),
        ('_measurement="m" AND s="a" AND "t"="1h"', {3.0, 4.0, 5.0}),
        ('(_measurement="m" AND (s="a")) AND t="1d"', {1.0, 2.0, 3.0, 5.0}),
        ('s="a"', {3.0, 5.0}),
        ('s="nobody"', {1.0, 2.0, 3.0, 4.0, 5.0}),
        ('no_tag="a"', {1.0, 2.0, 3.0, 4.0, 5.0}),
    ],
)
def test_predicates(client: InfluxDBClient, predicate: str, values: set[float]) -> None:
    assert left(client, predicate) == values


def test_both_ends_are_deleted(client: InfluxDBClient) -> None:
    ten, almost, twenty = (f"1970-01-01T00:00:{second}Z" for second in ("10", "19.999999999", "20"))
    assert left(client, "", ten, ten) == {2.0}
    assert left(client, "", ten, almost) == {2.0}
    assert left(client, "", ten, twenty) == set()


def test_names_of_any_kind(client: InfluxDBClient) -> None:
    name = 'a "b" \\ c/d:=,é'
    point = Point("m").tag("s", name).field("f", 1.0).time(1, "s")
    write(client, point.to_line_protocol() + "\nm,s=other f=2 1")
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    delete(client, f'_measurement="m" AND s="{escaped}"')
    assert stored(client) == [("f", 2.0, 1)]


@pytest.mark.parametrize(
    ("predicate", "message"),
    [
        ('s="a" OR s="b"', "Operator OR is not supported for delete predicate yet"),
        ('s!="a"', "Operator != is not supported for delete predicate yet"),
        ("s=~/a/", "Operator =~ is not supported for delete predicate yet"),
        ("s='a'", "bad tag value: \"'a'\", at position 2"),
        ("t=1h", 'bad tag value: "1h", at position 2'),
        ('_field="f"', "delete predicate on _field is not supported"),
        ("_time=1", "delete predicate on _time is not supported"),
        ('s="a" t="1h"', "bad logical expression, at position 6"),
        ('s="a" AND', "bad tag key, at position 0"),
        ('(s="a"', "extra ( seen"),
        ("s>1", 'invalid operator ">" at position 1'),
        (r's="\x"', r"bad escape \x"),
    ],
)
def test_predicates_that_are_refused(client: InfluxDBClient, predicate: str, message: str) -> None:
    write(client, LINES)
    status, code, found = refusal(lambda: delete(client, predicate))
    assert (status, code) == (400, "invalid")
    assert found == f"invalid request; error parsing request json: {message}"
    assert len(stored(client)) == 6


def test_names_tokens_and_times_are_checked(influx: InfluxServer, client: InfluxDBClient) -> None:
    assert refusal(lambda: delete(client, "", start="yesterday"))[0] == 400
    assert refusal(lambda: delete(client, "", org="nobody"))[0] == 404
    nowhere = client.delete_api()
    assert refusal(lambda: nowhere.delete(FIRST, LAST, "", "nowhere")) == (
        404,
        "not found",
        'bucket "nowhere" not found',
    )
    influx.revoke()
    assert refusal(lambda: delete(client, ""))[0] == 401
