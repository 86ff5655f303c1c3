"""The sensor ``health_alerts``: evaluates health once a cycle and sends alerts."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg

from coin_assets.alerts import heartbeat
from coin_assets.alerts.channels import channels_of
from coin_assets.alerts.conditions import Condition
from coin_assets.alerts.incidents import Rules
from coin_assets.alerts.outbox import AlertBook, DeliveryReport
from coin_assets.config.addresses import Webhook
from coin_assets.domain.limits import DiskLimits
from coin_assets.domain.publishing.manifest import STATUSES
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import month_start
from coin_assets.errors import CoinAssetsError
from coin_assets.orchestration.assets.specs import SeriesAssets
from coin_assets.orchestration.checks.clock import clock_evaluations
from coin_assets.orchestration.checks.recorded import (
    changed_evaluations,
    last_materialised,
    recorded_checks,
)
from coin_assets.orchestration.dead_runs import end_dead_runs
from coin_assets.orchestration.resources import (
    Clock,
    DiskResource,
    PublisherResource,
    RegistryResource,
    StoreResource,
)
from coin_assets.orchestration.sensors import conditions
from coin_assets.orchestration.sensors.clock_conditions import clock_conditions
from coin_assets.orchestration.sensors.health import SeriesHealth, native_states, series_healths
from coin_assets.orchestration.sensors.known_statuses import KnownStatuses
from coin_assets.orchestration.sensors.machinery import troubles
from coin_assets.orchestration.sensors.runs import job_failures, runs_of
from coin_assets.orchestration.sensors.tick_time import TickTime, left_over
from coin_assets.planning.series_status import (
    SeriesStatus,
    StatusReader,
    read_status_without_store,
)

FOLDER, BOOK = "alerts", "alerts.sqlite"
# A tick may take 60 s in all.
_DELIVERY_SECONDS = 20.0
_RECORD_EVERY = timedelta(hours=6)
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
)


@dataclass(frozen=True)
class AlertSettings:
    """How alerts are sent. Addresses can hold secrets and are kept out of representations."""

    folder: Path
    market: str
    webhooks: tuple[Webhook, ...]
    rules: Rules
    disk: DiskLimits
    heartbeat_url: str

    def __repr__(self) -> str:
        return f"AlertSettings({self.folder}, {len(self.webhooks)} webhooks)"

    @property
    def book(self) -> AlertBook:
        """Incidents, mutes and the outbox, in the alerts folder."""
        return AlertBook(self.folder / BOOK)


def health_alerts_sensor(
    specs: Sequence[SeriesAssets], settings: AlertSettings, watched: Sequence[str]
) -> dg.SensorDefinition:
    """``health_alerts``.

    Args:
        watched: names of the sensors and schedules that should run.
    """
    known, series_list = KnownStatuses(specs), [spec.series for spec in specs]

    @dg.sensor(
        name="health_alerts",
        minimum_interval_seconds=int(settings.rules.cycle.total_seconds()),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Evaluates, once a cycle, the health of every series, failing runs, the disk, sensors "
            "and daemons. Records the results of the clock checks without runs, and sends alerts "
            "until the conditions have recovered."
        ),
    )
    def health_alerts(
        context: dg.SensorEvaluationContext,
        store: StoreResource,
        registry: RegistryResource,
        publisher: PublisherResource,
        disk: DiskResource,
        clock: Clock,
    ) -> dg.SensorResult:
        now, at, instance = clock.now(), clock.machine_time(), context.instance
        for run_id in end_dead_runs(instance):  # its tasks would count as in flight for hours
            context.log.warning(f"run {run_id} was marked as failed: its process is gone")
        time_left, looked_at = TickTime(clock.monotonic), list[SeriesAssets]()
        refusal: CoinAssetsError | None = None
        try:
            stored = store.client().snapshot(series_list)
            reader = StatusReader(stored, registry.client(), publisher.client())
            looked_at, statuses = known.renew(reader, time_left), known.by_series
        except CoinAssetsError as error:
            # Alerts matter most now; the published files still show the health.
            refusal = error
            statuses = read_status_without_store(registry.client(), publisher.client(), series_list)
        if len(statuses) < len(specs):  # a condition that was not looked at would count as over
            return dg.SensorResult(skip_reason=f"starting{left_over(len(statuses), len(specs))}")
        healths = series_healths(specs, statuses, native_states(instance, specs), now)
        wrong = [
            *(conditions.store_conditions(refusal, now) if refusal else ()),
            *_of_series(instance, settings, specs, healths, clock),
            *conditions.disk_conditions(disk.percent(), settings.disk, now),
            *conditions.machinery_conditions(troubles(instance, watched, at)),
        ]
        report = _deliver(context.log, settings, wrong, now, clock)
        events = [] if refusal else _clock_results(instance, looked_at, statuses, now)
        _beat(context.log, settings, healths, report, now)
        unseen = "" if refusal else left_over(len(looked_at), len(specs))
        return dg.SensorResult(
            skip_reason=_summary(healths, wrong, report) + unseen,
            asset_events=events[:_MOST_RESULTS],
        )

    return health_alerts


def _of_series(
    instance: dg.DagsterInstance,
    settings: AlertSettings,
    specs: Sequence[SeriesAssets],
    healths: Sequence[SeriesHealth],
    clock: Clock,
) -> list[Condition]:
    """Conditions of series, of the market, and of the jobs that work on them."""
    now = clock.now()
    failures = runs_of(instance, specs, clock.machine_time(), month_start(now)).failures
    jobs = {job: found for job in WATCHED_JOBS if (found := job_failures(instance, job))}
    by_series = {spec.series: spec for spec in specs}
    return [
        *conditions.series_conditions(healths, by_series, failures, now),
        *conditions.market_conditions(settings.market, specs, failures),
        *clock_conditions(instance, specs, failures, clock),
        *conditions.job_conditions(jobs),
    ]


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


def _clock_results(
    instance: dg.DagsterInstance,
    specs: Iterable[SeriesAssets],
    statuses: dict[Series, SeriesStatus],
    now: datetime,
) -> list[dg.AssetCheckEvaluation]:
    """Check results that changed or are due again."""
    found = [each for spec in specs for each in clock_evaluations(spec, statuses[spec.series], now)]
    recorded = recorded_checks(instance, (each.asset_check_key for each in found))
    materialised = last_materialised(instance, {each.asset_key for each in found})
    return changed_evaluations(found, recorded, materialised, now, _RECORD_EVERY)


def _beat(
    log: logging.Logger,
    settings: AlertSettings,
    healths: Sequence[SeriesHealth],
    report: DeliveryReport,
    now: datetime,
) -> None:
    """Write the heartbeat file and call the heartbeat address."""
    heartbeat.beat(
        settings.folder,
        now,
        {
            "cycle_seconds": settings.rules.cycle.total_seconds(),
            "undelivered": report.pending,
            **_counts(healths),
        },
    )
    if settings.heartbeat_url:
        try:
            heartbeat.call(settings.heartbeat_url)
        except CoinAssetsError as error:
            log.warning(str(error))  # the monitor behind the address notices the missing call


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
