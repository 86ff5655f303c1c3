"""The sensor ``publish_due``: what stands in the published folder is true, whatever happened."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import count
from typing import Any

import dagster as dg

from coin_assets.domain.layers import MODELS, QUALITY
from coin_assets.domain.series import Key
from coin_assets.domain.timeframes import month_start
from coin_assets.orchestration.assets.published import (
    completeness,
    history_candles,
    manifest_materialization,
    quality,
)
from coin_assets.orchestration.assets.specs import SeriesAssets
from coin_assets.orchestration.resources import (
    Clock,
    MarketResource,
    PublisherResource,
    RegistryResource,
    StoreResource,
)
from coin_assets.orchestration.sensors.requests import ChecksOfAsset, described, run_requests
from coin_assets.orchestration.sensors.runs import runs_of
from coin_assets.pipeline.completeness import known_outages
from coin_assets.planning.facts import Failures, KeyState, Runs
from coin_assets.planning.gather import key_states, sound_specs
from coin_assets.planning.planner import plan_repairs
from coin_assets.planning.series_status import Standing, standing_of
from coin_assets.publish.folder import Difference
from coin_assets.publish.publisher import Failure, Publisher
from coin_assets.store.base import Store
from coin_assets.store.forecasts import newest_forecast

INTERVAL_SECONDS = 15


def publish_due_sensor(
    specs: tuple[SeriesAssets, ...], checks: ChecksOfAsset, job: Any
) -> dg.SensorDefinition:
    """``publish_due``, which launches ``job`` (``update``) with published assets alone."""
    turns = count()

    @dg.sensor(
        name="publish_due",
        job=job,
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Looks at every published file and publishes again what is missing, damaged or behind "
            "the store, whatever the reason. Rewrites the manifest whenever an entry would differ: "
            "when data becomes stale, when runs fail, when a file is not what it should be."
        ),
    )
    def publish_due(
        context: dg.SensorEvaluationContext,
        store: StoreResource,
        market: MarketResource,
        registry: RegistryResource,
        publisher: PublisherResource,
        clock: Clock,
    ) -> dg.SensorResult:
        now, closed_by = clock.now(), clock.settled()
        keys = [spec.key for spec in specs]
        at = clock.machine_time()
        runs = runs_of(context.instance, specs, at, month_start(now))
        folder = publisher.client()
        # One key a tick is read whole, and its files are compared with the store word for word.
        looked_at = specs[next(turns) % len(specs)]
        standings = standing_of(
            store.client(), registry.client(), folder, keys, read_through=[looked_at.key]
        )
        sound = sound_specs(specs, standings)
        differing: Mapping[Key, Difference] = {}
        if looked_at in sound:
            differing = _differing(store.client(), folder, looked_at, standings[looked_at.key])
        is_complete = completeness(store.client(), specs, now)
        readable = [spec.key for spec in sound]
        document = folder.refresh(
            _key_failures(runs) | _damages(standings, now),
            now,
            is_complete=lambda key: key in readable and is_complete(key),
            outages=known_outages(store.client(), readable),
            differing=differing,
            qualities={key: quality(registry.evaluations(), key) for key in keys},
        )
        if differing:
            standings = standing_of(store.client(), registry.client(), folder, keys)
        states = key_states(sound, store.client(), market.client(), standings, now, closed_by)
        plan = plan_repairs(states, runs, at)
        events = (
            [] if document is None else [manifest_materialization(document, "an entry changed")]
        )
        if plan.is_empty:
            return dg.SensorResult(skip_reason=_reason(states), asset_events=events)
        context.log.info(described(plan))
        return dg.SensorResult(run_requests=run_requests(plan, checks), asset_events=events)

    return publish_due


def _reason(states: Sequence[KeyState]) -> str:
    """Why nothing is requested, for the list of ticks."""
    waiting = ", ".join(str(state.key) for state in states if state.damage)
    if waiting:
        return f"{waiting}: damaged or gone; a run that publishes them is on its way, or failed"
    return "no published file is damaged, or behind the store without a run on its way"


def _differing(
    store: Store, publisher: Publisher, spec: SeriesAssets, standing: Standing
) -> Mapping[Key, Difference]:
    """Whether the files of a key hold something else than what the store has of the same time."""
    key, files = spec.key, standing.published
    if files.history is not None and files.history.as_of == standing.candles:
        found = publisher.difference("history", key, history_candles(store, spec))
        if found is not None:
            return {key: found}
    if files.prediction is not None and files.prediction.as_of == standing.forecast:
        found = publisher.difference("prediction", key, newest_forecast(store, key))
        if found is not None:
            return {key: found}
    return {}


def _damages(standings: Mapping[Key, Standing], now: datetime) -> dict[Key, Failure]:
    """Keys that cannot be renewed because of a damaged file; each says so once."""
    return {
        key: Failure(now, standing.damage)
        for key, standing in standings.items()
        if standing.damage is not None
        and (
            standing.published.attempts.consecutive_failures == 0
            or standing.published.attempts.last_error != standing.damage
        )
    }


def _key_failures(runs: Runs) -> dict[Key, Failure]:
    """The newest failure of every key on its way to published files."""
    newest: dict[Key, Failures] = {}
    for step, failures in runs.failures.items():
        if step.layer in (MODELS, QUALITY):
            continue  # what was trained before goes on forecasting
        if step.key not in newest or newest[step.key].last < failures.last:
            newest[step.key] = failures
    return {key: Failure(each.last, each.error, each.count) for key, each in newest.items()}
