"""The store on InfluxDB 2: the store contract, and what its requests promise.

- Only rows that changed are sent, in requests of 5,000 lines, compressed; repeating sends nothing.
- Series have exactly the agreed tags; the newest of any number of keys is one request.
- A bucket belongs to one market. The token is in no message, log or representation.
- The client library is imported with the first request; Flux stays within the backend.
"""

import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

import coin_assets
from coin_assets.domain.candles.frame import empty_candles
from coin_assets.errors import ConfigurationError, CorruptArtefact, StoreRefused, StoreUnavailable
from coin_assets.store.base import Store, Written
from coin_assets.store.influxdb.connection import Connection
from coin_assets.store.influxdb.measurements import MEASUREMENTS
from coin_assets.store.influxdb.store import InfluxStore
from coin_assets_tests.influx.faults import QUERY, WRITE
from coin_assets_tests.influx.server import InfluxServer
from coin_assets_tests.store.contract import (
    DEC,
    HOUR,
    HOURLY,
    JAN,
    NOV,
    OCT,
    StoreContract,
    all_revisions,
    assert_same,
    candles_at,
    everything,
    forecasts_at,
    fresh_series,
    hours,
    revisions_at,
    series_of,
)
from coin_assets_tests.store.influxdb_buckets import a_server, connection_to, new_bucket


@pytest.fixture(scope="module")
def server() -> Iterator[Connection]:
    with a_server() as server:
        yield server


@pytest.mark.influxdb
class TestInfluxStore(StoreContract):
    """The contract, run by the store on InfluxDB 2; by a real server if one is named."""

    @pytest.fixture
    def store(self, server: Connection, tmp_path: Path) -> Iterator[Store]:
        with new_bucket(server) as connection:
            store = InfluxStore(connection, "sandbox", tmp_path)
            yield store
            store.close()


# ------------------------------------------------------------------------------ what is requested


def opened(influx: InfluxServer, locks: Path, patience: float = 5.0) -> InfluxStore:
    return InfluxStore(connection_to(influx, patience), "sandbox", locks)


def lines_sent(influx: InfluxServer) -> list[int]:
    """Lines of each write so far."""
    return [request.lines for request in influx.asked(WRITE)]


def requests_so_far(influx: InfluxServer) -> int:
    return len(influx.requests)


def minutes(count: int, price: float = 10.0) -> pd.DataFrame:
    return candles_at([NOV + timedelta(minutes=number) for number in range(count)], price)


def test_nobody_is_contacted_before_the_first_use(influx: InfluxServer, tmp_path: Path) -> None:
    opened(influx, tmp_path).close()
    assert influx.requests == []


def test_only_what_changed_is_sent(influx: InfluxServer, store: InfluxStore) -> None:
    store.write_candles(HOURLY, hours(NOV, 10), NOV, DEC)
    assert lines_sent(influx) == [1, 10, 1]  # the market, the candles, the month
    store.merge_candles(HOURLY, hours(NOV + 8 * HOUR, 3), NOV, DEC)
    assert lines_sent(influx)[3:] == [1]
    store.write_candles(HOURLY, hours(NOV, 10, price=20.0)[3:5], NOV + 3 * HOUR, NOV + 5 * HOUR)
    assert lines_sent(influx)[4:] == [2]


def test_repeating_sends_no_line_and_deletes_nothing(
    influx: InfluxServer, store: InfluxStore
) -> None:
    def write() -> list[Written]:
        return [
            store.write_candles(HOURLY, hours(NOV, 10), OCT, JAN),
            store.merge_candles(HOURLY, hours(NOV + HOUR, 5), NOV, DEC),
            store.merge_candles(HOURLY, empty_candles(), DEC, JAN),
            store.add_forecasts(HOURLY, forecasts_at([NOV, NOV + HOUR])),
            store.revise_forecasts(HOURLY, forecasts_at([NOV])),
            store.record_revisions(HOURLY, revisions_at([NOV, DEC], JAN)),
        ]

    write()
    store.update_ledger(HOURLY, lambda ledger: ledger.listed_at(NOV))
    sent = lines_sent(influx)
    assert sum(written.rows_changed for written in write()) == 0
    store.update_ledger(HOURLY, lambda ledger: ledger.listed_at(NOV))
    assert lines_sent(influx) == sent
    assert influx.asked("/api/v2/delete") == []


@pytest.mark.parametrize("count", [4_999, 5_000, 5_001, 12_000])
def test_writes_go_out_in_chunks_compressed_and_whole(
    influx: InfluxServer, store: InfluxStore, count: int
) -> None:
    series = series_of("1m")
    store.write_candles(series, minutes(count), NOV, DEC)
    chunks = lines_sent(influx)[1:-1]
    assert chunks == [5_000] * (count // 5_000) + [count % 5_000] * (count % 5_000 > 0)
    requests = influx.asked(WRITE)
    assert all(request.gzipped and request.query["precision"] == "s" for request in requests)
    assert max(request.size for request in requests) < 100_000
    assert_same(everything(store, series), minutes(count))


def test_only_writes_are_compressed(influx: InfluxServer, store: InfluxStore) -> None:
    store.write_candles(HOURLY, hours(NOV, 10), NOV, DEC)
    store.delete_candles(HOURLY, NOV, DEC)
    assert {request.path for request in influx.requests if request.gzipped} == {WRITE}
    assert not [request for request in influx.requests if request.wants_gzip]


def test_a_window_write_deletes_by_few_ranges(influx: InfluxServer, store: InfluxStore) -> None:
    store.write_candles(HOURLY, hours(NOV, 100), NOV, DEC)
    kept = hours(NOV, 100).drop(index=[*range(10, 20), 30, 31, 99])
    assert store.write_candles(HOURLY, kept, NOV, DEC).rows_changed == 13
    assert len(influx.asked("/api/v2/delete")) == 3
    assert_same(everything(store, HOURLY), kept.reset_index(drop=True))


def test_the_newest_of_many_keys_is_one_request(influx: InfluxServer, store: InfluxStore) -> None:
    series_list = [fresh_series("1h") for _ in range(8)]
    for number, series in enumerate(series_list):
        store.write_candles(series, hours(NOV, number + 1), NOV, DEC)
        store.add_forecasts(series, forecasts_at([NOV + HOUR * number]))
    for ask in (store.newest_candles, store.newest_forecasts):
        before = requests_so_far(influx)
        assert ask(series_list) == {
            series: NOV + HOUR * number for number, series in enumerate(series_list)
        }
        assert requests_so_far(influx) == before + 1
        assert ask([]) == {}
        assert requests_so_far(influx) == before + 1


def test_what_sensors_ask_of_one_key_is_a_request_or_three(
    influx: InfluxServer, store: InfluxStore
) -> None:
    store.write_candles(HOURLY, hours(NOV, 5), NOV, DEC)
    for ask, most in (
        (store.fetched_months, 1),
        (store.read_ledger, 1),
        (store.extent, 3),
        (lambda series: store.count_candles(series, NOV, DEC), 1),
        (lambda series: store.read_candles(series, OCT, JAN), 1),
        (lambda series: store.newest_candles([series]), 1),
    ):
        before = requests_so_far(influx)
        ask(HOURLY)
        assert requests_so_far(influx) == before + most


def test_series_have_exactly_the_agreed_tags(influx: InfluxServer, store: InfluxStore) -> None:
    store.write_candles(HOURLY, hours(NOV, 2), NOV, DEC)
    store.add_forecasts(HOURLY, forecasts_at([NOV]))
    store.record_revisions(HOURLY, revisions_at([NOV], DEC))
    store.update_ledger(HOURLY, lambda ledger: ledger.listed_at(NOV))
    columns = influx.database.bucket(influx.bucket).columns
    expected = {each.name: (each.tags, set(each.fields)) for each in MEASUREMENTS}
    found = {
        name: ({tag for tag, _ in tags}, set(fields)) for (name, tags), fields in columns.items()
    }
    assert found == expected
    assert len(columns) == 24 + 5  # 24 steps, and one series of each other measurement


def test_revisions_of_one_candle_are_one_point(influx: InfluxServer, store: InfluxStore) -> None:
    store.record_revisions(HOURLY, revisions_at([NOV, NOV + HOUR], DEC))
    sent = len(lines_sent(influx))
    store.record_revisions(HOURLY, revisions_at([NOV], JAN, price=30.0))
    assert lines_sent(influx)[sent:] == [1]
    assert all_revisions(store, HOURLY)["seen_at"].tolist() == [DEC, JAN, DEC]


def test_months_are_marked_last_and_unmarked_first(
    influx: InfluxServer, store: InfluxStore
) -> None:
    store.write_candles(HOURLY, hours(NOV, 3), NOV, DEC)
    before = requests_so_far(influx)
    store.write_candles(HOURLY, hours(DEC, 3), DEC, JAN)
    paths = [request.path for request in influx.requests[before:]]
    assert paths == [QUERY, WRITE, QUERY, QUERY, WRITE, QUERY]  # candles read back, then the month
    store.delete_candles(HOURLY, DEC, JAN)
    first, second = (request.text for request in influx.asked("/api/v2/delete"))
    assert "month" in first
    assert "ohlcv" in second
    assert store.fetched_months(HOURLY) == [NOV]


# ------------------------------------------------------------------------------- market and secrets


def test_a_bucket_belongs_to_one_market(influx: InfluxServer, tmp_path: Path) -> None:
    connection = connection_to(influx)
    InfluxStore(connection, "sandbox", tmp_path).newest_candles([HOURLY])
    for market in ("sandbox", "ccxt:binance"):
        other = InfluxStore(connection, market, tmp_path / market)
        if market == "sandbox":
            assert other.fetched_months(HOURLY) == []
            continue
        with pytest.raises(ConfigurationError, match="is claimed by 'sandbox'") as refusal:
            other.write_candles(HOURLY, hours(NOV, 1), NOV, DEC)
        assert "COIN_MARKET=sandbox" in str(refusal.value)
    assert lines_sent(influx) == [1]


REFUSALS = {
    401: "INFLUXDB_V2_TOKEN",
    403: "read and write access",
    404: "COIN_INFLUXDB_BUCKET",
    413: "Raise that limit",
    422: "retention",
    400: "InfluxDB 2.x",
}


@pytest.mark.parametrize("status", REFUSALS)
def test_refusals_say_what_to_do_and_are_not_repeated(
    influx: InfluxServer, store: InfluxStore, status: int
) -> None:
    store.newest_candles([HOURLY])
    influx.faults.fail(WRITE, status, times=100)
    with pytest.raises(StoreRefused, match=f"HTTP {status}") as refusal:
        store.write_candles(HOURLY, hours(NOV, 1), NOV, DEC)
    assert REFUSALS[status] in str(refusal.value)
    assert len(influx.asked(WRITE, status=status)) == 1


def test_points_that_the_retention_drops_are_named_as_such(tmp_path: Path) -> None:
    with InfluxServer(retention=3600) as influx:
        store = opened(influx, tmp_path, patience=0.2)
        with pytest.raises((StoreRefused, StoreUnavailable), match="retention"):
            store.write_candles(HOURLY, hours(OCT, 2), OCT, NOV)
        assert store.fetched_months(HOURLY) == []


def test_a_field_of_another_type_is_refused(influx: InfluxServer, store: InfluxStore) -> None:
    influx.database.write(influx.bucket, "ohlcv,symbol=X,timeframe=1h close=1i 0", "s")
    with pytest.raises(StoreRefused, match="type"):
        store.write_candles(HOURLY, hours(NOV, 2), NOV, DEC)
    assert store.fetched_months(HOURLY) == []


def test_half_a_point_of_somebody_else_is_refused(influx: InfluxServer, store: InfluxStore) -> None:
    influx.database.write(
        influx.bucket, "ohlcv,symbol=BTC/USDT,timeframe=1h close=1 1793491200", "s"
    )
    with pytest.raises(CorruptArtefact, match="Delete the points"):
        everything(store, HOURLY)


def test_the_token_is_shown_nowhere(
    influx: InfluxServer,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    store = opened(influx, tmp_path, patience=0.2)
    store.write_candles(HOURLY, hours(NOV, 3), NOV, DEC)
    shown = [repr(connection_to(influx)), str(connection_to(influx))]
    spoils: list[Callable[[], None]] = [
        influx.revoke,
        lambda: influx.faults.fail(QUERY, 503, times=50),
        influx.down,
    ]
    for spoil in spoils:
        spoil()
        with pytest.raises((StoreRefused, StoreUnavailable)) as error:
            store.read_candles(HOURLY, NOV, DEC)
        influx.accept()
        influx.faults.clear()
        assert error.value.__cause__ is None
        assert error.value.__context__ is None
        shown += [repr(error.value), str(error.getrepr(style="long", showlocals=False))]
    output = capfd.readouterr()
    assert influx.token not in "".join([*shown, caplog.text, output.out, output.err])


# -------------------------------------------------------------------------------------- boundaries


def test_flux_and_the_client_library_stay_within_the_backend() -> None:
    package = Path(coin_assets.__file__).parent
    backend = package / "store" / "influxdb"
    files = [path for path in package.rglob("*.py") if backend not in path.parents]
    assert len(files) > 100
    for path in files:
        text = path.read_text()
        assert not [word for word in ("from(bucket", "|>", "influxdb_client") if word in text], path
    flux = [path.name for path in backend.glob("*.py") if "|>" in path.read_text()]
    assert flux == ["flux.py"]


def test_the_client_library_is_not_imported_before_the_first_request(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from coin_assets.store.influxdb.connection import Connection\n"
        "from coin_assets.store.influxdb.store import InfluxStore\n"
        "store = InfluxStore(Connection('http://127.0.0.1:9', 'o', 'b', 't'), 'm', Path('.'))\n"
        "store.close()\n"
        "sys.exit('influxdb_client' in sys.modules)"
    )
    subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(coin_assets.__file__).parents[1]), "PATH": "/usr/bin:/bin"},
    )
