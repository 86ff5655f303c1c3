"""The sensor ``exogenous_due``: requests fetches of exogenous series."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from coin_assets.domain.shards import ALONE, Shard
from coin_assets.errors import CorruptArtefact, MachineFault
from coin_assets.files.faults import faults_of_one_file
from coin_assets.orchestration.assets.specs import exogenous_key
from coin_assets.orchestration.locations import Records
from coin_assets.orchestration.resources import Clock, StoreResource
from coin_assets.orchestration.sensors.job_runs import why_waiting
from coin_assets.orchestration.sensors.machine import MachineFaults
from coin_assets.orchestration.sensors.requests import BACKGROUND_LIMIT, PRIORITY_TAG
from coin_assets.pipeline.fetch_exogenous import needs_fetch
from coin_assets.store.exogenous import ExogenousTables

INTERVAL_SECONDS = 30


def exogenous_due_sensor(
    wanted: Sequence[tuple[str, str]],
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
            "the last hour yet. Failures are retried with back-off, at least every 15 minutes."
        ),
    )
    @faults.skipped
    def exogenous_due(
        context: dg.SensorEvaluationContext, store: StoreResource, clock: Clock
    ) -> dg.SensorResult:
        records = Records.of(context, shard)
        waits = why_waiting(records.instance, job.name, clock.machine_time(), records.label)
        if waits is not None:
            return dg.SensorResult(skip_reason=waits)
        met = list[MachineFault]()
        due = [each for each in wanted if _is_due(store.exogenous(), *each, clock, met)]
        faults.note_some("exogenous_due", met)
        if not due:
            return dg.SensorResult(skip_reason="every source was asked for the last hour")
        context.log.info(", ".join(f"{symbol} {name}" for symbol, name in due))
        request = dg.RunRequest(
            job_name=job.name,
            asset_selection=[exogenous_key(*each) for each in due],
            tags={PRIORITY_TAG: "-1", **BACKGROUND_LIMIT},
        )
        return dg.SensorResult(run_requests=[request])

    return exogenous_due


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
