"""The sensor ``late_candles``: recomputes outputs affected by late or revised candles."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import dagster as dg

from coin_assets.domain.shards import ALONE, Shard
from coin_assets.errors import CorruptArtefact, MachineFault
from coin_assets.files.faults import faults_of_one_file
from coin_assets.orchestration.assets.specs import SeriesAssets
from coin_assets.orchestration.locations import Records
from coin_assets.orchestration.resources import Clock, StoreResource
from coin_assets.orchestration.sensors.job_runs import why_waiting
from coin_assets.orchestration.sensors.machine import MachineFaults
from coin_assets.orchestration.sensors.requests import BACKGROUND_LIMIT, PRIORITY_TAG
from coin_assets.orchestration.sensors.tick_time import (
    Part,
    Rotation,
    TickTime,
    left_over,
    parts_of,
)
from coin_assets.pipeline.recompute import pending_revisions
from coin_assets.planning.series_status import unreadable
from coin_assets.store.base import Store

INTERVAL_SECONDS = 30


def late_candles_sensor(
    specs: Sequence[SeriesAssets], job: Any, faults: MachineFaults, shard: Shard = ALONE
) -> dg.SensorDefinition:
    """``late_candles``, which launches ``job`` (``redo_touched``)."""
    sources = [spec for spec in specs if spec.is_fetched]
    parts = Rotation(parts_of(sources))

    @dg.sensor(
        name="late_candles",
        job=job,
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Launches redo_touched when stored candles were added late or revised. The job "
            "recomputes the derived candles, forecasts and published files that depend on them."
        ),
    )
    @faults.skipped
    def late_candles(
        context: dg.SensorEvaluationContext, store: StoreResource, clock: Clock
    ) -> dg.SensorResult:
        records = Records.of(context, shard)
        waits = why_waiting(records.instance, job.name, clock.machine_time(), records.label)
        if waits is not None:
            return dg.SensorResult(skip_reason=waits)
        time_left, looked_at = TickTime(clock.monotonic), 0
        stored = store.client().snapshot([spec.series for spec in sources])
        found, met = dict[str, int](), list[MachineFault]()
        for part in parts.take(time_left):
            looked_at += len(part)
            found |= _changed(stored, part, clock, met)
        faults.note_some("late_candles", met)
        unseen = left_over(looked_at, len(sources))
        if not found:
            return dg.SensorResult(skip_reason="no candle changed after the fact" + unseen)
        changed = ", ".join(f"{symbol}: {count}" for symbol, count in found.items())
        context.log.info(changed + unseen)
        tags = {PRIORITY_TAG: "5", **BACKGROUND_LIMIT}
        request = dg.RunRequest(job_name=job.name, run_config={"symbols": list(found)}, tags=tags)
        return dg.SensorResult(run_requests=[request])

    return late_candles


def _changed(store: Store, specs: Part, clock: Clock, met: list[MachineFault]) -> dict[str, int]:
    """Symbols with candles that changed after the fact, and how many.

    Args:
        met: gets faults of the machine, each at files of one series.
    """
    damaged = unreadable(store, [spec.series for spec in specs])
    found = {}
    for spec in specs:
        if spec.series not in damaged:
            first = spec.first_expected(clock.now())
            # Behind a whole footer; the store reports damage from now on.
            with faults_of_one_file(met), suppress(CorruptArtefact):
                changed = pending_revisions(store, spec.series, first, clock.settled()).opens
                if len(changed):
                    found[spec.series.symbol] = len(changed)
    return found
