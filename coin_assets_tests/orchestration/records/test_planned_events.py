"""A large run is recorded in a few transactions, and is not taken for a dead one meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as db
import yaml  # type: ignore[import-untyped]

from coin_assets.domain.layers import CANDLES, Task
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe
from coin_assets.orchestration.build import series_specs
from coin_assets.orchestration.dead_runs import end_dead_runs
from coin_assets.orchestration.sensors.runs import runs_of
from coin_assets.planning.splitting import MOST_SYMBOLS
from coin_assets_tests.orchestration.records.homes import open_home
from coin_assets_tests.platform import BTC, Platform, utc
from coin_assets_tests.webui import ROOT

NOW = "2024-02-10T12:30"
MANY = 800


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "2000")
    with open_home(tmp_path / "dagster") as opened:
        yield opened


@contextmanager
def counted() -> Iterator[list[int]]:
    """The commits of all databases, as one number."""
    count = [0]

    def committed(_connection: db.engine.Connection) -> None:
        count[0] += 1

    db.event.listen(db.engine.Engine, "commit", committed)
    try:
        yield count
    finally:
        db.event.remove(db.engine.Engine, "commit", committed)


def job_of(count: int) -> dg.JobDefinition:
    def made(number: int) -> dg.AssetsDefinition:
        @dg.asset(name=f"asset_{number}")
        def asset() -> None:
            """Never run."""

        return asset

    definitions = dg.Definitions(
        assets=[made(number) for number in range(count)], jobs=[dg.define_asset_job("update")]
    )
    return definitions.resolve_job_def("update")


def created(instance: dg.DagsterInstance, job: dg.JobDefinition) -> dg.DagsterRun:
    return instance.create_run_for_job(
        job, asset_selection=frozenset(job.asset_layer.selected_asset_keys)
    )


def test_800_planned_events_take_as_many_transactions_as_8(instance: dg.DagsterInstance) -> None:
    small, large = job_of(8), job_of(MANY)
    for job in (small, large):  # stores the snapshots of the jobs
        created(instance, job)
    with counted() as of_small:
        created(instance, small)
    with counted() as of_large:
        run = created(instance, large)
    planned = dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED
    assert len(instance.all_logs(run.run_id, of_type=planned)) == MANY
    assert of_large == of_small
    assert of_large[0] < 30


def test_a_run_that_is_being_recorded_is_in_flight_and_lives(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    platform = Platform(tmp_path / "home", NOW)
    platform.instance = instance
    (request,) = platform.tick("candles_due").run_requests or []
    run = dg.DagsterRun(
        "update",
        status=dg.DagsterRunStatus.NOT_STARTED,
        asset_selection=frozenset(request.asset_selection or ()),
        tags={**request.tags, "dagster/partition": str(request.partition_key)},
    )
    instance.add_run(run)
    specs = series_specs(platform.settings)
    later = platform.overrides["clock"].machine_time() + timedelta(minutes=5)
    assert end_dead_runs(instance) == []
    runs = runs_of(instance, specs, later, utc("2024-02-01"))
    assert (Task(Series(BTC, Timeframe.parse("1h")), CANDLES), utc("2024-02-01")) in runs.in_flight
    assert not platform.tick("candles_due").run_requests


@pytest.mark.parametrize("file", ["dagster.yaml", "deploy/dagster.yaml"])
def test_the_monitor_waits_until_five_runs_of_many_symbols_have_loaded(file: str) -> None:
    config: dict[str, Any] = yaml.safe_load((ROOT / file).read_text())
    load_seconds, cores, busy = 15, 2, 5
    at_once = config["concurrency"]["runs"]["max_concurrent_runs"]
    needed = load_seconds * at_once / cores * busy
    assert config["run_monitoring"]["start_timeout_seconds"] >= needed
    assert MOST_SYMBOLS * 5 * 5 < 2000  # the planned events of a run are one batch
