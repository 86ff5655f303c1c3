"""All questions that Dagster's UI, daemons and sensors put to an event log."""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import dagster as dg
from dagster._core.event_api import PartitionKeyFilter
from dagster_shared.record import copy

from coin_assets_tests.orchestration.records.generated import (
    ASSETS,
    CHECKS,
    NO_RUN,
    PARTITIONS,
    RUNS,
    STATUSES,
    Kind,
)
from coin_assets_tests.orchestration.records.homes import event_log

Answers = dict[str, Any]
_OF_PARTITIONS = (
    Kind.ASSET_MATERIALIZATION,
    Kind.ASSET_OBSERVATION,
    Kind.ASSET_MATERIALIZATION_PLANNED,
)


def answers(instance: dg.DagsterInstance) -> Answers:
    """What an instance answers; equal for equal records."""
    return dict(
        chain(
            _of_runs(instance),
            _of_assets(instance),
            chain.from_iterable(_of_asset(instance, asset) for asset in ASSETS),
            _of_checks(instance),
        )
    )


def latest(instance: dg.DagsterInstance) -> Answers:
    """What sensors ask for every few seconds: the newest check results and freshness states."""
    storage = event_log(instance)
    keys = [dg.AssetCheckKey(asset, check) for asset in ASSETS for check in CHECKS]
    records = storage.get_latest_asset_check_execution_by_key(keys)
    return {
        "executions": {key: _execution(record) for key, record in records.items()},
        "freshness": dict(storage.get_freshness_state_records(ASSETS)),
    }


def _pages(of: Any, *arguments: Any, **options: Any) -> list[Any]:
    """All pages of three, by cursor."""
    pages, cursor = [], None
    while True:
        page = of(*arguments, cursor=cursor, limit=3, **options)
        pages.append(page)
        if not page.has_more:
            return pages
        cursor = page.cursor


def _of_runs(instance: dg.DagsterInstance) -> Iterator[tuple[str, Any]]:
    storage = event_log(instance)
    for run_id in (*RUNS, NO_RUN):
        for ascending in (True, False):
            pages = _pages(instance.get_records_for_run, run_id, ascending=ascending)
            yield f"records of {run_id} {ascending}", pages
        some = {Kind.ASSET_MATERIALIZATION, Kind.RUN_SUCCESS}
        yield f"some of {run_id}", instance.get_records_for_run(run_id, of_type=some)
        yield f"partitions of {run_id}", storage.get_asset_partitions_for_run(run_id)
        yield f"statistics of {run_id}", storage.get_stats_for_run(run_id)
        yield f"steps of {run_id}", storage.get_step_stats_for_run(run_id)
    for run_id in RUNS:
        record = instance.get_run_record_by_id(run_id)
        yield (
            f"run {run_id}",
            record and (record.dagster_run, record.start_time, record.end_time),
        )
    for status in STATUSES:
        for ascending in (True, False):
            pages = _pages(instance.fetch_run_status_changes, status, ascending=ascending)
            yield f"changes to {status} {ascending}", pages
    for kind in (Kind.ENGINE_EVENT, Kind.ASSET_CHECK_EVALUATION):
        found = storage.get_event_records(dg.EventRecordsFilter(kind), limit=50)
        yield f"events {kind}", found


def _of_assets(instance: dg.DagsterInstance) -> Iterator[tuple[str, Any]]:
    storage = event_log(instance)
    records = instance.get_asset_records(list(ASSETS))
    yield "asset records", [_asset(record) for record in records]
    yield "asset keys", storage.get_asset_keys(limit=1)
    yield "last materialisations", storage.get_latest_materialization_events(ASSETS)
    yield "freshness", storage.get_freshness_state_records(ASSETS)


def _of_asset(instance: dg.DagsterInstance, asset: dg.AssetKey) -> Iterator[tuple[str, Any]]:
    storage, name = event_log(instance), asset.to_user_string()
    for ascending in (True, False):
        for of in (instance.fetch_materializations, instance.fetch_observations):
            yield f"{of.__name__} {name} {ascending}", _pages(of, asset, ascending=ascending)
    filtered = dg.AssetRecordsFilter(asset, asset_partitions=[PARTITIONS[0]])
    yield f"of a partition {name}", instance.fetch_materializations(filtered, limit=10)
    yield f"has {name}", storage.has_asset_key(asset)
    yield f"tags {name}", _tags(storage.get_event_tags_for_asset(asset))
    yield f"materialised {name}", storage.get_materialized_partitions(asset)
    attempts = storage.get_latest_asset_partition_materialization_attempts_without_materializations
    yield f"attempts {name}", attempts(asset)
    for partition in (None, *PARTITIONS):
        planned = storage.get_latest_planned_materialization_info(asset, partition)
        yield f"planned {name} {partition}", planned
    for kind in _OF_PARTITIONS:
        known = storage.get_latest_storage_id_by_partition(asset, kind)
        yield f"partitions {name} {kind}", known
        tags = storage.get_latest_tags_by_partition(asset, kind, ["dagster/data_version"])
        yield f"tags by partition {name} {kind}", tags
        some = storage.get_event_records(dg.EventRecordsFilter(kind, asset_key=asset), limit=50)
        yield f"records {name} {kind}", some
        summaries = storage.get_asset_event_summary_records(kind, asset)  # type: ignore[arg-type]
        yield f"summaries {name} {kind}", summaries


def _tags(found: Sequence[Any]) -> list[Any]:
    return sorted(sorted(tags.items()) for tags in found)


def _of_checks(instance: dg.DagsterInstance) -> Iterator[tuple[str, Any]]:
    storage = event_log(instance)
    keys = [dg.AssetCheckKey(asset, check) for asset in ASSETS for check in CHECKS]
    by_partition = [None, *(PartitionKeyFilter(key=key) for key in (None, *PARTITIONS))]
    for key in keys:
        for each in by_partition:
            history = storage.get_asset_check_execution_history(key, 50, partition_filter=each)
            yield f"history {key} {each}", [_execution(record) for record in history]
        if history := storage.get_asset_check_execution_history(key, 50):
            rest = storage.get_asset_check_execution_history(key, 50, cursor=history[0].id)
            yield f"rest {key}", [_execution(record) for record in rest]
    for each in by_partition:
        latest = storage.get_latest_asset_check_execution_by_key(keys, each)
        found = {key: _execution(record) for key, record in latest.items()}
        yield f"latest executions {each}", found
    partitions = storage.get_asset_check_partition_info(keys)
    yield "check partitions", sorted(partitions, key=repr)
    summaries = storage.get_asset_check_summary_records(keys)
    yield "check summaries", {key: _summary(record) for key, record in summaries.items()}


def _asset(record: Any) -> Any:
    """An asset's record without the time of its wipe."""
    return (record.storage_id, copy(record.asset_entry, asset_details=None))


def _execution(record: Any) -> Any:
    """A check execution without the time at which its row was made."""
    return (record.id, record.run_id, record.status, record.event, record.partition)


def _summary(record: Any) -> Any:
    last = record.last_check_execution_record
    completed = record.last_completed_check_execution_record
    return [each and _execution(each) for each in (last, completed)]
