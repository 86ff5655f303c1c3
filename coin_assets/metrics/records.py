"""Metrics of runs and updates, from Dagster's records."""

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from typing import Any

import dagster as dg
import sqlalchemy as db
from dagster._core.storage.runs.schema import RunsTable
from prometheus_client.core import Metric

from coin_assets.domain.layers import CANDLES, PUBLISHED
from coin_assets.domain.series import Series
from coin_assets.metrics.gauges import SERIES, gauge
from coin_assets.orchestration.assets.specs import asset_key

_RECENT = timedelta(days=1)
# Metadata of materialisations: layer, metric, meaning.
_OF_UPDATES = {
    "boundary_to_published_seconds": (
        *(PUBLISHED, "update_boundary_to_published_seconds"),
        "Of the newest publication: time from the close of its newest candle.",
    ),
    "requests": (
        *(CANDLES, "update_requests"),
        "Requests to the market of the newest fetch.",
    ),
    "retries": (
        *(CANDLES, "update_retries"),
        "Repeated requests to the market of the newest fetch.",
    ),
}


def run_metrics(instance: dg.DagsterInstance, now: datetime) -> Iterator[Metric]:
    """Runs of the last day by job and status."""
    runs = RunsTable.c
    recent = (
        db.select(runs.pipeline_name, runs.status, db.func.count())
        .where(runs.create_timestamp >= (now - _RECENT).replace(tzinfo=None))
        .group_by(runs.pipeline_name, runs.status)
    )
    storage: Any = instance.run_storage
    with storage.connect() as connection:
        rows = connection.execute(recent).all()
    yield gauge(
        "runs_last_day",
        "Runs that were created in the last 24 hours.",
        ("job", "status"),
        (((job, status.lower()), count) for job, status, count in rows),
    )


def update_metrics(
    instance: dg.DagsterInstance, fetched: Collection[Series], published: Collection[Series]
) -> Iterator[Metric]:
    """Requests, retries and delay of the newest update of each series."""
    names = {
        asset_key(series, layer): (series.symbol, series.timeframe.name)
        for layer, found in ((CANDLES, fetched), (PUBLISHED, published))
        for series in found
    }
    metadata = {}
    for record in instance.get_asset_records(list(names)):
        entry = record.asset_entry
        if (event := entry.last_materialization) and event.asset_materialization:
            metadata[entry.asset_key] = event.asset_materialization.metadata
    for field, (layer, metric, meaning) in _OF_UPDATES.items():
        series_list = fetched if layer == CANDLES else published
        keys = [asset_key(series, layer) for series in series_list]
        samples = [
            (names[key], metadata[key][field]) for key in keys if field in metadata.get(key, {})
        ]
        yield gauge(
            metric, meaning, SERIES, ((name, float(str(value.value))) for name, value in samples)
        )
