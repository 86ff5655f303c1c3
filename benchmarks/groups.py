"""The groups of the benchmarks, in the order of their document."""

from collections.abc import Callable

from benchmarks import (
    archive,
    backfill,
    demo,
    forecast_ablation,
    forecast_costs,
    forecasts,
    idle,
    influxdb,
    ingest,
    live,
    load,
    promotion,
    records,
    scale,
    sensors,
    shards,
    start,
    store,
    update,
    workers,
)
from benchmarks.harness import Bench, Figure

GROUPS: dict[str, Callable[[Bench], list[Figure]]] = {
    "load": load.measure,
    "store": store.measure,
    "archive": archive.measure,
    "influxdb": influxdb.measure,
    "ingest": ingest.measure,
    "demo": demo.measure,
    "start": start.measure,
    "backfill": backfill.measure,
    "update": update.measure,
    "live": live.measure,
    "sensors": sensors.measure,
    "records": records.measure,
    "scale": scale.measure,
    "shards": shards.measure,
    "workers": workers.measure,
    "idle": idle.measure,
    "forecasts": forecasts.measure,
    "forecast_costs": forecast_costs.measure,
    "forecast_ablation": forecast_ablation.measure,
    "promotion": promotion.measure,
}
