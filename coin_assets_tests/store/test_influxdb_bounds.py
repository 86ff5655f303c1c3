"""Answers of an InfluxDB server without end or measure, through the real client library.

Each is given up within its deadline and its bytes, and the error names the server and the limit.
What the platform itself can ask for is read, however much it is.
"""

import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from coin_assets.errors import CorruptArtefact, StoreRefused, StoreUnavailable
from coin_assets.store.influxdb import bucket as bucket_module
from coin_assets.store.influxdb import flux
from coin_assets.store.influxdb.bounds import OF_QUERY, AnswerTooLong
from coin_assets.store.influxdb.bucket import Bucket
from coin_assets.store.influxdb.connection import Connection
from coin_assets.store.influxdb.lines import series_tags
from coin_assets.store.influxdb.measurements import FORECAST, OHLCV
from coin_assets.store.influxdb.store import InfluxStore
from coin_assets_tests.influx.faults import QUERY
from coin_assets_tests.influx.server import InfluxServer
from coin_assets_tests.market.hostile import (
    BROKEN_OFF,
    MB,
    OK,
    PATIENT_SECONDS,
    TOO_LATE,
    TOO_LONG,
    Answer,
    body,
    drip,
    redirect,
    sent,
    serving,
    zeros,
)
from coin_assets_tests.store.contract import (
    DEC,
    HOUR,
    NOV,
    assert_same,
    candles_at,
    forecasts_at,
    series_of,
)
from coin_assets_tests.store.influxdb_buckets import connection_to
from coin_assets_tests.store.influxdb_lies import (
    LIES,
    after_the_market,
    point,
    table,
)

MINUTELY, HOURLY = series_of("1m"), series_of("1h")
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
LONG, LATE = "sends an answer of more than 1 MB", r"did not send its whole answer within 0\.5 s"
BROKEN = "could not answer a query"

ANSWERS: dict[str, tuple[Answer, str]] = {
    **{name: (answer, LONG) for name, answer in TOO_LONG.items()},
    **{name: (answer, LATE) for name, answer in TOO_LATE.items()},
    **{name: (answer, BROKEN) for name, answer in BROKEN_OFF.items()},
    "an error that is a bomb": (
        sent(
            b"HTTP/1.1 503 X\r\nContent-Encoding: gzip\r\n",
            b"Content-Length: %d\r\n\r\n" % len(zeros(32)),
            zeros(32),
        ),
        LONG,
    ),
}


def connection_at(address: str, expected: str = LATE) -> Connection:
    """A connection; its deadline is short only for an answer that must miss it."""
    seconds = 0.5 if expected == LATE else PATIENT_SECONDS
    return Connection(
        address, "coins", "market", "hidden-token", patience_seconds=0.0, total_seconds=seconds
    )


@pytest.mark.parametrize("what", ANSWERS)
def test_an_answer_beyond_bounds_is_an_outage_that_names_server_and_limit(
    monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    answer, expected = ANSWERS[what]
    monkeypatch.setattr(bucket_module, "OF_QUERY", MB)
    with serving(answer) as address, pytest.raises(StoreUnavailable, match=expected) as raised:
        Bucket(connection_at(address, expected)).query("from()", bytes)
    text = str(raised.value)
    assert f"InfluxDB at {address} (bucket 'market')" in text
    assert "INFLUXDB_V2_URL" in text
    assert "hidden" not in text


REQUESTS: dict[str, Callable[[Bucket], object]] = {
    "write": lambda bucket: bucket.write("a b=1 1"),
    "delete": lambda bucket: bucket.delete(OHLCV, series_tags(HOURLY), NOV, DEC),
    "ping": lambda bucket: bucket.ping(),
    "retention": lambda bucket: bucket.retention(),
}


@pytest.mark.parametrize("request_", REQUESTS)
@pytest.mark.parametrize(
    ("answer", "expected"),
    [(body(zeros(32), "gzip"), LONG), (drip(OK + b"Content-Length: 999\r\n\r\n", b" "), LATE)],
    ids=["bomb", "drip"],
)
def test_every_request_is_bounded(request_: str, answer: Answer, expected: str) -> None:
    with serving(answer) as address, pytest.raises(StoreUnavailable, match=expected):
        REQUESTS[request_](Bucket(connection_at(address, expected)))


def test_a_redirect_is_not_followed() -> None:
    with InfluxServer() as other, serving(redirect(f"{other.url}/api/v2/query")) as address:
        with pytest.raises(StoreRefused, match="HTTP 302"):
            Bucket(connection_at(address)).query("from()", bytes)
        assert other.requests == []


# ------------------------------------------------------------------------------ what may be asked


# As wide as numbers get: 17 digits.
WIDE = 54321.123456789012


def test_a_month_of_minutes_fits_into_one_answer(influx: InfluxServer, store: InfluxStore) -> None:
    frame = candles_at([NOV + MINUTE * number for number in range(1440)], WIDE / 3)
    store.write_candles(MINUTELY, frame, NOV, DEC)
    script = flux.values(influx.bucket, OHLCV, series_tags(MINUTELY), NOV, DEC)
    day = Bucket(connection_to(influx)).query(script, len)
    assert day > 1440 * len(OHLCV.fields) * 40
    assert 31 * day < OF_QUERY / 2


def test_a_month_of_forecasts_of_both_roles_fits_into_one_answer(
    influx: InfluxServer, store: InfluxStore
) -> None:
    for role in ("champion", "challenger"):
        made = forecasts_at([NOV], WIDE, role, version="v20261101T000000-har-quantiles")
        store.add_forecasts(HOURLY, made)
    script = flux.values(influx.bucket, FORECAST, series_tags(HOURLY), NOV, DEC)
    origin = Bucket(connection_to(influx)).query(script, len)
    assert origin > 48 * len(FORECAST.fields) * 40
    assert 31 * 24 * origin < OF_QUERY


def test_a_range_that_is_too_long_for_one_answer_is_read_in_parts(
    influx: InfluxServer, store: InfluxStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    candles = candles_at([NOV + MINUTE * number for number in range(0, 4320, 2)])
    forecasts = forecasts_at([NOV + HOUR * number for number in range(6)])
    store.write_candles(MINUTELY, candles, NOV, DEC)
    store.add_forecasts(HOURLY, forecasts)
    monkeypatch.setattr(bucket_module, "OF_QUERY", 50_000)
    before = len(influx.asked(QUERY))
    assert_same(store.read_candles(MINUTELY, NOV, DEC), candles)
    assert len(influx.asked(QUERY)) - before > 10
    assert_same(
        store.read_candles(MINUTELY, NOV + HOUR, NOV + DAY), candles[30:720].reset_index(drop=True)
    )
    assert len(store.read_forecasts(HOURLY, NOV, DEC)) == len(forecasts)
    more = candles_at([NOV + MINUTE * number for number in range(1, 4320, 2)], 20.0)
    assert store.merge_candles(MINUTELY, more, NOV, DEC).rows_changed == 2160
    assert len(store.read_candles(MINUTELY, NOV, DEC)) == 4320


def test_a_single_instant_that_is_too_long_is_an_outage(
    store: InfluxStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write_candles(HOURLY, candles_at([NOV]), NOV, DEC)
    monkeypatch.setattr(bucket_module, "OF_QUERY", 200)
    with pytest.raises(AnswerTooLong, match="more than 0 kB"):
        store.read_candles(HOURLY, NOV, NOV + HOUR)


def test_more_points_than_a_range_can_have_are_corrupt(tmp_path: Path) -> None:
    """As when another program writes the same candles with a tag of its own."""
    fields = ("open", "high", "low", "close", "volume")
    times = ("2026-11-01T00:00:00Z", "2026-11-01T00:30:00Z")
    rows = b"".join(point(name, "1", time) for name in fields for time in times)
    with serving(after_the_market(body(table("double", rows)))) as address:
        store = InfluxStore(connection_at(address), "sandbox", tmp_path)
        assert len(store.read_candles(HOURLY, NOV, NOV + 2 * HOUR)) == 2
        with pytest.raises(CorruptArtefact, match=r"has 2 points of candles of .*; at most 1 and"):
            store.read_candles(HOURLY, NOV, NOV + HOUR)


def test_ledgers_that_are_too_long_together_are_read_one_by_one(
    store: InfluxStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [series_of("1h", f"C{number}/USDT") for number in range(12)]
    for each in many:
        store.update_ledger(each, lambda ledger: replace(ledger, listed=NOV))
    monkeypatch.setattr(bucket_module, "OF_QUERY", 900)
    with pytest.raises(AnswerTooLong):
        store._ledgers.documents()  # type: ignore[attr-defined]
    snapshot = store.snapshot(many)
    assert [snapshot.read_ledger(each).listed for each in many] == [NOV] * 12


# -------------------------------------------------------------------------------------- memory

# The hungriest that take little time.
USUAL = {"a bomb", "many fields"}
# Lies that look like what a series can have.
READ = {"revisions of zeros", "revisions without a time", "many months"}


@pytest.mark.parametrize(
    "is_usual", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["usual", "others"]
)
def test_no_answer_takes_much_memory(is_usual: bool) -> None:
    with ExitStack() as servers:
        arguments, names = [], []
        for kind, lies in LIES.items():
            for name in [each for each in lies if (each in USUAL) == is_usual]:
                answer = lies[name]()
                if kind != "bucket":
                    answer = after_the_market(answer)
                arguments += [kind, servers.enter_context(serving(answer))]
                names.append(name)
        command = [sys.executable, "-m", "coin_assets_tests.store.influxdb_reader", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert not done.returncode, done.stderr
    *outcomes, peak = done.stdout.splitlines()
    typed = {"AnswerTooLong", "StoreUnavailable", "StoreRefused", "CorruptArtefact"}
    found = dict(zip(names, outcomes, strict=True))
    assert {name for name, outcome in found.items() if outcome not in typed} <= READ, found
    assert int(peak) < 600, found
