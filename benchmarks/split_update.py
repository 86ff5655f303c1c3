"""One hourly update in the runs that the platform splits it into, several at a time."""

import importlib
import resource
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from multiprocessing.pool import Pool
from pathlib import Path
from typing import TypedDict

import dagster as dg
import yaml  # type: ignore[import-untyped]

from benchmarks.harness import ROOT, in_fresh_process
from benchmarks.symbols import AFTER, BEFORE, late_exchange, run_assets, sizes
from coin_assets.config.settings import Settings
from coin_assets.domain.layers import CANDLES, MODELS, PREDICTIONS, PUBLISHED, Task
from coin_assets.domain.shards import ALONE, Shard
from coin_assets.domain.timeframes import month_start
from coin_assets.orchestration.assets.specs import asset_key
from coin_assets.orchestration.run_server import PRELOADED
from coin_assets.planning.facts import LIVE, Request
from coin_assets.planning.splitting import split
from coin_assets_tests.platform import utc

_LAYERS = (CANDLES, PREDICTIONS, PUBLISHED)


class SplitUpdate(TypedDict):
    """What the measuring process returns."""

    seconds: float
    cpu_seconds: float
    records_bytes: int
    home_bytes: int
    tasks: int
    runs: int
    at_once: int


def measure_split_hour(
    folder: Path, count: int, delay_seconds: float, shard: Shard = ALONE
) -> SplitUpdate:
    """One hourly update of ``count`` symbols of 1h from an exchange whose answers are late.

    Args:
        shard: whose symbols they are.
    """
    with late_exchange(folder, count, delay_seconds, shard) as (url, home):
        return in_fresh_process(home, run_split_update, url=url)


def run_split_update(url: str) -> SplitUpdate:
    """Fill the home of this process up to an hour, then measure the next one.

    This process forks one for each run, as the platform's run server does. Like that, it has
    imported everything and opened nothing.
    """
    for name in PRELOADED:
        importlib.import_module(name)
    settings = Settings()
    owns = settings.own_shard.owns
    series_list = [series for series in settings.series_list if owns(series.symbol)]
    at_once = yaml.safe_load((ROOT / "dagster.yaml").read_text())["concurrency"]["runs"][
        "max_concurrent_runs"
    ]
    with _processes(1) as filling:
        for layers in ((CANDLES,), (MODELS, PREDICTIONS)):
            keys = [asset_key(series, layer) for series in series_list for layer in layers]
            filling.apply(_run, (url, BEFORE, keys))
    tasks = tuple(Task(series, layer) for series in series_list for layer in _LAYERS)
    requests = split(Request(month_start(utc(AFTER)), tasks, LIVE))
    parts = [[asset_key(task.series, task.layer) for task in each.tasks] for each in requests]
    records, home = sizes(settings)
    cpu = _cpu_of_children()
    with _processes(at_once) as runs:
        began = time.perf_counter()
        runs.map(partial(_run, url, AFTER), parts, chunksize=1)
        seconds = time.perf_counter() - began
    records_after, home_after = sizes(settings)
    return {
        "seconds": seconds,
        "cpu_seconds": _cpu_of_children() - cpu,
        "records_bytes": records_after - records,
        "home_bytes": home_after - home,
        "tasks": len(tasks),
        "runs": len(parts),
        "at_once": at_once,
    }


@contextmanager
def _processes(at_once: int) -> Iterator[Pool]:
    """Processes for one run each; at the end all are reaped, so that their CPU time counts."""
    pool = get_context("fork").Pool(at_once, maxtasksperchild=1)
    try:
        yield pool
    finally:
        pool.close()
        pool.join()


def _run(url: str, at: str, keys: Sequence[dg.AssetKey]) -> None:
    """A run, with definitions of its own symbols alone."""
    with dg.DagsterInstance.get() as instance:
        run_assets(instance, Settings(), url, at, keys)


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
