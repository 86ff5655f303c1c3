"""Benchmark ``update``, part one: the run alone, in a process of its own, layer by layer."""

import time
from collections import defaultdict
from datetime import datetime, timedelta
from typing import TypedDict

import dagster as dg

from benchmarks.harness import Figure, Home, in_fresh_process, say
from benchmarks.timers import EventLogMeter, Stopwatch
from coin_assets.config.settings import Settings
from coin_assets.orchestration.assets import predictions
from coin_assets.orchestration.build import build_definitions, series_specs
from coin_assets.orchestration.partitions import partition_of
from coin_assets.store.parquet import ParquetStore

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
_READS = (
    "read_candles",
    "read_forecasts",
    "fetched_months",
    "newest_candles",
    "newest_forecasts",
    "extent",
    "count_candles",
)
_WRITES = ("write_candles", "merge_candles", "add_forecasts")
_LAYERS = {
    "ohlcv": "candles",
    "model": "models",
    "prediction": "predictions",
    "published": "published files",
}


class Measured(TypedDict):
    """What the measuring process returns; all times in seconds."""

    run: float
    steps: int
    layers: dict[str, float]
    plots: float
    plot_calls: int
    event_log: float
    events: int
    store_reads: float
    store_writes: float


def measure_steps(home: Home, times: int) -> list[Figure]:
    """Figures of the update executed by ``execute_in_process``, in a fresh process each time."""
    found: list[Measured] = []
    for number in range(times):
        say(f"update in process, {number + 1} of {times}")
        found.append(in_fresh_process(home, run_update))
    last = found[-1]
    layers = [
        _figure(
            _LAYERS.get(layer, layer),
            [one["layers"][layer] for one in found],
            f"sum over the `{layer}_*` steps, STEP_START to STEP_SUCCESS in the event log",
        )
        for layer in last["layers"]
    ]
    return [
        _figure(
            "whole run",
            [one["run"] for one in found],
            f"`execute_in_process`, {last['steps']} steps; imports and definitions not included",
        ),
        *layers,
        _figure(
            "outside the steps",
            [one["run"] - sum(one["layers"].values()) for one in found],
            "the whole run less the layers: recording the run with its planned events, resources",
        ),
        _figure(
            "drawing plots",
            [one["plots"] for one in found],
            f"inside `forecast_plot`, {last['plot_calls']} calls; part of predictions, with the "
            "import of matplotlib",
        ),
        _figure(
            "event log",
            [one["event_log"] for one in found],
            f"inside `store_event` and `store_event_batch`, {last['events']} events; part of all "
            "layers",
        ),
        _figure(
            "store reads",
            [one["store_reads"] for one in found],
            "inside the reading calls of the Parquet store; part of all layers",
        ),
        _figure(
            "store writes",
            [one["store_writes"] for one in found],
            "inside the writing calls of the Parquet store; part of candles and predictions",
        ),
    ]


def rewind(settings: Settings) -> str:
    """Forget the newest fetched candle of every symbol and the forecast made at its close.

    The next update then has what an hourly update has to do: one candle and one forecast more.

    Returns:
        Partition key of the month of the forgotten candle.
    """
    store = ParquetStore(settings.home)
    fetched = [spec.series for spec in series_specs(settings) if spec.is_fetched]
    newest: datetime | None = None
    for series, opened in store.newest_candles(fetched).items():
        close = series.timeframe.close_of(opened)
        store.delete_candles(series, opened, close)
        store.delete_forecasts(series, close, close + timedelta.resolution)
        newest = opened if newest is None else max(newest, opened)
    if newest is None:
        raise LookupError(f"{settings.home} holds no candles to forget.")
    return partition_of(newest)


def run_update() -> Measured:
    """Update the home of this process by one candle; runs in a process of its own."""
    settings = Settings()
    partition = rewind(settings)
    job = build_definitions(settings).resolve_job_def("update")
    plots, reads, writes = Stopwatch(), Stopwatch(), Stopwatch()
    with dg.DagsterInstance.get() as instance:
        log = EventLogMeter(instance)
        with (
            log.running(),
            plots.around(predictions, "forecast_plot"),
            reads.around(ParquetStore, *_READS),
            writes.around(ParquetStore, *_WRITES),
        ):
            started = time.perf_counter()
            result = job.execute_in_process(
                instance=instance, partition_key=partition, run_config=_QUIET
            )
            seconds = time.perf_counter() - started
        layers, steps = _layers(instance, result.run_id)
    return {
        "run": seconds,
        "steps": steps,
        "layers": layers,
        "plots": plots.seconds,
        "plot_calls": plots.calls,
        "event_log": log.watch.seconds,
        "events": log.events,
        "store_reads": reads.seconds,
        "store_writes": writes.seconds,
    }


def _layers(instance: dg.DagsterInstance, run_id: str) -> tuple[dict[str, float], int]:
    """Seconds in the steps of each layer, by the first word of the asset's name; and all steps."""
    seconds: defaultdict[str, float] = defaultdict(float)
    begun: dict[str, float] = {}
    steps = 0
    for entry in instance.all_logs(run_id):
        if entry.step_key is None or not entry.is_dagster_event:
            continue
        match entry.get_dagster_event().event_type:
            case dg.DagsterEventType.STEP_START:
                begun[entry.step_key] = entry.timestamp
            case dg.DagsterEventType.STEP_SUCCESS:
                layer = entry.step_key.rpartition("__")[2].partition("_")[0]
                seconds[layer] += entry.timestamp - begun[entry.step_key]
                steps += 1
    return dict(seconds), steps


def _figure(name: str, samples: list[float], how: str) -> Figure:
    return Figure.median(f"in process: {name}", samples, "s", how)
