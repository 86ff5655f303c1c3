"""Results of the checks on the clock, as the sensor ``health_alerts`` evaluates them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import dagster as dg

from coin_assets.domain.series import Series
from coin_assets.errors import MachineFault
from coin_assets.files.faults import faults_of_one_file
from coin_assets.orchestration.assets.specs import SeriesAssets
from coin_assets.orchestration.checks.clock import clock_evaluations
from coin_assets.orchestration.checks.recorded import (
    changed_evaluations,
    last_materialised,
    recorded_checks,
)
from coin_assets.orchestration.sensors.known_statuses import HEALTH_ALERTS, StatusesRead
from coin_assets.orchestration.sensors.machine import MachineFaults

Evaluated = Mapping[Series, list[dg.AssetCheckEvaluation]]
_RECORD_EVERY = timedelta(hours=6)


def renew_results(
    evaluated: dict[Series, list[dg.AssetCheckEvaluation]],
    specs: Sequence[SeriesAssets],
    read: StatusesRead,
    faults: MachineFaults,
    now: datetime,
) -> list[SeriesAssets]:
    """Renew the results of the clock checks; returns the series whose results are new.

    There are none if the machine or the store does not let it. A series with a file that the
    machine cannot read keeps its last results.
    """
    if read.refusal is not None or read.statuses is None:
        return []
    looked_at = {each.series for each in read.looked_at}
    renewed, met = list[SeriesAssets](), list[MachineFault]()
    try:
        for spec in specs:
            if spec.series in looked_at or spec.series not in evaluated:
                with faults_of_one_file(met):
                    evaluated[spec.series] = clock_evaluations(
                        spec, read.statuses[spec.series], now
                    )
                    renewed.append(spec)
    except MachineFault as fault:
        faults.note(HEALTH_ALERTS, fault)
        return []
    faults.note_some("clock checks", met)
    return renewed


def changed_results(
    instance: dg.DagsterInstance, specs: Iterable[SeriesAssets], evaluated: Evaluated, now: datetime
) -> list[dg.AssetCheckEvaluation]:
    """Check results of ``specs`` that changed or are due again."""
    found = [each for spec in specs for each in evaluated[spec.series]]
    recorded = recorded_checks(instance, (each.asset_check_key for each in found))
    materialised = last_materialised(instance, {each.asset_key for each in found})
    return changed_evaluations(found, recorded, materialised, now, _RECORD_EVERY)
