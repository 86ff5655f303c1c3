"""Benchmark ``backfill``: the whole history of three symbols in one run."""

import time
from datetime import UTC, datetime, timedelta
from typing import TypedDict

import dagster as dg

from benchmarks.harness import (
    REAL_CANDLES,
    Bench,
    Figure,
    in_fresh_process,
    say,
    temporary_home,
)
from benchmarks.timers import EventLogMeter, Stopwatch
from coin_assets.config.settings import Settings
from coin_assets.domain.layers import CANDLES
from coin_assets.orchestration.build import build_definitions, configured_resources, series_specs
from coin_assets.orchestration.jobs.update import only
from coin_assets.orchestration.partitions import RANGE_END_TAG, RANGE_START_TAG, partition_of
from coin_assets.store.parquet import ParquetStore

_SYMBOLS = "BTC/USDT,ETH/USDT,XRP/USDT"
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


class Measured(TypedDict):
    """What the measuring process returns."""

    seconds: float
    log_seconds: float
    log_events: int
    partition_events: int
    planned_events: int
    write_seconds: float
    rows: int
    assets: int
    first: str
    last: str


def measure(bench: Bench) -> list[Figure]:
    """Every month of 1h candles since 2017-08 with the derived 4h, 1d, 1w and 1M, as one run.

    The job ``update`` is executed once in a fresh process by ``execute_in_process`` for all
    ``ohlcv_*`` assets with a range of partitions, as the UI's single-run backfill does, on the
    instance of ``dagster.yaml`` (SQLite) and the Parquet store of an empty home. The market is the
    archive of real candles that the tests use too, if it is there, else
    the sandbox. A quick run takes one symbol from 2024-01 on.
    """
    is_real = REAL_CANDLES.is_dir()
    with temporary_home(
        COIN_MARKET=f"archive:{REAL_CANDLES}" if is_real else "sandbox",
        COIN_SYMBOLS=bench.pick(_SYMBOLS, "BTC/USDT"),
        COIN_HISTORY_START=bench.pick("2017-08-01", "2024-01-01"),
    ) as home:
        say("real candles" if is_real else "sandbox candles")
        found = in_fresh_process(home, run_backfill)
    seconds, events = found["seconds"], found["partition_events"]
    log, writes = found["log_seconds"], found["write_seconds"]
    market = "archive of real candles" if is_real else "sandbox"
    return [
        Figure(
            "whole backfill",
            seconds,
            "s",
            f"`execute_in_process`: {found['assets']} assets, {found['first']} to {found['last']}, "
            f"{market}; starting the process and loading definitions are not in it",
        ),
        Figure("candles stored", found["rows"], "rows", "fetched and derived, in the store after"),
        Figure("candles per second", found["rows"] / seconds, "rows/s", "the quotient"),
        Figure(
            "partition events",
            events,
            "events",
            f"materialisations of one asset and month; besides {found['planned_events']} planned "
            f"events, {found['log_events']} events in all",
        ),
        Figure(
            "time in the event log",
            log,
            "s",
            "inside `store_event` and `store_event_batch` of the run's process: all events, "
            "inserts and commits, no reads",
        ),
        Figure("share of the event log", 100 * log / seconds, "%", "of the whole backfill"),
        Figure("event log per partition event", 1000 * log / events, "ms", "the quotient"),
        Figure(
            "time in store writes",
            writes,
            "s",
            "inside `write_candles` and `merge_candles` of the Parquet store: validation, "
            "comparison with what is stored, encoding, fsync",
        ),
        Figure("share of store writes", 100 * writes / seconds, "%", "of the whole backfill"),
    ]


def run_backfill() -> Measured:
    """Backfill the home of this process; runs in a process of its own."""
    settings = Settings()
    specs = series_specs(settings)
    market = configured_resources(settings).market.client()
    horizon = min(market.horizon(spec.source, datetime.now(UTC)) for spec in specs)
    first = partition_of(settings.history_start)
    last = partition_of(horizon - timedelta.resolution)
    job = build_definitions(settings).resolve_job_def("update")
    steps = [spec.asset_key(CANDLES) for spec in specs]
    writes = Stopwatch()
    with dg.DagsterInstance.get() as instance:
        log = EventLogMeter(instance)
        with log.running(), writes.around(ParquetStore, "write_candles", "merge_candles"):
            started = time.perf_counter()
            only(job, steps).execute_in_process(
                instance=instance,
                tags={RANGE_START_TAG: first, RANGE_END_TAG: last},
                run_config=_QUIET,
            )
            seconds = time.perf_counter() - started
    extents = [ParquetStore(settings.home).extent(spec.series) for spec in specs]
    return {
        "seconds": seconds,
        "log_seconds": log.watch.seconds,
        "log_events": log.events,
        "partition_events": log.partition_events,
        "planned_events": log.planned_events,
        "write_seconds": writes.seconds,
        "rows": sum(extent.rows for extent in extents if extent is not None),
        "assets": len(steps),
        "first": first[:7],
        "last": last[:7],
    }
