"""Benchmark ``scale``: what one more series costs, in a location of few or of many."""

import time
from typing import TypedDict

from benchmarks.harness import (
    REAL_CANDLES,
    Bench,
    BenchmarkFailed,
    Figure,
    Home,
    in_fresh_process,
    say,
    temporary_home,
)
from benchmarks.many_series import (
    TIMEFRAMES,
    copy_original,
    make_original,
    settings_of,
    symbols_of,
)
from benchmarks.sensors import NAMES, measure_ticks, prepare
from benchmarks.split_update import measure_split_hour

_COUNTS, _QUICK_COUNTS = (5, 50, 200), (5,)
_LATER_TICKS = 3
_DELAY_SECONDS = 0.2
_KB = 1000


class Location(TypedDict):
    """Costs of one code location, of a process of its own."""

    build_seconds: float
    snapshot_seconds: float
    snapshot_bytes: int
    jobs_bytes: int
    largest_job_bytes: int


def measure(bench: Bench) -> list[Figure]:
    """Costs a series of one code location with 5, 50 and 200 symbols of five timeframes.

    Times are CPU times, which a busy machine hardly changes. The snapshot is what the code server
    sends at each load, without the graphs of the jobs, which are sent when a page or a run needs
    them. The home of the ticks is that of the group `sensors`: 28 months, nothing due. The hourly
    update is of 1h alone, through the real ccxt client, with answers that take 200 ms, in runs as
    the planner splits it, each in a process forked from one that has imported everything, as the
    run server does; without the queue of the daemon. A quick run takes 5 symbols.
    """
    if not REAL_CANDLES.is_dir():
        raise BenchmarkFailed(f"needs real candles in {REAL_CANDLES}")
    figures, counts = [], bench.pick(_COUNTS, _QUICK_COUNTS)
    hours = {count: _of_hour(count) for count in counts}  # wall times: best while all is quiet
    with temporary_home() as original:
        say("one symbol with 28 months")
        in_fresh_process(original, make_original)
        for count in counts:
            symbols = symbols_of(count * TIMEFRAMES)
            with temporary_home(**settings_of(symbols)) as home:
                say(f"{count} symbols: definitions")
                figures += _of_location(home, count)
                say(f"{count} symbols: ticks")
                copy_original(original.folder, home.folder, symbols)
                figures += _of_ticks(home, count)
            figures += hours[count]
    return figures


def _of_location(home: Home, count: int) -> list[Figure]:
    found, series = in_fresh_process(home, measure_location), count * TIMEFRAMES
    seconds = found["build_seconds"] + found["snapshot_seconds"]
    return [
        Figure(
            f"{count} symbols: snapshot a series",
            found["snapshot_bytes"] / series / _KB,
            "kB",
            f"{found['snapshot_bytes'] / _KB**2:.1f} MB in all; gRPC passes 100 MB",
        ),
        Figure(
            f"{count} symbols: graphs of all jobs a series",
            found["jobs_bytes"] / series / _KB,
            "kB",
            f"the largest one has {found['largest_job_bytes'] / _KB**2:.1f} MB",
        ),
        Figure(
            f"{count} symbols: load a series",
            1000 * seconds / series,
            "ms",
            f"CPU: {found['build_seconds']:.1f} s for the definitions, which each run pays, and "
            f"{found['snapshot_seconds']:.1f} s for the snapshot",
        ),
    ]


def measure_location() -> Location:
    """Costs of the definitions of this process; runs in a process of its own."""
    from dagster._core.remote_representation.external_data import RepositorySnap
    from dagster_shared.serdes import serialize_value

    from coin_assets.orchestration.build import build_definitions

    began = time.process_time()
    repository = build_definitions().get_repository_def()
    built = time.process_time()
    snapshot = serialize_value(RepositorySnap.from_def(repository, defer_snapshots=True))
    ended = time.process_time()
    whole = RepositorySnap.from_def(repository, defer_snapshots=False)
    jobs = [len(serialize_value(job)) for job in whole.job_datas or ()]
    return {
        "build_seconds": built - began,
        "snapshot_seconds": ended - built,
        "snapshot_bytes": len(snapshot),
        "jobs_bytes": sum(jobs),
        "largest_job_bytes": max(jobs),
    }


def _of_ticks(home: Home, count: int) -> list[Figure]:
    in_fresh_process(home, prepare)
    figures, series = [], count * TIMEFRAMES
    for name in NAMES:
        found = in_fresh_process(home, measure_ticks, name=name, later=_LATER_TICKS)
        first, *later = found["cpu_seconds"]
        figures.append(
            Figure(
                f"{count} symbols: tick of {name} a series",
                1000 * min(later) / series,
                "ms",
                f"CPU; {min(later):.2f} s in all, {first:.2f} s the first "
                f"{found['reading']} in its process",
            )
        )
    return figures


def _of_hour(count: int) -> list[Figure]:
    say(f"{count} symbols: an hourly update")
    found = measure_split_hour(REAL_CANDLES, count, _DELAY_SECONDS)
    tasks, title = found["tasks"], f"{count} symbols: hourly update"
    how = f"wall time of {tasks} tasks of 1h in {found['runs']} runs, {found['at_once']} at a time"
    return [
        Figure(title, found["seconds"], "s", how),
        Figure(f"{title}, CPU a task", 1000 * found["cpu_seconds"] / tasks, "ms", ""),
        Figure(
            f"{title}, records a series",
            found["records_bytes"] / count / _KB,
            "kB",
            "growth of the folder of Dagster's records",
        ),
        Figure(
            f"{title}, home a series",
            found["home_bytes"] / count / _KB,
            "kB",
            "growth of all other files of the home; most of it replaces older files later",
        ),
    ]
