"""The sensor ``training_events``: retrains after price shocks, volatility spikes or drift."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import dagster as dg

from coin_assets.domain.evaluation import training_events as events
from coin_assets.domain.evaluation.drift import training_reason
from coin_assets.domain.series import Series
from coin_assets.domain.shards import ALONE, Shard
from coin_assets.errors import CoinAssetsError, CorruptArtefact, MachineFault
from coin_assets.files.faults import faults_of_one_file
from coin_assets.models.registry import ModelRegistry, ModelVersion
from coin_assets.orchestration.assets.specs import SeriesAssets
from coin_assets.orchestration.locations import Records
from coin_assets.orchestration.resources import Clock, RegistryResource, StoreResource
from coin_assets.orchestration.sensors.machine import MachineFaults
from coin_assets.orchestration.sensors.requests import training_request
from coin_assets.orchestration.sensors.runs import is_running
from coin_assets.store.base import Store

REASONS_TAG = "coin_assets/reasons"
COOL_DOWN = timedelta(hours=6)
RUNS_A_TICK = 3


def training_events_sensor(
    specs: Sequence[SeriesAssets],
    job: dg.JobDefinition,
    faults: MachineFaults,
    shard: Shard = ALONE,
) -> dg.SensorDefinition:
    """``training_events``: at most `RUNS_A_TICK` trainings, and none while another one is open."""

    @dg.sensor(
        name="training_events",
        job=job,
        minimum_interval_seconds=300,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description=(
            "Retrains series after a price shock or a volatility spike, or when the last "
            "evaluation found drift of the champion. Off by default: retraining on every event "
            "follows noise, and the schedule `retrain` suffices for most markets."
        ),
    )
    @faults.skipped
    def training_events(
        context: dg.SensorEvaluationContext,
        store: StoreResource,
        registry: RegistryResource,
        clock: Clock,
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        records = Records.of(context, shard)
        if is_running(records.instance, job.name, records.label):
            yield dg.SkipReason(f"A run of {job.name} has not finished.")
            return
        triggered: dict[Series, str] = {}
        quiet: Counter[str] = Counter()
        newest = _newest(store.client(), [spec.series for spec in specs])
        for series in (spec.series for spec in specs):
            try:
                rest = _resting(registry.client(), series, newest.get(series), clock.now())
                reason = None if rest else _reason(store.client(), registry, series, newest[series])
            except MachineFault:
                raise
            except CoinAssetsError as error:
                context.log.error(f"{series}: {error}")
                quiet["not readable (see the log of the tick)"] += 1
            else:
                if reason is None:
                    quiet[rest or "without an event"] += 1
                else:
                    triggered[series] = reason
        requests = [_request(group, triggered) for group in events.grouped(triggered)]
        yield from requests[:RUNS_A_TICK]
        if len(requests) > RUNS_A_TICK:
            context.log.info(f"{len(requests) - RUNS_A_TICK} more trainings wait for these.")
        if not requests:
            counts = ", ".join(f"{count} {what}" for what, count in quiet.items())
            yield dg.SkipReason(f"No training is due among {len(specs)} series: {counts}.")

    return training_events


def _newest(store: Store, series_list: Sequence[Series]) -> dict[Series, datetime]:
    """Open of the newest candle of each series that has one and whose files can be read."""
    snapshot, found = store.snapshot(series_list), dict[Series, datetime]()
    for series in series_list:
        with faults_of_one_file([]), suppress(CorruptArtefact):
            found |= snapshot.newest_candles([series])
    return found


def _resting(
    registry: ModelRegistry, series: Series, newest: datetime | None, now: datetime
) -> str | None:
    """Why a series is skipped, or None; ``newest`` is the open of its last candle."""
    versions: list[ModelVersion] = registry.versions(series)
    if newest is None or not versions:
        return "without a model"
    cutoff = max(version.cutoff for version in versions)
    if now - cutoff < COOL_DOWN:
        return f"trained on candles of the last {COOL_DOWN.total_seconds() / 3600:.0f} hours"
    if cutoff >= series.timeframe.close_of(newest):
        return "without a candle since the last training"
    return None


def _reason(
    store: Store, registry: RegistryResource, series: Series, newest: datetime
) -> str | None:
    """Training events of a series, from its last candles and its last evaluation."""
    timeframe = series.timeframe
    start, end = timeframe.shift(newest, 1 - events.CANDLES), timeframe.close_of(newest)
    returns = events.log_returns(store.read_candles(series, start, end), timeframe)
    evaluation = registry.evaluations().read(series)
    cutoff = max(version.cutoff for version in registry.client().versions(series))
    found = (
        events.price_shock(returns),
        events.volatility_spike(returns),
        None if evaluation is None else training_reason(evaluation["drift"], cutoff),
    )
    return ", ".join(reason for reason in found if reason is not None) or None


def _request(group: events.Triggered, triggered: dict[Series, str]) -> dg.RunRequest:
    reasons = "; ".join(
        f"{series}: {reason}" for series, reason in triggered.items() if series in group
    )
    return training_request(group, {REASONS_TAG: reasons})
