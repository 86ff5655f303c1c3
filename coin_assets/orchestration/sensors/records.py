"""Conditions that depend on whether Dagster's records are whole."""

from collections.abc import Iterable, Mapping, Sequence

import dagster as dg

from coin_assets.alerts.conditions import Condition, Severity
from coin_assets.alerts.incidents import Incident
from coin_assets.domain.layers import CANDLES, PUBLISHED
from coin_assets.orchestration.assets.specs import SeriesAssets
from coin_assets.orchestration.locations import Records, labelled
from coin_assets.orchestration.records.damage import records_set_aside
from coin_assets.orchestration.sensors.machinery import seen_to_work

_PAGE = "docs/operations/recovery.md"
_OF_MACHINERY = "not working"
_OF_RUNS = ("failing", "run failed", "training failed", "exchange outage")


def of_records(
    incidents: Mapping[str, Incident],
    current: Iterable[Condition],
    instance: dg.DagsterInstance,
    specs: Sequence[SeriesAssets],
    label: str | None = None,
) -> list[Condition]:
    """Conditions of damaged records, and those that only lost records would end.

    Args:
        incidents: open ones, by subject.
        current: all other conditions.
        label: of this location's runs and sensors among those of several shards.
    """
    found = _records_conditions(instance)
    return [*found, *unproven(incidents, current, instance, specs, label)]


def _records_conditions(instance: dg.DagsterInstance) -> list[Condition]:
    """Databases of Dagster's records that were set aside."""
    found = records_set_aside(instance)
    if not found:
        return []
    names = ", ".join(str(path) for path, _ in found)
    return [
        Condition(
            subject="Dagster's records",
            kind="records damaged",
            cause="",
            severity=Severity.WARNING,
            since=min(at for _, at in found),
            detail=f"they could not be read, and new ones began: {names}",
            remedy="Check the disk (dmesg, smartctl). With schedules.db, sensors and schedules "
            "that you had switched off are on again. Remove these files, with -wal and -shm beside "
            "them, when you do not need them; that ends this.",
            runbook=_PAGE,
        )
    ]


def unproven(
    incidents: Mapping[str, Incident],
    current: Iterable[Condition],
    instance: dg.DagsterInstance,
    specs: Sequence[SeriesAssets],
    label: str | None = None,
) -> list[Condition]:
    """Conditions of open incidents whose failures are gone with the records, not made up for.

    Records that are younger than an incident do not show that it is over. It ends when its subject
    is seen to work.
    """
    known = {each.subject for each in current}
    silent = [each for each in incidents.values() if each.condition.subject not in known]
    of_machinery = [each.condition for each in silent if each.condition.kind == _OF_MACHINERY]
    kept = [each for each in of_machinery if not seen_to_work(instance, each.subject, label)]
    of_runs = [each for each in silent if each.condition.kind in _OF_RUNS]
    if of_runs:
        first = instance.get_run_records(limit=1, ascending=True)
        for each in of_runs:
            is_older = not first or each.opened_at < first[0].create_timestamp
            if is_older and not _has_succeeded(
                Records(instance, label), each.condition.subject, specs
            ):
                kept.append(each.condition)
    return kept


def _has_succeeded(records: Records, subject: str, specs: Sequence[SeriesAssets]) -> bool:
    """Whether the records hold a success of a job, of a series, or of any series of the market."""
    instance, label = records
    kind, _, name = subject.partition(" ")
    if kind == "job":
        done, tags = [dg.DagsterRunStatus.SUCCESS], labelled(label)
        succeeded = dg.RunsFilter(job_name=name, statuses=done, tags=tags)
        return bool(instance.get_runs(succeeded, limit=1))
    if kind == "market":
        assets = [spec.asset_key(CANDLES) for spec in specs if spec.is_fetched]
    else:
        assets = [spec.asset_key(PUBLISHED) for spec in specs if str(spec.series) == subject]
    made = instance.get_latest_materialization_events(assets) if assets else {}
    return not assets or any(event is not None for event in made.values())
