"""Results of the checks on the clock, as the sensor ``health_alerts`` evaluates them."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import dagster as dg

from coin_assets.domain.series import Series
from coin_assets.orchestration.assets.specs import SeriesAssets
from coin_assets.orchestration.checks.clock import clock_evaluations
from coin_assets.orchestration.checks.recorded import (
    changed_evaluations,
    last_materialised,
    recorded_checks,
)
from coin_assets.planning.series_status import SeriesStatus

Evaluated = Mapping[Series, list[dg.AssetCheckEvaluation]]
_RECORD_EVERY = timedelta(hours=6)


def clock_results_of(
    specs: Iterable[SeriesAssets], statuses: Mapping[Series, SeriesStatus], now: datetime
) -> Evaluated:
    """Results of the clock checks of ``specs``, by series."""
    return {spec.series: clock_evaluations(spec, statuses[spec.series], now) for spec in specs}


def changed_results(
    instance: dg.DagsterInstance, specs: Iterable[SeriesAssets], evaluated: Evaluated, now: datetime
) -> list[dg.AssetCheckEvaluation]:
    """Check results of ``specs`` that changed or are due again."""
    found = [each for spec in specs for each in evaluated[spec.series]]
    recorded = recorded_checks(instance, (each.asset_check_key for each in found))
    materialised = last_materialised(instance, {each.asset_key for each in found})
    return changed_evaluations(found, recorded, materialised, now, _RECORD_EVERY)
