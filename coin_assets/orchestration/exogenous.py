"""Definitions of exogenous series: none where ``COIN_EXOGENOUS`` is empty."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from coin_assets.config.settings import Settings
from coin_assets.domain.shards import Shard
from coin_assets.orchestration.assets.exogenous import exogenous_values, fetch_exogenous_job
from coin_assets.orchestration.assets.specs import SeriesAssets
from coin_assets.orchestration.exogenous_resource import ExogenousResource
from coin_assets.orchestration.sensors.exogenous_due import exogenous_due_sensor
from coin_assets.orchestration.sensors.exogenous_runs import collected_of
from coin_assets.orchestration.sensors.machine import MachineFaults


def exogenous_resources(settings: Settings) -> dict[str, dg.ConfigurableResource]:
    """The resource that opens the sources, by its name."""
    if not settings.exogenous:
        return {}
    return {"exogenous": ExogenousResource(exchange=settings.market_argument)}


def exogenous_assets(specs: Sequence[SeriesAssets]) -> list[dg.AssetsDefinition]:
    """One asset a symbol and series."""
    starts = {spec.series.symbol: spec.history_start for spec in specs}
    return [exogenous_values(symbol, name, starts[symbol]) for symbol, name in collected_of(specs)]


def exogenous_fetches(
    assets: Sequence[dg.AssetsDefinition],
    specs: Sequence[SeriesAssets],
    faults: MachineFaults,
    shard: Shard,
) -> tuple[list[Any], list[dg.SensorDefinition]]:
    """The job that fetches ``assets``, and the sensor that launches it.

    Args:
        specs: all series of the location.
    """
    if not assets:
        return [], []
    job = fetch_exogenous_job(assets)
    return [job], [exogenous_due_sensor(collected_of(specs), job, faults, shard)]
