"""The sensor ``candles_due``: requests runs from closed candles to published files."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from time import sleep
from typing import Any

import dagster as dg

from coin_assets.domain.series import Series
from coin_assets.domain.shards import ALONE, Shard
from coin_assets.domain.timeframes import month_start
from coin_assets.errors import MachineFault
from coin_assets.files.faults import faults_of_one_file
from coin_assets.market.base import Market
from coin_assets.models.evaluations import EvaluationBook
from coin_assets.models.registry import ModelRegistry
from coin_assets.orchestration.assets.specs import SeriesAssets
from coin_assets.orchestration.locations import Records
from coin_assets.orchestration.resources import (
    Clock,
    MarketResource,
    PublisherResource,
    RegistryResource,
    StoreResource,
)
from coin_assets.orchestration.sensors.machine import MachineFaults
from coin_assets.orchestration.sensors.requests import ChecksOfAsset, described, run_requests
from coin_assets.orchestration.sensors.runs import runs_of
from coin_assets.orchestration.sensors.tick_time import (
    Part,
    Rotation,
    TickTime,
    left_over,
    parts_of,
)
from coin_assets.planning.evaluations import QualityFacts, plan_quality, quality_facts
from coin_assets.planning.facts import Plan, PlanningFacts
from coin_assets.planning.gather import FactSources, planning_facts, sound_specs
from coin_assets.planning.planner import plan_updates
from coin_assets.planning.series_status import StatusReader
from coin_assets.publish.publisher import Publisher
from coin_assets.store.base import Store
from coin_assets.store.exogenous import ExogenousTables

INTERVAL_SECONDS = 5
# The daemon looks every five seconds whether an interval has passed, so ticks are up to ten apart.
_LONGEST_WAIT_SECONDS = 10.0

_Clients = tuple[Store, Market, ModelRegistry, EvaluationBook, Publisher, ExogenousTables]


def candles_due_sensor(
    specs: Sequence[SeriesAssets],
    checks: ChecksOfAsset,
    jobs: Sequence[Any],
    faults: MachineFaults,
    shard: Shard = ALONE,
) -> dg.SensorDefinition:
    """``candles_due``.

    Args:
        jobs: the jobs ``update``, ``train_models``, ``evaluate`` and ``promote_champion``.
    """
    parts = Rotation(parts_of(specs))

    @dg.sensor(
        name="candles_due",
        jobs=jobs,
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Compares the candles, models and forecasts that should exist by now with those that "
            "do, every few seconds, and requests runs for the difference, through to the published "
            "files: one run a month, and history in ranges of months. Failed tasks are retried "
            "with exponential back-off, at least every 15 minutes. When nothing is due it requests "
            "the daily evaluation of matured forecasts, and promotions that the last evaluation "
            "decided."
        ),
    )
    @faults.skipped
    def candles_due(
        context: dg.SensorEvaluationContext,
        store: StoreResource,
        market: MarketResource,
        registry: RegistryResource,
        publisher: PublisherResource,
        clock: Clock,
    ) -> dg.SensorResult:
        clients = (
            store.client(),
            market.client(),
            registry.client(),
            registry.evaluations(),
            publisher.client(),
            store.exogenous(),
        )
        time_left, records = TickTime(clock.monotonic), Records.of(context, shard)
        look, plan = _plan(records, parts, clients, clock, time_left)
        wait = _seconds_to_boundary(specs, clock)
        if plan.is_empty and wait <= _LONGEST_WAIT_SECONDS < time_left.left():
            # The next tick may be late by as much.
            sleep(wait)
            look, plan = _plan(records, parts, clients, clock, time_left)
        faults.note_some("candles_due", look.faults)
        unseen = left_over(look.series, len(specs))
        if plan.is_empty:
            return dg.SensorResult(skip_reason=_reason(look, clock.settled()) + unseen)
        context.log.info(described(plan) + unseen)
        return dg.SensorResult(run_requests=run_requests(plan, checks))

    return candles_due


@dataclass
class _Look:
    """What one tick has seen: planning facts, and of how many series.

    Attributes:
        faults: of the machine, each at files of one series.
    """

    facts: list[PlanningFacts] = field(default_factory=list)
    faults: list[MachineFault] = field(default_factory=list)
    series: int = 0


def _plan(
    records: Records,
    parts: Rotation[Part],
    clients: _Clients,
    clock: Clock,
    time_left: TickTime,
) -> tuple[_Look, Plan]:
    """Planning facts of the series that there is time for, and the plan made of them."""
    stored, market, registry, evaluations, publisher, exogenous = clients
    at, now = clock.machine_time(), clock.now()
    # Runs are read first: a task whose run ends meanwhile counts as in flight, not as missing.
    specs = [spec for part in parts.items for spec in part]
    store = stored.snapshot([spec.series for spec in specs])
    runs = runs_of(records.instance, specs, at, month_start(now), time_left, records.label)
    reader, look = StatusReader(store, registry, publisher), _Look()
    sources = FactSources(store, market, exogenous)
    for part in parts.take(time_left):
        statuses = reader.read([spec.series for spec in part])
        sound = sound_specs(part, statuses)
        facts, met = planning_facts(sound, sources, statuses, now, clock.settled())
        look.facts += facts
        look.faults += met
        look.series += len(part)
    plan = plan_updates(look.facts, runs, at)
    if plan.is_empty:  # evaluations yield to live runs
        qualities: dict[Series, QualityFacts] = {}
        for each in look.facts:
            with faults_of_one_file([]):  # publish_due reports them
                qualities |= quality_facts(evaluations, registry, [each.series])
        known = [each for each in look.facts if each.series in qualities]
        plan = plan_quality(known, qualities, runs, at)
    return look, plan


def _seconds_to_boundary(specs: Sequence[SeriesAssets], clock: Clock) -> float:
    """Time until the next candle counts as closed."""
    settled = clock.settled()
    following = min(spec.series.timeframe.next(settled) for spec in specs)
    return (following - settled).total_seconds()


def _reason(look: _Look, closed_by: datetime) -> str:
    """Why nothing is requested, for the list of ticks."""
    reason = _reason_of(look.facts, closed_by)
    left_out = look.series - len(look.facts)
    return (
        f"{reason}; {left_out} series wait for a file that is damaged or cannot be read"
        if left_out
        else reason
    )


def _reason_of(facts: Sequence[PlanningFacts], closed_by: datetime) -> str:
    """As `_reason`, of the series without damaged files."""
    lacking = {
        "candles": [each for each in facts if (each.verified or each.first) <= each.last_due],
        "a forecast": [each for each in facts if each.lacks_forecast(each.candles)],
    }
    for what, late in lacking.items():
        if late:
            shown = ", ".join(str(each.series) for each in late[:5])
            more = f" and {len(late) - 5} more" if len(late) > 5 else ""
            return (
                f"{shown}{more} lack {what}; their runs are on their way, or wait for the next try"
            )
    if not facts:
        return "no series can be read"
    following = min(each.timeframe.next(closed_by) for each in facts)
    return f"everything is there; the next candle closes at {following:%Y-%m-%d %H:%M} UTC"
