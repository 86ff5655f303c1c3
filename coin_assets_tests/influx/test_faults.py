"""Every fault of the stand-in, seen from the real client, and the stand-in as a process."""

import signal
import subprocess
import sys
from threading import Event, Thread

import pytest
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError

from coin_assets_tests.influx.faults import QUERY, WRITE
from coin_assets_tests.influx.server import InfluxServer
from coin_assets_tests.influx.test_writing import EVER, refusal, stored, write

GONE = (HTTPError, OSError)
LINES = "m f=1 1\nm f=2 2\nm f=3 3\nm f=4 4"


def test_requests_fail_as_often_as_wanted(influx: InfluxServer, client: InfluxDBClient) -> None:
    influx.faults.fail(WRITE, 503, times=2)
    influx.faults.fail(WRITE, 429, retry_after=7)
    for code in ("unavailable", "unavailable"):
        assert refusal(lambda: write(client, LINES))[:2] == (503, code)
    with pytest.raises(ApiException) as limited:
        write(client, LINES)
    assert (limited.value.status, limited.value.headers["Retry-After"]) == (429, "7")
    assert stored(client) == []
    write(client, LINES)
    assert len(stored(client)) == 4
    assert [each.status for each in influx.asked(WRITE)] == [503, 503, 429, 204]
    assert len(influx.asked(WRITE, status=503)) == 2


def test_a_connection_cut_before_or_after(influx: InfluxServer, client: InfluxDBClient) -> None:
    influx.faults.cut_before(WRITE)
    with pytest.raises(GONE):
        write(client, "m f=1 1")
    assert stored(client) == []
    influx.faults.cut_after(WRITE)
    with pytest.raises(GONE):
        write(client, "m f=1 1")
    assert stored(client) == [("f", 1.0, 1)]
    assert [each.status for each in influx.asked(WRITE)] == [0, 0]


def test_half_of_a_write(influx: InfluxServer, client: InfluxDBClient) -> None:
    influx.faults.store_half()
    with pytest.raises(GONE):
        write(client, LINES)
    assert [value for _, value, _ in stored(client)] == [1.0, 2.0]


def test_an_answer_cut_in_the_middle(influx: InfluxServer, client: InfluxDBClient) -> None:
    write(client, LINES)
    influx.faults.cut_answer()
    with pytest.raises(GONE):
        stored(client)
    assert len(stored(client)) == 4


def test_slow_answers(influx: InfluxServer) -> None:
    go_on = Event()
    influx.faults.hold(WRITE, go_on)
    with InfluxDBClient(influx.url, influx.token, org=influx.org, timeout=100) as client:
        with pytest.raises(GONE):
            write(client, "m f=1 1")
        go_on.set()
    with InfluxDBClient(influx.url, influx.token, org=influx.org) as client:
        influx.faults.delay(QUERY, 0.01, times=1)
        influx.faults.delay(WRITE, 60)
        influx.faults.clear()
        write(client, "m f=2 2")
        assert ("f", 2.0, 2) in stored(client)


def test_rows_that_are_not_seen_yet(influx: InfluxServer, client: InfluxDBClient) -> None:
    write(client, LINES)
    influx.faults.hide_newest(3, times=2)
    assert [len(stored(client)) for _ in range(3)] == [1, 1, 4]


def test_down_and_up_again(influx: InfluxServer, client: InfluxDBClient) -> None:
    write(client, LINES)
    url = influx.url
    influx.down()
    assert not client.ping()
    with pytest.raises(GONE):
        stored(client)
    influx.up()
    assert influx.url == url
    assert len(stored(client)) == 4


def test_a_revoked_token_is_accepted_again(influx: InfluxServer, client: InfluxDBClient) -> None:
    influx.revoke()
    assert refusal(lambda: stored(client))[:2] == (401, "unauthorized")
    influx.accept()
    assert stored(client) == []


def test_requests_are_noted_without_the_token(influx: InfluxServer, client: InfluxDBClient) -> None:
    write(client, LINES)
    stored(client)
    (query,) = influx.asked(QUERY)
    assert query.text == f'from(bucket: "market") |> {EVER}'
    (request,) = influx.asked(WRITE)
    assert (request.lines, request.size) == (4, len(LINES))
    assert request.query == {"org": "coins", "bucket": "market", "precision": "s"}
    assert influx.token not in repr(influx.requests)


def test_many_clients_at_once(influx: InfluxServer) -> None:
    def work(number: int) -> None:
        with InfluxDBClient(influx.url, influx.token, org=influx.org) as client:
            for second in range(20):
                write(client, f"m,t={number} f={second} {second}")

    threads = [Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with InfluxDBClient(influx.url, influx.token, org=influx.org) as client:
        assert len(stored(client)) == 80


def test_a_process_of_its_own() -> None:
    command = [sys.executable, "-m", "coin_assets_tests.influx", "--bucket", "it's"]
    for stop in ("its input ends", "it is told to"):
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            line = process.stdout.readline()
            shell = f'{line}\nprintf \'%s\\n\' "$INFLUXDB_V2_URL" "$INFLUXDB_V2_TOKEN"'
            told = subprocess.run(
                ["sh", "-c", f'{shell} "$INFLUXDB_V2_ORG" "$COIN_INFLUXDB_BUCKET"'],
                capture_output=True,
                text=True,
                check=True,
            )
            url, token, org, bucket = told.stdout.splitlines()
            with InfluxDBClient(url, token, org=org) as client:
                write(client, LINES, bucket)
                assert len(stored(client, bucket)) == 4
            if stop == "it is told to":
                process.send_signal(signal.SIGTERM)
            else:
                process.stdin.close()
            assert process.wait(20) == 0
