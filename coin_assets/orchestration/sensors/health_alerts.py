"""The sensor ``health_alerts``: evaluates health once a cycle and sends alerts."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial

import dagster as dg
from dagster._core.errors import DagsterUserCodeUnreachableError

from coin_assets.alerts.channels import channels_of
from coin_assets.alerts.conditions import Condition
from coin_assets.alerts.outbox import DeliveryReport
from coin_assets.domain.publishing.manifest import STATUSES
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import month_start
from coin_assets.errors import MachineFault
from coin_assets.orchestration.assets.exogenous import FETCH_JOB
from coin_assets.orchestration.assets.specs import SeriesAssets
from coin_assets.orchestration.dead_runs import end_dead_runs, end_hung_runs
from coin_assets.orchestration.locations import Records
from coin_assets.orchestration.resources import (
    Clock,
    DiskResource,
    PublisherResource,
    RegistryResource,
    StoreResource,
)
from coin_assets.orchestration.sensors import conditions
from coin_assets.orchestration.sensors.alert_settings import AlertSettings, beat
from coin_assets.orchestration.sensors.clock_conditions import clock_conditions
from coin_assets.orchestration.sensors.clock_results import (
    Evaluated,
    changed_results,
    renew_results,
)
from coin_assets.orchestration.sensors.data_conditions import data_conditions
from coin_assets.orchestration.sensors.exogenous_runs import (
    collected_of,
    exogenous_runs,
    fetch_failures,
)
from coin_assets.orchestration.sensors.health import SeriesHealth, native_states, series_healths
from coin_assets.orchestration.sensors.known_statuses import (
    HEALTH_ALERTS,
    KnownStatuses,
    read_statuses,
)
from coin_assets.orchestration.sensors.machine import MachineFaults
from coin_assets.orchestration.sensors.machine_conditions import (
    caused_elsewhere,
    disk_conditions,
    machine_conditions,
)
from coin_assets.orchestration.sensors.machinery import troubles
from coin_assets.orchestration.sensors.records import of_records
from coin_assets.orchestration.sensors.runs import job_failures, runs_of
from coin_assets.orchestration.sensors.tick_time import TickTime, left_over
from coin_assets.orchestration.workers.lost_runs import resend_lost_runs
from coin_assets.planning.series_status import SeriesStatus

# A tick may take 60 s in all.
_DELIVERY_SECONDS = 20.0
# The daemon records the results of a tick one by one; the next tick returns the others.
_MOST_RESULTS = 1000
WATCHED_JOBS = (
    "train_models",
    "evaluate",
    "promote_champion",
    "backfill",
    "redo_touched",
    "reconcile",
    "enforce_retention",
    "prune_records",
    "publish_archive",
)


def health_alerts_sensor(
    specs: Sequence[SeriesAssets],
    settings: AlertSettings,
    watched: Sequence[str],
    faults: MachineFaults,
) -> dg.SensorDefinition:
    """``health_alerts``.

    Args:
        watched: names of the sensors and schedules that should run.
        faults: of the machine, met by the ticks of all sensors.
    """
    known = KnownStatuses(specs)
    evaluated: dict[Series, list[dg.AssetCheckEvaluation]] = {}  # the last, in a store outage too

    @dg.sensor(
        name=HEALTH_ALERTS,
        minimum_interval_seconds=int(settings.rules.cycle.total_seconds()),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Evaluates, once a cycle, the health of every series, failing runs, disk, clock and "
            "daemons. Records clock checks without runs, and sends alerts until all is well."
        ),
    )
    @partial(faults.guarded, result="alerts are left to the watcher")
    def health_alerts(
        context: dg.SensorEvaluationContext,
        store: StoreResource,
        registry: RegistryResource,
        publisher: PublisherResource,
        disk: DiskResource,
        clock: Clock,
    ) -> dg.SensorResult:
        now, records = clock.now(), Records.of(context, settings.shard)
        instance, label = records
        _end_runs(instance, context.log)
        clients = store, registry, publisher
        read = read_statuses(known, specs, clients, TickTime(clock.monotonic), faults)
        seen = len(specs) if read.statuses is None else len(read.statuses)
        if seen < len(specs):  # a condition that was not looked at would count as over
            return dg.SensorResult(skip_reason=f"starting{left_over(seen, len(specs))}")
        renewed = renew_results(evaluated, specs, read, faults, now)
        healths = _healths(instance, specs, read.statuses, now)
        wrong = [
            *(conditions.store_conditions(read.refusal, now) if read.refusal else ()),
            *_of_disk(disk, settings, faults, now),
            *_of_series(records, settings, specs, (healths, evaluated, faults), clock),
            *conditions.machinery_conditions(
                troubles(instance, watched, clock.machine_time(), label)
            ),
        ]
        wrong += of_records(settings.book.incidents(), wrong, instance, specs, label)
        report = _deliver(context.log, settings, wrong, now, clock)
        events = changed_results(instance, renewed, evaluated, now)
        beat(context.log, settings, report, _counts(healths), now)
        unseen = left_over(len(read.looked_at), len(specs)) if renewed else ""
        reason = _summary(healths, wrong, report) + unseen
        return dg.SensorResult(skip_reason=reason, asset_events=events[:_MOST_RESULTS])

    return health_alerts


def _end_runs(instance: dg.DagsterInstance, log: logging.Logger) -> None:
    """End runs that do not end by themselves, and send those again that no worker received.

    Their tasks would count as in flight for hours.
    """
    for run_id in end_dead_runs(instance):
        log.warning(f"run {run_id} was marked as failed: its process is gone")
    for run_id in end_hung_runs(instance):
        log.warning(f"run {run_id} should have ended: its process was killed")
    try:
        for run_id in resend_lost_runs(instance):
            log.warning(f"run {run_id} had no worker for long, and was sent again")
    except DagsterUserCodeUnreachableError as error:
        log.warning(f"runs without a worker were not sent again: {error}")


def _healths(
    instance: dg.DagsterInstance,
    specs: Sequence[SeriesAssets],
    statuses: Mapping[Series, SeriesStatus] | None,
    now: datetime,
) -> list[SeriesHealth]:
    """The health of each series; none if the statuses could not be read."""
    if statuses is None:
        return []
    return series_healths(specs, statuses, native_states(instance, specs), now)


def _of_disk(
    disk: DiskResource, settings: AlertSettings, faults: MachineFaults, now: datetime
) -> list[Condition]:
    """Conditions of disk space; a file system that does not answer is a fault of the machine."""
    try:
        return disk_conditions(disk.worst(), disk.shortage(), settings.disk, now)
    except MachineFault as fault:
        faults.note(HEALTH_ALERTS, fault)
        return []


def _of_series(
    records: Records,
    settings: AlertSettings,
    specs: Sequence[SeriesAssets],
    found: tuple[Sequence[SeriesHealth], Evaluated, MachineFaults],
    clock: Clock,
) -> list[Condition]:
    """Conditions of series, of the market, of the jobs that work on them, and of the machine.

    While a fault of the machine stands, conditions that it causes are not opened, and those of
    series that could not be looked at stay as they are.
    """
    now, (healths, evaluated, faults) = clock.now(), found
    instance, label = records
    machine_time, month = clock.machine_time(), month_start(now)
    failures = runs_of(instance, specs, machine_time, month, label=label).failures
    jobs = {job: failed for job in WATCHED_JOBS if (failed := job_failures(instance, job, label))}
    fetches = exogenous_runs(instance, collected_of(specs), machine_time, label).failures
    if fetch := fetch_failures(fetches):
        jobs[FETCH_JOB] = fetch
    by_series = {spec.series: spec for spec in specs}
    of_series = [
        # Of equally bad conditions of a series the first is reported.
        *data_conditions(healths, failures, evaluated, now),
        *conditions.series_conditions(healths, by_series, failures, now),
        *conditions.market_conditions(settings.market, specs, failures),
        *clock_conditions(instance, specs, failures, clock),
        *conditions.job_conditions(jobs),
    ]
    machine = machine_conditions(faults.standing(), [*failures.values(), *jobs.values()], now)
    if not machine:
        return of_series
    known = {subject: each.condition for subject, each in settings.book.incidents().items()}
    seen = {str(each.series) for each in healths}
    kept = [known[subject] for subject in map(str, by_series) if subject in known.keys() - seen]
    own = [each for each in of_series if each.subject in known or not caused_elsewhere(each)]
    return [*machine, *kept, *own]


def _deliver(
    log: logging.Logger,
    settings: AlertSettings,
    wrong: Iterable[Condition],
    now: datetime,
    clock: Clock,
) -> DeliveryReport:
    """Record conditions, log new messages and deliver those that are due."""
    book, channels = settings.book, channels_of(settings.webhooks)
    for message in book.advance(wrong, now, settings.rules, [each.id for each in channels]):
        log.warning(message.log_line())
    return book.deliver(channels, clock.machine_time, _DELIVERY_SECONDS, log.warning)


def _counts(healths: Sequence[SeriesHealth]) -> dict[str, int]:
    return {word: sum(each.status == word for each in healths) for word in STATUSES}


def _summary(
    healths: Sequence[SeriesHealth], wrong: Sequence[Condition], report: DeliveryReport
) -> str:
    counts = ", ".join(f"{count} {word}" for word, count in _counts(healths).items() if count)
    parts = [counts or "no series"]
    if wrong:
        parts.append("wrong: " + ", ".join(f"{each.subject} {each.kind}" for each in wrong[:10]))
    if report.pending:
        parts.append(f"{report.pending} messages undelivered")
    return "; ".join(parts)
