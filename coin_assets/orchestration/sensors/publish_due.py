"""The sensor ``publish_due``: repairs published files and keeps the manifest true."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain, count
from typing import Any

import dagster as dg

from coin_assets.domain.json_format import Document
from coin_assets.domain.layers import MODELS, QUALITY
from coin_assets.domain.series import Series
from coin_assets.domain.series_policy import SeriesPolicy
from coin_assets.domain.shards import ALONE, Shard
from coin_assets.domain.timeframes import month_start
from coin_assets.errors import MachineFault
from coin_assets.files.faults import faults_of_one_file
from coin_assets.market.base import Market
from coin_assets.models.evaluations import EvaluationBook
from coin_assets.models.registry import ModelRegistry
from coin_assets.orchestration.assets.specs import SeriesAssets
from coin_assets.orchestration.locations import Records
from coin_assets.orchestration.manifest import manifest_materialization
from coin_assets.orchestration.resources import (
    Clock,
    MarketResource,
    PublisherResource,
    RegistryResource,
    StoreResource,
)
from coin_assets.orchestration.sensors.known_statuses import KnownStatuses
from coin_assets.orchestration.sensors.machine import MachineFaults
from coin_assets.orchestration.sensors.requests import ChecksOfAsset, described, run_requests
from coin_assets.orchestration.sensors.runs import runs_of
from coin_assets.orchestration.sensors.tick_time import TickTime, left_over
from coin_assets.pipeline.completeness import known_outages
from coin_assets.pipeline.missing import why_missing
from coin_assets.pipeline.publish import (
    completeness,
    evaluation_file,
    history_candles,
    quality,
)
from coin_assets.planning.facts import Failures, PlanningFacts, Runs
from coin_assets.planning.gather import FactSources, planning_facts, sound_specs
from coin_assets.planning.planner import plan_repairs
from coin_assets.planning.series_status import SeriesStatus, StatusReader
from coin_assets.publish.folder import FileDifference
from coin_assets.publish.publication import EvaluationFile, ManifestInputs, PublishFailure
from coin_assets.publish.publisher import Publisher
from coin_assets.store.base import Store
from coin_assets.store.forecasts import forecast_at

INTERVAL_SECONDS = 15
_DESCRIPTION = (
    "Checks every published file and requests runs that publish missing, damaged or outdated files "
    "again. Rewrites the manifest when an entry changes: when data becomes stale, when runs fail, "
    "when a file is damaged."
)


def publish_due_sensor(
    specs: tuple[SeriesAssets, ...],
    checks: ChecksOfAsset,
    job: Any,
    faults: MachineFaults,
    shard: Shard = ALONE,
) -> dg.SensorDefinition:
    """``publish_due``, which launches ``job`` (``update``) with published assets alone."""
    turns, known = count(), KnownStatuses(specs)
    unread: dict[Series, list[MachineFault]] = {}  # found when the series was last read in full

    @dg.sensor(
        name="publish_due",
        job=job,
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=_DESCRIPTION,
    )
    @faults.skipped
    def publish_due(
        context: dg.SensorEvaluationContext,
        store: StoreResource,
        market: MarketResource,
        registry: RegistryResource,
        publisher: PublisherResource,
        clock: Clock,
    ) -> dg.SensorResult:
        now, time_left, at = clock.now(), TickTime(clock.monotonic), clock.machine_time()
        records = Records.of(context, shard)
        runs = runs_of(records.instance, specs, at, month_start(now), time_left, records.label)
        stored = store.client().snapshot([spec.series for spec in specs])
        folder, evaluated = publisher.client(), registry.evaluations()
        reader = StatusReader(stored, registry.client(), folder)
        # Each tick reads one series in full and compares its files with the store byte by byte.
        differing = _differing(stored, folder, specs[next(turns) % len(specs)], reader, unread)
        looked_at = known.renew(reader, time_left)
        document, met = None, list[MachineFault]()
        if known.are_complete:  # else the manifest waits for the ticks that read the others
            scores, files = _evaluated(evaluated, specs, met)
            inputs = _manifest_inputs(stored, registry.client(), specs, known.by_series, runs, now)
            document = folder.refresh(
                inputs, differing=differing, qualities=scores, evaluations=files
            )
        faults.note_some("publish_due", [*met, *chain.from_iterable(unread.values())])
        if differing:
            renewed = StatusReader(stored, registry.client(), folder)
            known.by_series |= renewed.read(list(differing))
        repairs = _Repairs(known.by_series, completeness(stored, specs, now))
        sound = sound_specs(looked_at, known.by_series)
        facts = repairs.facts(sound, stored, market.client(), now, clock.settled())
        plan = plan_repairs(facts, runs, at)
        unseen, events = left_over(len(looked_at), len(specs)), _rewritten(document)
        if plan.is_empty:
            return dg.SensorResult(skip_reason=_reason(facts) + unseen, asset_events=events)
        context.log.info(described(plan) + unseen)
        return dg.SensorResult(run_requests=run_requests(plan, checks), asset_events=events)

    return publish_due


def _manifest_inputs(
    store: Store,
    registry: ModelRegistry,
    specs: Sequence[SeriesAssets],
    statuses: Mapping[Series, SeriesStatus],
    runs: Runs,
    now: datetime,
) -> ManifestInputs:
    """What the manifest needs; a series with damage in the store does not become public."""
    readable = [spec.series for spec in sound_specs(specs, statuses)]
    shown, is_complete = frozenset(readable), completeness(store, specs, now)
    return ManifestInputs(
        now,
        lambda series: series in shown and is_complete(series),
        _failures(runs, statuses, now),
        known_outages(store, readable),
        why_missing(store, registry, specs, now),
    )


def _evaluated(
    book: EvaluationBook, specs: Sequence[SeriesAssets], met: list[MachineFault]
) -> tuple[dict[Series, Document | None], dict[Series, EvaluationFile | None]]:
    """Scores and evaluation files; without those that the machine cannot read, which stay."""
    qualities: dict[Series, Document | None] = {}
    files: dict[Series, EvaluationFile | None] = {}
    for spec in specs:
        with faults_of_one_file(met):
            qualities[spec.series] = quality(book, spec.series)
            files[spec.series] = evaluation_file(book, spec.series)
    return qualities, files


@dataclass(frozen=True)
class _Repairs:
    """Facts for a plan that writes published files again.

    A series is published again, too, to become public when its history is complete.
    """

    statuses: Mapping[Series, SeriesStatus]
    is_complete: Callable[[Series], bool]

    def __contains__(self, series: Series) -> bool:
        published = self.statuses[series].published
        has_history = published.history_as_of is not None
        return not published.is_public and has_history and self.is_complete(series)

    def facts(
        self,
        specs: Sequence[SeriesPolicy],
        store: Store,
        market: Market,
        now: datetime,
        closed_by: datetime,
    ) -> list[PlanningFacts]:
        """Facts for a plan of repairs; none if there is nothing to repair, for they take long."""
        if not any(self._may_need_repair(spec.series) for spec in specs):
            return []
        # candles_due reports the faults.
        found, _ = planning_facts(specs, FactSources(store, market), self.statuses, now, closed_by)
        return [
            replace(each, damage="its history is complete now") if each.series in self else each
            for each in found
        ]

    def _may_need_repair(self, series: Series) -> bool:
        status = self.statuses[series]
        return status.file_damage is not None or status.is_behind_store or series in self


def _rewritten(document: Document | None) -> list[dg.AssetMaterialization]:
    """The event of a rewritten manifest; none if it stayed as it was."""
    return [] if document is None else [manifest_materialization(document, "an entry changed")]


def _reason(facts: Sequence[PlanningFacts]) -> str:
    """Why nothing is requested, for the list of ticks."""
    waiting = ", ".join(str(each.series) for each in facts if each.damage)
    if waiting:
        return f"{waiting}: to be written; a run that publishes them is on its way, or failed"
    return "no published file is damaged, or behind the store without a run on its way"


def _differing(
    store: Store,
    publisher: Publisher,
    spec: SeriesAssets,
    reader: StatusReader,
    unread: dict[Series, list[MachineFault]],
) -> dict[Series, FileDifference]:
    """As `_difference`; faults at files of the series replace those in ``unread``."""
    met = unread[spec.series] = []
    with faults_of_one_file(met):
        return _difference(store, publisher, spec, reader)
    return {}


def _difference(
    store: Store, publisher: Publisher, spec: SeriesAssets, reader: StatusReader
) -> dict[Series, FileDifference]:
    """The first file of a series that differs from the store at the same data time.

    The stored rows of the series are read in full: from then on the store reports their damage.

    Raises:
        MachineFault: the machine cannot read a file of the series.
    """
    with_source = list(dict.fromkeys((spec.series, spec.source)))
    statuses = reader.read(with_source, [spec.series])
    for fault in statuses[spec.series].faults:
        raise fault
    if not sound_specs([spec], statuses):
        return {}
    for kind, published, stored in statuses[spec.series].data_times:
        if stored is None or published != stored:
            continue
        rows = (
            history_candles(store, spec, stored)
            if kind == "history"
            else forecast_at(store, spec.series, stored)
        )
        found = publisher.difference(kind, spec.series, rows)
        if found is not None:
            return {spec.series: found}
    return {}


def _failures(
    runs: Runs, statuses: Mapping[Series, SeriesStatus], now: datetime
) -> dict[Series, PublishFailure]:
    """The newest failure of each series: of its runs, or a file that lets no run renew it.

    A file that the machine cannot read counts as well: the series is degraded, not corrupt.
    """
    found = _run_failures(runs)
    for series, status in statuses.items():
        if status.damage is None:
            continue
        time = status.damage.found_at
        if time is None:  # no marker: reported once
            if status.published.attempts.consecutive_failures:
                continue
            time = now
        if series not in found or found[series].time < time:
            found[series] = PublishFailure(time, status.damage.message, in_a_row=1)
    return found


def _run_failures(runs: Runs) -> dict[Series, PublishFailure]:
    """The newest failure of each series among the tasks that lead to published files."""
    newest: dict[Series, Failures] = {}
    for task, failures in runs.failures.items():
        if task.layer in (MODELS, QUALITY):
            continue  # models trained before still forecast
        if task.series not in newest or newest[task.series].last < failures.last:
            newest[task.series] = failures
    return {
        series: PublishFailure(each.last, each.message, each.count)
        for series, each in newest.items()
    }
