"""Benchmark ``workers``: boundaries on Celery workers beside the default launcher."""

import os
import re
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import psutil

from benchmarks.harness import Bench, BenchmarkFailed, Figure, say
from benchmarks.installed_processes import looked_at
from benchmarks.machine import load_average
from benchmarks.worker_figures import process_figures, record_figures
from coin_assets_tests.deploy.postgres import BINARIES
from coin_assets_tests.deploy.redis import PROGRAM
from coin_assets_tests.live.boundaries import Boundary, boundaries, run_times
from coin_assets_tests.live.waiting import NotMet, until

if TYPE_CHECKING:  # it needs what requirements-scale.lock lists
    from coin_assets_tests.scale.stack import Stack

# Shards, and symbols of each; the name is that of the figures.
_SIZES = {"5 symbols": (1, 5), "2 x 25 symbols": (2, 25)}
# An even number: each launcher has the same of those with five minutes, too.
BOUNDARIES, QUICK_BOUNDARIES = 10, 4
_WARM_SECONDS, _FRESH_SECONDS, _LATE_SECONDS = 120.0, 2400.0, 600.0
_ALTERNATING = "benchmarks.alternating_launcher", "AlternatingLauncher"
DEFAULT, WORKERS, BOTH = "default launcher", "workers", "both"

_PARTS: dict[str, tuple[Callable[[Boundary], float], str]] = {
    "tick": (
        lambda each: each.tick,
        "end of the settle time until the run was enqueued; no launcher has a part in it",
    ),
    "queue": (lambda each: each.queue, "enqueued until the daemon took it and named its process"),
    "start": (lambda each: each.start, "until the first step began: task, forked process, imports"),
    "steps": (lambda each: each.steps, "until the last file was written"),
}


@dataclass(frozen=True)
class Met:
    """One boundary of all shards.

    Attributes:
        total: seconds until the last shard had published everything.
        by: the launcher, or `BOTH` if runs of this boundary differ.
        shards: the parts of each shard.
    """

    is_five: bool
    total: float
    by: str
    shards: tuple[Boundary, ...]


def measure(bench: Bench) -> list[Figure]:
    """Boundary to published with a warm Celery worker beside the default launcher, in turn.

    A real installation on PostgreSQL and Redis of the Debian packages (loopback only; PostgreSQL
    without fsync), with locks in PostgreSQL: the one of the scale test, two live workers with
    four slots, one each for the other queues, the sandbox market, `1m` and derived `5m`. An empty
    home becomes fresh and has all models; then 10 boundaries are measured (a quick run: 4, of 5
    symbols). In even minutes runs go to workers, in odd ones to the run server of the default
    launcher, so both share the load, the home and the records. Both are warm. 5 symbols are one
    code location, 2 x 25 two shards, of which the slower one counts. The group `live` has the
    default launcher on SQLite. Connections are those of PostgreSQL's own list, four times a
    second from the first start on. Memory is proportional: pages that several processes share
    are divided between them.
    """
    missing = [
        name for name, found in (("postgresql", BINARIES), ("redis-server", PROGRAM)) if not found
    ]
    if missing:
        raise BenchmarkFailed(f"needs Debian's {' and '.join(missing)}")
    figures = []
    for name, (shards, symbols) in bench.pick(_SIZES, {"5 symbols": _SIZES["5 symbols"]}).items():
        say(f"{name}: an empty home")
        try:
            figures += _of_size(name, shards, symbols, bench.pick(BOUNDARIES, QUICK_BOUNDARIES))
        except (NotMet, ModuleNotFoundError) as error:
            raise BenchmarkFailed(f"{name}: {error}") from error
    return figures


def _of_size(name: str, shards: int, symbols: int, count: int) -> list[Figure]:
    from coin_assets_tests.scale.rig import MINUTE, SETTLE_SECONDS, assembled  # needs Celery

    with (
        assembled(symbols, shards=shards) as scale,
        _alternating() as folder,
        looked_at(scale.stack.postgres.parameters, os.getpid()) as usage,
    ):
        stack = scale.stack
        stack.start_workers()  # on the instance of the containers
        until("workers are warm", lambda: _are_warm(stack), _WARM_SECONDS, stack.log)
        stack.installation.environment["DAGSTER_HOME"] = folder
        stack.installation.start()
        until(
            "every series is fresh and has its model, and no run is in flight",
            lambda: (
                not any(each.not_fresh(trained=True) for each in scale.shards)
                and not _in_flight(scale.instance)
            ),
            _FRESH_SECONDS,
            lambda: [each.not_fresh(trained=True)[:3] for each in scale.shards],
        )
        rows, size = stack.postgres.count("event_logs"), _size_of(stack.postgres.run)
        first = MINUTE.next(datetime.now(UTC))
        last = first + timedelta(minutes=count - 1)
        say(f"{name}: {count} boundaries, {first:%H:%M} to {last:%H:%M} UTC")
        until(
            f"everything as of {last:%H:%M} is published",
            lambda: (
                datetime.now(UTC) > last
                and scale.has_published(last)
                and not _in_flight(scale.instance)
            ),
            60 * count + _LATE_SECONDS,
            lambda: [each.behind(last)[:3] for each in scale.shards],
        )
        load = load_average()
        of_shards = [
            boundaries(
                each.observer.published,
                run_times(scale.instance, each.runs),
                each.series,
                SETTLE_SECONDS,
                first,
                last,
                lambda _start, _end: True,
            )
            for each in scale.shards
        ]
        met = _joined(of_shards, scale.instance)
        added = stack.postgres.count("event_logs") - rows, _size_of(stack.postgres.run) - size
        return [
            *_times(name, met, count),
            *record_figures(name, scale.instance, first, added),
            *process_figures(name, usage),
            Figure(f"{name}: load average after", load, "", "of one minute"),
        ]


def _are_warm(stack: "Stack") -> bool:
    """Whether every worker waits for tasks; its run server has imported everything then.

    Raises:
        BenchmarkFailed: one has ended.
    """
    for worker in (*stack.live.values(), *stack.others):
        try:
            links = psutil.Process(worker.pid).net_connections("tcp4")
        except psutil.NoSuchProcess:
            links = []
        if worker.has_ended:
            raise BenchmarkFailed(f"a worker has ended: {worker.log[-2000:]}")
        if not any(link.raddr and link.raddr.port == stack.redis.port for link in links):
            return False
    return True


@contextmanager
def _alternating() -> Iterator[str]:
    """Folder of an instance like that of the containers, with the launcher that takes turns."""
    from coin_assets_tests.scale.stack import instance_text

    text = instance_text()
    module, name = _ALTERNATING
    text = text.replace("coin_assets.orchestration.workers.launcher", module)
    text = re.sub(r"\bWorkerRunLauncher\b", name, text)
    with tempfile.TemporaryDirectory(prefix="coin_bench_instance_") as folder:
        (Path(folder) / "dagster.yaml").write_text(text)
        yield folder


def _size_of(run: Callable[[str], list[tuple[int]]]) -> int:
    ((size,),) = run("SELECT pg_database_size(current_database())")
    return size


def _in_flight(instance: dg.DagsterInstance) -> bool:
    states = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
    return instance.get_runs_count(dg.RunsFilter(statuses=states)) > 0


def _joined(of_shards: Sequence[Sequence[Boundary]], instance: dg.DagsterInstance) -> list[Met]:
    """Boundaries that every shard has brought all the way."""
    from benchmarks.alternating_launcher import is_of_worker

    by_time = [{each.at: each for each in found} for found in of_shards]
    met = []
    for at in by_time[0]:
        parts = tuple(found[at] for found in by_time if at in found)
        if len(parts) < len(by_time):
            continue
        runs = [instance.get_run_by_id(each.run_id) for each in parts]
        by = {WORKERS if run is not None and is_of_worker(run) else DEFAULT for run in runs}
        met.append(
            Met(
                is_five=int(at[-1]) % 5 == 0,
                total=max(each.total for each in parts),
                by=by.pop() if len(by) == 1 else BOTH,
                shards=parts,
            )
        )
    return met


def _times(name: str, met: Sequence[Met], count: int) -> list[Figure]:
    """Seconds of both launchers, their ratio, and their parts."""
    by = {each: [one for one in met if one.by == each] for each in (DEFAULT, WORKERS)}
    if not all(any(not one.is_five for one in found) for found in by.values()):
        raise BenchmarkFailed(f"{name}: of {count} boundaries no launcher, or one, has any.")
    figures = []
    for launcher, found in by.items():
        title = f"{name}, {launcher}"
        for what, is_five in (("1m alone", False), ("1m and 5m", True)):
            if samples := [each.total for each in found if each.is_five is is_five]:
                figures.append(
                    Figure.median(
                        f"{title}: boundary to published, {what}",
                        samples,
                        "s",
                        "close of the candles until the last prediction file due then was written",
                    )
                )
    medians = [
        statistics.median(one.total for one in found if not one.is_five) for found in by.values()
    ]
    how = "quotient of the medians at boundaries of 1m alone"
    figures.append(
        Figure(f"{name}: workers to default launcher", medians[1] / medians[0], "x", how)
    )
    for launcher, found in by.items():
        for part, (value, how) in _PARTS.items():
            samples = [value(each) for one in found for each in one.shards]
            figures.append(Figure.median(f"{name}, {launcher}: {part}", samples, "s", how))
    mixed = sum(one.by == BOTH for one in met)
    left_out = count - len(met)
    how = f"{mixed} on both launchers, {left_out} not split into parts: not in the figures above"
    return [*figures, Figure(f"{name}: boundaries", count - mixed - left_out, "boundaries", how)]
