"""Costs of a code location and of its hourly update, for groups that differ in its symbols."""

import time
from typing import TypedDict

from benchmarks.harness import REAL_CANDLES, Figure, Home, in_fresh_process, say
from benchmarks.many_series import TIMEFRAMES
from benchmarks.split_update import measure_split_hour
from coin_assets.domain.shards import ALONE, Shard

_DELAY_SECONDS = 0.2
_KB = 1000


class Location(TypedDict):
    """Costs of one code location, of a process of its own."""

    build_seconds: float
    snapshot_seconds: float
    snapshot_bytes: int
    jobs_bytes: int
    largest_job_bytes: int


def location_figures(home: Home, title: str, count: int) -> list[Figure]:
    """What the definitions of ``count`` symbols cost a series."""
    found, series = in_fresh_process(home, measure_location), count * TIMEFRAMES
    seconds = found["build_seconds"] + found["snapshot_seconds"]
    return [
        Figure(
            f"{title}: snapshot a series",
            found["snapshot_bytes"] / series / _KB,
            "kB",
            f"{found['snapshot_bytes'] / _KB**2:.1f} MB in all; gRPC passes 100 MB",
        ),
        Figure(
            f"{title}: graphs of all jobs a series",
            found["jobs_bytes"] / series / _KB,
            "kB",
            f"the largest one has {found['largest_job_bytes'] / _KB**2:.1f} MB",
        ),
        Figure(
            f"{title}: load a series",
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


def hour_figures(title: str, count: int, shard: Shard = ALONE) -> list[Figure]:
    """What an hourly update of ``count`` symbols costs.

    Args:
        shard: whose symbols they are.
    """
    say(f"{title}: an hourly update")
    found = measure_split_hour(REAL_CANDLES, count, _DELAY_SECONDS, shard)
    tasks, name = found["tasks"], f"{title}: hourly update"
    how = f"wall time of {tasks} tasks of 1h in {found['runs']} runs, {found['at_once']} at a time"
    return [
        Figure(name, found["seconds"], "s", how),
        Figure(f"{name}, CPU a task", 1000 * found["cpu_seconds"] / tasks, "ms", ""),
        Figure(
            f"{name}, records a series",
            found["records_bytes"] / count / _KB,
            "kB",
            "growth of the folder of Dagster's records",
        ),
        Figure(
            f"{name}, home a series",
            found["home_bytes"] / count / _KB,
            "kB",
            "growth of all other files of the home; most of it replaces older files later",
        ),
    ]
