"""Runs of the past in a real instance, and all that statuses say of its assets and checks."""

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import sqlalchemy as db
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluation,
    AssetCheckEvaluationPlanned,
)
from dagster._core.definitions.data_version import DATA_VERSION_TAG
from dagster._core.definitions.events import (
    AssetMaterializationFailure,
    AssetMaterializationFailureReason,
    AssetMaterializationFailureType,
)
from dagster._core.definitions.freshness import FreshnessState, FreshnessStateChange
from dagster._core.events import (
    AssetFailedToMaterializeData,
    AssetMaterializationPlannedData,
    AssetObservationData,
    DagsterEvent,
    StepMaterializationData,
)
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value
from dagster._core.storage.runs.schema import RunsTable
from dagster._core.utils import make_new_run_id
from dagster_shared.record import copy

from coin_assets.orchestration.sensors.runs import job_failures

_EVENTS = SqlEventLogStorageTable.c
Kind = dg.DagsterEventType
NOW = datetime(2026, 11, 28, 4, tzinfo=UTC)
DAY = timedelta(days=1)
MONTHS = ("2026-09-01", "2026-10-01", "2026-11-01")
PARTITIONS = dg.StaticPartitionsDefinition(list(MONTHS))
ASSETS = (dg.AssetKey(["BTC", "ohlcv"]), dg.AssetKey(["BTC", "published"]))
CHECKS = tuple(dg.AssetCheckKey(asset, name) for asset in ASSETS for name in ("gaps", "age"))
JOBS = ("update", "train_models")
_STATUSES = {
    dg.DagsterRunStatus.SUCCESS: Kind.RUN_SUCCESS,
    dg.DagsterRunStatus.FAILURE: Kind.RUN_FAILURE,
    dg.DagsterRunStatus.CANCELED: Kind.RUN_CANCELED,
}


@dataclass(frozen=True)
class Said:
    """One event of a run: of an asset and month, or of a check."""

    kind: Kind
    asset: dg.AssetKey = ASSETS[0]
    month: str | None = None
    check: str = "gaps"
    passed: bool = True


@contextmanager
def instance_in(folder: Path, template: Path | None = None) -> Iterator[dg.DagsterInstance]:
    """An instance as ``dagster.yaml`` describes it, with its records in ``folder``."""
    if template is not None:
        shutil.copytree(template, folder, dirs_exist_ok=True)
    root = Path(__file__).parents[3]
    with (
        _variable("COIN_DAGSTER_HOME", str(folder)),
        dg.DagsterInstance.from_config(str(root)) as instance,
    ):
        yield instance


def record_run(
    instance: dg.DagsterInstance,
    ended: datetime,
    events: Sequence[Said] = (),
    *,
    job: str = "update",
    status: dg.DagsterRunStatus = dg.DagsterRunStatus.SUCCESS,
) -> str:
    """Record a run that ended at a time, or still runs, and a line in its log; returns its id."""
    run = dg.DagsterRun(job, run_id=make_new_run_id())
    _add(instance, run)
    if status is not dg.DagsterRunStatus.QUEUED:
        _report(instance, run.run_id, ended, DagsterEvent(Kind.RUN_START.value, job))
    for event in events:
        _report(instance, run.run_id, ended, _event(event, job))
    if status in _STATUSES:
        _report(instance, run.run_id, ended, DagsterEvent(_STATUSES[status].value, job))
    _set_times(instance, run.run_id, ended)
    log = instance.compute_log_manager.get_captured_local_path(  # type: ignore[attr-defined]
        [run.run_id, "compute_logs", "step"], "err"
    )
    Path(log).parent.mkdir(parents=True)
    Path(log).write_text("a line\n" * 100)
    return run.run_id


def _add(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    instance.add_run(run)
    if isinstance(instance.event_log_storage, SqliteEventLogStorage):
        path = Path(instance.event_log_storage.path_for_shard(run.run_id))
        path.write_bytes(_empty_database())  # Dagster takes long to create one


def _set_times(instance: dg.DagsterInstance, run_id: str, ended: datetime) -> None:
    times = {name: ended.replace(tzinfo=None) for name in ("create_timestamp", "update_timestamp")}
    with instance.run_storage.connect() as connection:  # type: ignore[attr-defined]
        connection.execute(db.update(RunsTable).where(RunsTable.c.run_id == run_id).values(**times))


def record_copy(
    instance: dg.DagsterInstance,
    run: dg.DagsterRun,
    entries: Sequence[dg.EventLogEntry],
    run_id: str,
    ended: datetime,
    last: float,
) -> None:
    """Record a run again, under another id, so that its time ``last`` becomes ``ended``."""
    shift = ended.timestamp() - last
    _add(instance, copy(run, run_id=run_id))
    instance.event_log_storage.store_event_batch(
        [entry._replace(run_id=run_id, timestamp=entry.timestamp + shift) for entry in entries]
    )
    _set_times(instance, run_id, ended)


@cache
def _empty_database() -> bytes:
    """A database of the events of a run, without events."""
    with tempfile.TemporaryDirectory() as folder:
        storage = SqliteEventLogStorage(folder)
        with storage.run_connection("a_run"):
            pass
        return Path(storage.path_for_shard("a_run")).read_bytes()


def record_without_run(instance: dg.DagsterInstance, at: datetime, event: Said) -> None:
    """Record an event as sensors and the freshness daemon do."""
    _report(instance, "", at, _event(event, "__ASSET_JOB"))


def newest_events(instance: dg.DagsterInstance) -> list[Any]:
    """The newest event of each type, asset and month, failures among them."""
    newest = (
        db.select(db.func.max(_EVENTS.id))
        .where(_EVENTS.asset_key.isnot(None))
        .group_by(_EVENTS.asset_key, _EVENTS.dagster_event_type, _EVENTS.partition)
    )
    query = db.select(SqlEventLogStorageTable).where(_EVENTS.id.in_(newest))
    with instance.event_log_storage.index_connection() as index:  # type: ignore[attr-defined]
        return list(index.execute(query.order_by(_EVENTS.id)).all())


def statuses(instance: dg.DagsterInstance) -> dict[str, Any]:
    """All that the web UI, sensors and alerts read of assets, checks and jobs."""
    storage = instance.event_log_storage
    found: dict[str, Any] = {
        "newest": newest_events(instance),
        "checks": storage.get_latest_asset_check_execution_by_key(CHECKS),
        "check summaries": storage.get_asset_check_summary_records(CHECKS),
        "check partitions": storage.get_asset_check_partition_info(list(CHECKS)),
        "freshness": storage.get_freshness_state_records(ASSETS),
        "jobs": {job: job_failures(instance, job) for job in JOBS},
    }
    for record in instance.get_asset_records(ASSETS):
        entry = record.asset_entry
        run = entry.last_run_id and instance.get_run_by_id(entry.last_run_id)
        found[f"record {entry.asset_key}"] = (entry.last_materialization_record, run)
    for asset in ASSETS:
        found[str(asset)] = _asset_status(instance, asset)
    return found


def _asset_status(instance: dg.DagsterInstance, asset: dg.AssetKey) -> dict[str, Any]:
    storage = instance.event_log_storage
    newest: dict[str, Any] = {}
    for month in (None, *MONTHS):
        chosen = dg.AssetRecordsFilter(asset, asset_partitions=month and [month])
        newest[f"{month} made"] = instance.fetch_materializations(chosen, limit=1).records
        newest[f"{month} seen"] = instance.fetch_observations(chosen, limit=1).records
        newest[f"{month} planned"] = storage.get_latest_planned_materialization_info(asset, month)
    attempts = storage.get_latest_asset_partition_materialization_attempts_without_materializations
    storage.wipe_asset_cached_status(asset)
    return newest | {
        "partitions": instance.get_materialized_partitions(asset),
        "ids": storage.get_latest_storage_id_by_partition(asset, Kind.ASSET_MATERIALIZATION),
        "tags": storage.get_latest_tags_by_partition(
            asset, Kind.ASSET_MATERIALIZATION, [DATA_VERSION_TAG]
        ),
        "attempts": attempts(asset),
        "cache": get_and_update_asset_status_cache_value(instance, asset, PARTITIONS),
    }


def _report(instance: dg.DagsterInstance, run_id: str, at: datetime, event: DagsterEvent) -> None:
    instance.handle_new_event(
        dg.EventLogEntry(  # type: ignore[no-untyped-call]
            error_info=None,
            level=logging.INFO,
            user_message="",
            run_id=run_id,
            timestamp=at.timestamp(),
            step_key=None,
            job_name=event.job_name,
            dagster_event=event,
        )
    )


def _event(said: Said, job: str) -> DagsterEvent:
    return DagsterEvent(said.kind.value, job, event_specific_data=_data(said))


def _data(said: Said) -> Any:
    if said.kind is Kind.ASSET_MATERIALIZATION:
        return StepMaterializationData(
            dg.AssetMaterialization(said.asset, partition=said.month, tags={DATA_VERSION_TAG: "1"})
        )
    if said.kind is Kind.ASSET_OBSERVATION:
        return AssetObservationData(dg.AssetObservation(said.asset, partition=said.month))
    if said.kind is Kind.ASSET_MATERIALIZATION_PLANNED:
        return AssetMaterializationPlannedData(said.asset, partition=said.month)
    if said.kind is Kind.ASSET_FAILED_TO_MATERIALIZE:
        return AssetFailedToMaterializeData(
            AssetMaterializationFailure(
                asset_key=said.asset,
                partition=said.month,
                failure_type=AssetMaterializationFailureType.FAILED,
                reason=AssetMaterializationFailureReason.FAILED_TO_MATERIALIZE,
            )
        )
    if said.kind is Kind.FRESHNESS_STATE_CHANGE:
        return FreshnessStateChange(
            key=said.asset,
            new_state=FreshnessState.PASS if said.passed else FreshnessState.FAIL,
            previous_state=FreshnessState.UNKNOWN,
            state_change_timestamp=0.0,
        )
    if said.kind is Kind.ASSET_CHECK_EVALUATION_PLANNED:
        return AssetCheckEvaluationPlanned(asset_key=said.asset, check_name=said.check)
    return AssetCheckEvaluation(
        asset_key=said.asset, check_name=said.check, passed=said.passed, metadata={}
    )


@contextmanager
def _variable(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before
