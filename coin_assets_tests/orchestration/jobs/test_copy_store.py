"""``copy_store``: the chosen series end up equal in both stores, whichever way they go.

The copy of one series is tested with the step. Here the two stores are folders, and at the end a
folder and a bucket.
"""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from coin_assets.config.settings import Settings
from coin_assets.errors import StoreUnavailable
from coin_assets.orchestration.build import series_specs
from coin_assets.orchestration.jobs.copy_store import copy_store_job
from coin_assets.pipeline.copy_store import MonthCopied, StoreCopy
from coin_assets.store.base import Store
from coin_assets.store.influxdb.connection import Connection
from coin_assets.store.influxdb.store import InfluxStore
from coin_assets.store.parquet import ParquetStore
from coin_assets_tests.influx.in_use import influx_in_use
from coin_assets_tests.influx.server import InfluxServer
from coin_assets_tests.platform import BTC, ETH, Platform, failures, files_of, series, utc
from coin_assets_tests.store.contract import candles_at, forecasts_at, hours

START, END = utc("2024-01-01"), utc("2024-03-01")
DAILY, HOURLY = series("1d"), series("1h")


class Two:
    """A settled installation with an embedded store, and a second store to copy to."""

    def __init__(self, folder: Path) -> None:
        self.homes = {"parquet": folder / "home", "influxdb": folder / "other"}
        self.closed: list[str] = []
        self.instance = dg.DagsterInstance.ephemeral()
        settings = Settings(
            home=self.homes["parquet"], symbols=f"{BTC},{ETH}", derived_timeframes="1d"
        )
        openers = {name: self._opener(name) for name in self.homes}
        self.job = copy_store_job(series_specs(settings), openers, "parquet")

    def store(self, name: str = "parquet") -> ParquetStore:
        return ParquetStore(self.homes[name])

    def files(self, name: str) -> dict[str, bytes]:
        return files_of(self.homes[name])

    def run(self, **config: Any) -> dg.ExecuteInProcessResult:
        return self.job.execute_in_process(
            run_config=config, instance=self.instance, raise_on_error=False
        )

    def _opener(self, name: str) -> "Opener":
        return Opener(self.homes[name], name, self.closed)


class Opener:
    """Opens a store that records when it is closed."""

    def __init__(self, home: Path, name: str, closed: list[str]) -> None:
        self.home, self.name, self.closed = home, name, closed

    def __call__(self) -> Store:
        store = ParquetStore(self.home)
        store.close = lambda: self.closed.append(self.name)  # type: ignore[method-assign]
        return store


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Two]:
    two = Two(tmp_path)
    for symbol in (BTC, ETH):
        store = two.store()
        store.write_candles(series("1h", symbol), hours(START, 1440), START, END)
        daily = candles_at([START, utc("2024-02-10")])
        store.write_candles(series("1d", symbol), daily, START, END)
        store.add_forecasts(series("1d", symbol), forecasts_at([utc("2024-02-11")]))
    yield two
    assert two.closed.count("parquet") == two.closed.count("influxdb")


def metadata_of(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    (output,) = [
        event.step_output_data for event in result.all_events if event.is_successful_output
    ]
    return {name: value.value for name, value in output.metadata.items()}


def test_all_series_go_to_the_other_store_and_back(two: Two) -> None:
    ours = two.files("parquet")
    result = two.run()
    assert result.success
    assert two.files("influxdb") == ours
    assert metadata_of(result) | {"series": ""} == {
        "candles": 2 * 1442,
        "forecasts": 2 * 24,
        "revisions": 0,
        "months_changed": 8,
        "series": "",
    }
    two.store("influxdb").merge_candles(HOURLY, hours(END, 5), END, utc("2024-04-01"))
    assert two.run(source="influxdb").success
    assert two.files("parquet") == two.files("influxdb") != ours


def test_the_log_has_each_month_with_its_rate(two: Two) -> None:
    results = [two.run(symbols=[BTC]) for _ in range(2)]
    logs = [two.instance.all_logs(result.run_id) for result in results]
    text = "\n".join(entry.user_message for entries in logs for entry in entries)
    assert "copying 2 series from parquet to influxdb" in text
    assert "BTC/USDT 1h 2024-01: 744 candles (" in text
    assert "BTC/USDT 1d 2024-02: 1 candles, 24 forecasts (" in text
    assert "rows/s)" in text
    assert "BTC/USDT 1h: equal already (1440 candles, 0 forecasts, 0 revisions)" in text
    assert "2 of 2 series done" in text


def test_only_chosen_series_are_copied(two: Two) -> None:
    assert two.run(symbols=[ETH], timeframes=["1d"]).success
    assert {name.split("/")[1] for name in two.files("influxdb")} == {"symbol=ETH_USDT"}
    assert {name.split("/")[2] for name in two.files("influxdb")} == {"timeframe=1d"}


def test_a_dry_run_writes_nothing(two: Two) -> None:
    result = two.run(dry_run=True)
    assert metadata_of(result)["months_changed"] == 8
    assert two.files("influxdb") == {}


def test_one_series_that_is_refused_leaves_the_others(two: Two) -> None:
    surplus = candles_at([utc("2024-02-20")])
    two.store("influxdb").merge_candles(DAILY, surplus, utc("2024-02-01"), END)
    result = two.run()
    (message,) = failures(result).values()
    assert (
        "1 of 4 series failed: BTC/USDT 1d: BTC/USDT 1d: the target has candles up to 2024-02-20"
        in message
    )
    assert "launch the job again" in message
    other = series("1d", ETH)
    assert two.store("influxdb").extent(other) == two.store().extent(other)
    assert two.store("influxdb").extent(HOURLY) == two.store().extent(HOURLY)
    assert two.run(overwrite=True).success
    assert two.files("influxdb") == two.files("parquet")


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"source": "parquet", "target": "parquet"}, "source and target are both 'parquet'"),
        ({"target": "parquet"}, "source and target are both 'parquet'"),
        ({"source": "influx"}, "'influx' is not a kind of store. Use one of"),
        ({"symbols": ["BTCUSDT"]}, "BTCUSDT"),
    ],
)
def test_wrong_settings_are_refused(two: Two, config: dict[str, Any], words: str) -> None:
    (message,) = failures(two.run(**config)).values()
    assert words in message
    assert two.files("influxdb") == {}


# ------------------------------------------------------------------------- to a server and back


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[InfluxServer]:
    with influx_in_use(monkeypatch) as server:
        yield server


def platform_at(home: Path, market: str = "sandbox") -> Platform:
    return Platform(home, now="2024-02-10T12:30", derived_timeframes="4h", market=market)


def history(home: Path) -> dict[str, bytes]:
    """What the store keeps, without what lies beside it."""
    parts = ("candles", "forecasts", "revisions", "ledger")
    return {name: text for name, text in files_of(home).items() if name.split("/")[0] in parts}


def test_history_moves_to_influxdb_and_back_unchanged(server: InfluxServer, tmp_path: Path) -> None:
    first = platform_at(tmp_path / "first")
    assert first.update("2024-01-01", "2024-02-01").success
    result = first.run("copy_store")
    assert result.success
    assert metadata_of(result)["forecasts"] > 0
    again = first.run("copy_store")
    assert metadata_of(again)["months_changed"] == 0

    second = platform_at(tmp_path / "second")
    assert second.run("copy_store", source="influxdb").success
    assert history(tmp_path / "second") == history(tmp_path / "first")
    assert len(history(tmp_path / "first")) == 6  # candles of two series, forecasts, a ledger
    for run in (result, again):
        log = "\n".join(str(entry) for entry in first.instance.all_logs(run.run_id))
        assert server.token not in log


def test_a_bucket_of_another_market_is_refused(server: InfluxServer, tmp_path: Path) -> None:
    sandbox = platform_at(tmp_path / "sandbox")
    assert sandbox.materialise(["BTC_USDT/ohlcv_1h"], "2024-01-01").success
    assert sandbox.run("copy_store").success
    other = platform_at(tmp_path / "other", "ccxt:binance")
    (message,) = failures(other.run("copy_store")).values()
    assert "sandbox" in message
    assert server.token not in message


def test_a_server_that_goes_away_is_gone_on_with_when_it_is_back(
    server: InfluxServer, tmp_path: Path
) -> None:
    connection = Connection(
        server.url, server.org, server.bucket, server.token, patience_seconds=0.5
    )
    ours = ParquetStore(tmp_path / "home")
    ours.write_candles(HOURLY, hours(START, 4000), START, utc("2024-07-01"))
    ours.add_forecasts(HOURLY, forecasts_at([utc("2024-05-02")]))
    copied_months: list[str] = []

    def progress(month: MonthCopied) -> None:
        copied_months.append(month.label)
        if len(copied_months) == 2:
            server.down()

    with closing(InfluxStore(connection, "sandbox", tmp_path / "locks")) as theirs:
        with pytest.raises(StoreUnavailable):
            StoreCopy(ours, theirs, progress=progress).copy(HOURLY)
        server.up()
        done = StoreCopy(ours, theirs, progress=progress).copy(HOURLY)
        assert copied_months == [f"2024-{month:02d}" for month in range(1, 7)]
        assert done.rows == {"candles": 4000, "forecasts": 24, "revisions": 0}
        assert theirs.read_candles(HOURLY, START, END).equals(ours.read_candles(HOURLY, START, END))


@pytest.mark.usefixtures("server")
def test_what_the_other_store_needs_is_reported_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["INFLUXDB_V2_URL", "INFLUXDB_V2_TOKEN", "INFLUXDB_V2_ORG", "COIN_INFLUXDB_BUCKET"]
    for name in names[1:]:
        monkeypatch.delenv(name)
    (message,) = failures(platform_at(tmp_path).run("copy_store")).values()
    assert message.startswith(f"{', '.join(names[1:])}: not set")
    assert "make up and restart it" in message
    monkeypatch.delenv(names[0])
    (message,) = failures(platform_at(tmp_path).run("copy_store")).values()
    assert message.startswith(f"{', '.join(names)}: not set")
