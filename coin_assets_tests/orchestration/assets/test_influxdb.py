"""The platform on InfluxDB: the same files as on Parquet, and every fault is reported."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from coin_assets.orchestration.build import configured_resources
from coin_assets.store.influxdb.store import InfluxStore
from coin_assets_tests.impatience import lessen_patience
from coin_assets_tests.influx.faults import FOREVER, WRITE
from coin_assets_tests.influx.in_use import influx_in_use
from coin_assets_tests.influx.server import InfluxServer
from coin_assets_tests.platform import Platform, failures, files_of

NOW, MONTHS = "2024-05-10T12:30", ("2024-01-01", "2024-05-01")


@pytest.fixture
def influx(monkeypatch: pytest.MonkeyPatch) -> Iterator[InfluxServer]:
    with influx_in_use(monkeypatch) as influx:
        yield influx


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store gives up soon."""
    lessen_patience(monkeypatch)


def opened(home: Path, store: str, **settings: Any) -> Platform:
    platform = Platform(home, now=NOW, store=store, **({"derived_timeframes": "4h,1d"} | settings))
    platform.retries = 0
    return platform


@pytest.mark.slow
def test_the_whole_main_job_publishes_the_same_files_as_on_parquet(
    tmp_path: Path, influx: InfluxServer
) -> None:
    parquet, other = opened(tmp_path / "parquet", "parquet"), opened(tmp_path / "other", "influxdb")
    for platform in (parquet, other):
        assert platform.update(*MONTHS).success
    assert isinstance(other.store, InfluxStore)
    assert files_of(other.published) == files_of(parquet.published)
    assert not (tmp_path / "other" / "candles").exists()
    # A clock that goes on, a live run, and the sensors that find it.
    requested = []
    for platform in (parquet, other):
        platform.now = "2024-05-10T17:00"
        found = [*platform.settle("candles_due"), *platform.settle("publish_due")]
        requested.append([(each.job_name, each.partition_key) for each in found])
    assert requested[1] == requested[0] != []
    assert files_of(other.published) == files_of(parquet.published)
    assert other.update(MONTHS[1]).success  # the version trained meanwhile forecasts, too
    sent = sum(request.lines for request in influx.asked(WRITE))
    assert other.update(MONTHS[1]).success
    assert sum(request.lines for request in influx.asked(WRITE)) == sent


SPOILS: dict[str, tuple[Callable[[InfluxServer], object], str]] = {
    "gone": (InfluxServer.down, "See that it is running and reachable"),
    "writes fail": (
        lambda server: server.faults.fail(WRITE, 503, FOREVER),
        "See that it is running and reachable",
    ),
    "token revoked": (InfluxServer.revoke, "Set INFLUXDB_V2_TOKEN"),
}


@pytest.mark.parametrize(
    "spoil",
    ["gone", *(pytest.param(name, marks=pytest.mark.slow) for name in list(SPOILS)[1:])],
)
@pytest.mark.usefixtures("impatient")
def test_assets_fail_loudly_and_the_next_run_repairs(
    tmp_path: Path, influx: InfluxServer, spoil: str
) -> None:
    undisturbed = opened(tmp_path / "parquet", "parquet")
    assert undisturbed.update(*MONTHS).success
    platform = opened(tmp_path / "other", "influxdb")
    break_it, remedy = SPOILS[spoil]
    break_it(influx)
    run = platform.update(*MONTHS)
    assert not run.success
    failed = failures(run)
    assert "BTC_USDT__ohlcv_1h" in failed
    assert all(remedy in message and influx.url in message for message in failed.values())
    assert influx.token not in str(failed)
    influx.faults.clear()
    influx.accept()
    influx.up()
    assert platform.update(*MONTHS).success
    assert files_of(platform.published) == files_of(undisturbed.published)


def test_no_definition_and_no_run_shows_the_token(tmp_path: Path, influx: InfluxServer) -> None:
    token = "hush-hush-token"  # noqa: S105
    influx.accept(token)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INFLUXDB_V2_TOKEN", token)
        platform = opened(tmp_path, "influxdb", derived_timeframes="")
        store = configured_resources(platform.settings).store
        assert store.connection().token == token
        run = platform.materialise(["BTC_USDT/ohlcv_1h"], *MONTHS)
        assert run.success
        shown = [repr(platform.definitions), repr(store), str(store.model_dump())]
    shown += [str(event) for event in run.all_events]
    assert token not in "".join(shown)
