"""Queries that are refused, with the statuses and words of the real server."""

import re

import pytest
from influxdb_client.client.flux_csv_parser import FluxQueryException
from influxdb_client.client.influxdb_client import InfluxDBClient

from coin_assets_tests.influx.database import Rights
from coin_assets_tests.influx.server import InfluxServer
from coin_assets_tests.influx.test_querying import CANDLES, FROM, PIVOT
from coin_assets_tests.influx.test_writing import refusal, write

PLANNING = "error in building plan while starting program: "
UNBOUNDED = (
    f'{PLANNING}cannot submit unbounded read to "market"; '
    "try bounding 'from' with a call to 'range'"
)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ('from(bucket: "market") |> last()', UNBOUNDED),
        ('from(bucket: "market")', UNBOUNDED),
        (
            'from(bucket: "market") |> range(start: 5, stop: 5)',
            f"{PLANNING}cannot query an empty range",
        ),
        (f"{FROM}\n  {FROM}", f"{PLANNING}tried to produce more than one result with the name"),
        ("x = 1", "error in query specification while starting program: this Flux script"),
        (f"{FROM} |> mean()", "compilation failed: error @: undefined identifier mean"),
        (f"{FROM} |> nothing", "compilation failed: "),
        (f"{FROM} |> last(", "compilation failed: "),
        (f"{FROM} |> filter(fn: (r) => r._value =~ /x/)", "compilation failed: "),
        (f"{FROM} |> filter(fn: (r) => r._value + 1 > 2)", "compilation failed: "),
        (f"{FROM} |> filter(fn: (r) => unknown == 2)", "error @: undefined identifier"),
        (f"{FROM} |> filter(fn: (r) => r._field == 1)", "error @: expected string"),
        (f'{FROM} |> filter(fn: (r) => r._field == "${{x}}")', "compilation failed: "),
        (f"{FROM} |> limit()", "error @: missing required argument n"),
        (f"{FROM} |> limit(n: true)", "error @: expected int but found bool"),
        (f"{FROM} |> limit(n: 1, m: 1)", "error @: found unexpected argument m"),
        (f'{FROM} |> keep(columns: "symbol")', "error @: expected list"),
        (f'{FROM} |> last(column: "no")', 'no column "no" exists'),
        (f"{FROM} {PIVOT} |> last()", 'no column "_value" exists'),
        ("schema.measurementTagKeys()", "error @: undefined identifier schema"),
        ('import "math"\n1', 'compilation failed: invalid import path "math"'),
        ("§", "compilation failed: error @: invalid statement: §"),
    ],
)
def test_queries_are_refused(client: InfluxDBClient, query: str, message: str) -> None:
    write(client, CANDLES)
    status, code, found = refusal(lambda: client.query_api().query(query))
    assert (status, code) == (400, "invalid")
    assert re.sub(r"@[0-9]+:[0-9]+-[0-9]+:[0-9]+", "@", found).startswith(message)


def test_a_filter_is_checked_also_without_any_row(client: InfluxDBClient) -> None:
    def status(predicate: str) -> int:
        query = f"{FROM} |> filter(fn: (r) => {predicate})"
        return refusal(lambda: client.query_api().query(query))[0]

    predicates = ['r._field == "f" and r.t + 1 > 2', "unknown", "r.of.row", "[1]"]
    assert [status(each) for each in predicates] == [400] * 4


def test_errors_name_their_place(client: InfluxDBClient) -> None:
    found = refusal(lambda: client.query_api().query('from(bucket: "market")\n  |> mean()'))[2]
    assert found.startswith("compilation failed: error @2:6-2:10: undefined identifier mean")


def test_unlike_types_do_not_go_together(client: InfluxDBClient) -> None:
    write(client, 'm f=1,s="a" 1')
    assert refusal(lambda: client.query_api().query(f"{FROM} |> group()")) == (
        500,
        "internal error",
        "schema collision: cannot group float and string types together",
    )
    assert refusal(lambda: client.query_api().query(f"{FROM} |> last() |> group()")) == (
        400,
        "invalid",
        'schema collision detected: column "_value" is both of type string and float',
    )
    only = f'{FROM} |> keep(columns: ["_value"])'
    assert "different schemas" in refusal(lambda: client.query_api().query(only))[2]


def test_names_and_tokens_are_checked(influx: InfluxServer, client: InfluxDBClient) -> None:
    nowhere = FROM.replace("market", "nowhere")
    unknown = "failed to initialize execute state: could not find bucket"
    assert refusal(lambda: client.query_api().query(nowhere)) == (
        404,
        "not found",
        f'{unknown} "nowhere"',
    )
    assert refusal(lambda: client.query_api().query(FROM, org="nobody")) == (
        400,
        "invalid",
        'failed to decode request body: organization name "nobody" not found',
    )
    influx.accept("writer", Rights(reads=frozenset()))
    with InfluxDBClient(influx.url, "writer", org=influx.org) as writer:
        assert refusal(lambda: writer.query_api().query(FROM))[2] == f'{unknown} "market"'
    influx.revoke()
    assert refusal(lambda: client.query_api().query(FROM))[0] == 401


def test_an_error_within_the_answer(influx: InfluxServer, client: InfluxDBClient) -> None:
    write(client, CANDLES)
    influx.faults.error_in_body('engine: "gone"')
    with client.query_api().query_raw(FROM) as response:
        body: bytes = response.read()
    assert body.count(b",ohlcv,") == 4  # of 6 rows
    assert body.endswith(
        b"\r\n\r\n#datatype,string,string\r\n#group,true,true\r\n#default,,\r\n,error,reference\r\n"
        b',"engine: ""gone""",\r\n'
    )
    influx.faults.error_in_body("engine is gone")
    with pytest.raises(FluxQueryException):
        client.query_api().query(FROM)
    assert len(client.query_api().query(FROM)) == 4
