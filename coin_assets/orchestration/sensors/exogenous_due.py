"""The sensor ``exogenous_due``: requests fetches of exogenous series.

A run holds series of one exchange that failed last, or that did not, and never both, so a source
that fails delays no other. Each series backs off by its own failures.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import dagster as dg

from coin_assets.domain.methods import OF_MARKET
from coin_assets.domain.shards import ALONE, Shard
from coin_assets.errors import CorruptArtefact, MachineFault
from coin_assets.files.faults import faults_of_one_file
from coin_assets.orchestration.assets.specs import exogenous_key
from coin_assets.orchestration.locations import Records
from coin_assets.orchestration.resources import Clock, StoreResource
from coin_assets.orchestration.sensors.exogenous_runs import (
    Collected,
    ExogenousRuns,
    exogenous_runs,
)
from coin_assets.orchestration.sensors.machine import MachineFaults
from coin_assets.orchestration.sensors.requests import BACKGROUND_LIMIT, PRIORITY_TAG
from coin_assets.pipeline.fetch_exogenous import needs_fetch
from coin_assets.store.exogenous import ExogenousTables

INTERVAL_SECONDS = 30


def exogenous_due_sensor(
    wanted: Sequence[Collected],
    job: Any,
    faults: MachineFaults,
    shard: Shard = ALONE,
) -> dg.SensorDefinition:
    """``exogenous_due``, which launches ``job`` (``fetch_exogenous``).

    Args:
        wanted: symbols, each with the name of a series.
    """

    @dg.sensor(
        name="exogenous_due",
        job=job,
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Launches fetch_exogenous for the exogenous series whose sources were not asked for "
            "the last hour yet. Each series that fails is retried with back-off, at least every 15 "
            "minutes; others do not wait for it."
        ),
    )
    @faults.skipped
    def exogenous_due(
        context: dg.SensorEvaluationContext, store: StoreResource, clock: Clock
    ) -> dg.SensorResult:
        records = Records.of(context, shard)
        runs = exogenous_runs(records.instance, wanted, clock.machine_time(), records.label)
        met = list[MachineFault]()
        due = [each for each in wanted if _is_due(store.exogenous(), *each, clock, met)]
        faults.note_some("exogenous_due", met)
        groups = _groups(due, runs, clock.machine_time())
        if not groups:
            return dg.SensorResult(skip_reason=_why_nothing(due, runs))
        for group in groups:
            context.log.info(_named(group))
        requests = [
            dg.RunRequest(
                job_name=job.name,
                asset_selection=[exogenous_key(*each) for each in group],
                tags={PRIORITY_TAG: "-1", **BACKGROUND_LIMIT},
            )
            for group in groups
        ]
        return dg.SensorResult(run_requests=requests)

    return exogenous_due


def _groups(due: Iterable[Collected], runs: ExogenousRuns, now: datetime) -> list[list[Collected]]:
    """Series to fetch now, by run: first those that did not fail last."""
    groups: dict[tuple[bool, bool], list[Collected]] = {}
    for each in due:
        failures = runs.failures.get(each)
        if each not in runs.in_flight and (failures is None or now >= failures.retry_at):
            groups.setdefault((failures is not None, each[1] in OF_MARKET), []).append(each)
    return [groups[key] for key in sorted(groups)]


def _why_nothing(due: Sequence[Collected], runs: ExogenousRuns) -> str:
    waiting = [runs.failures[each] for each in due if each in runs.failures]
    if waiting:
        names = _named(each for each in due if each in runs.failures)
        first = min(each.retry_at for each in waiting)
        return f"{names} failed; next try at {first:%H:%M:%S} UTC"
    if due:
        return f"{_named(due)}: queued or running"
    return "every source was asked for the last hour"


def _named(series: Iterable[Collected]) -> str:
    return ", ".join(f"{symbol} {name}" for symbol, name in series)


def _is_due(
    tables: ExogenousTables, symbol: str, name: str, clock: Clock, met: list[MachineFault]
) -> bool:
    """Whether a series is to be fetched; one with a damaged record is, and its step reports it.

    Args:
        met: gets faults of the machine at files of the series.
    """
    with faults_of_one_file(met):
        try:
            return needs_fetch(tables, symbol, name, clock.now())
        except CorruptArtefact:
            return True
    return False
