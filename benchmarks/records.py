"""Benchmark ``records``: what Dagster's records take on the disk, before and after pruning."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.utils import make_new_run_id

from benchmarks.harness import FAIL, PASS, Bench, BenchmarkFailed, Figure, say, timed
from coin_assets.orchestration.records.prune import prune
from coin_assets.orchestration.records.shrink import shrink
from coin_assets.orchestration.records.sizes import LOGS, TICKS, databases, record_sizes
from coin_assets_tests.orchestration.pruning.history import instance_in, record_copy
from coin_assets_tests.orchestration.pruning.whole import everything_said
from coin_assets_tests.platform import Platform, utc

_START, _FIRST_HOUR = "2026-09-01", "2026-11-19T00:01"
_HOURS, _QUICK_HOURS = 24, 2
_DAYS, _QUICK_DAYS = 45, 34
_RETENTION = timedelta(days=30)
_SYMBOLS = "BTC/USDT,ETH/USDT,XRP/USDT,SOL/USDT,DOGE/USDT"
_MIB = 1 << 20

Recorded = tuple[dg.DagsterRun, list[dg.EventLogEntry]]


@dataclass(frozen=True)
class _Day:
    """Runs of one day, and events that sensors recorded without a run."""

    runs: list[Recorded]
    without_run: list[dg.EventLogEntry]
    snapshots: list[Any]


def measure(bench: Bench) -> list[Figure]:
    """Dagster's records of the default 25 series on SQLite, by kind, for a day, a month and a year.

    One day is real: every hour the sensors launch what is due, in process, on the sandbox market.
    Its events are then written again and again into an empty instance, with times of the past and
    run ids of their own, as if the platform had run for 45 days. `prune_records` removes what is
    older than the default 30 days; all that the web UI, the manifest and alerts say is compared
    before and after. Trainings and the ticks of sensors are not in it; Dagster prunes ticks itself.
    """
    hours, days = bench.pick(_HOURS, _QUICK_HOURS), bench.pick(_DAYS, _QUICK_DAYS)
    with tempfile.TemporaryDirectory(prefix="coin_bench_") as folder, _platform(folder) as platform:
        day = _real_day(platform, hours)
        records = Path(folder) / "dagster"
        with instance_in(records) as instance:
            platform.instance = instance
            now = datetime.now(UTC)
            _repeat(instance, day, now, days)
            return [*_a_day(instance, now, day, days), *_pruned(platform, now, days)]


@contextmanager
def _platform(folder: str) -> Iterator[Platform]:
    derived = "4h,1d,1w,1M"
    yield Platform(
        Path(folder) / "home",
        now=_FIRST_HOUR,
        symbols=_SYMBOLS,
        history_start=_START,
        derived_timeframes=derived,
    )


def _real_day(platform: Platform, hours: int) -> _Day:
    """The records of one day of a platform that has its history."""
    say("collecting history, then one day hour by hour")
    # Dagster prints each event.
    with open(os.devnull, "w") as null, redirect_stderr(null):  # noqa: PTH123
        return _recorded(platform, hours)


def _recorded(platform: Platform, hours: int) -> _Day:
    if not platform.update(_START, "2026-11-01").success:
        raise BenchmarkFailed("the update of the history failed")
    platform.tick("health_alerts")
    known = {run.run_id for run in platform.instance.get_runs()}
    seen = len(platform.instance.all_logs(""))
    for hour in range(1, hours + 1):
        platform.now = f"{utc(_FIRST_HOUR) + timedelta(hours=hour):%Y-%m-%dT%H:%M}"
        platform.cycle()
        platform.tick("health_alerts")
    runs = [run for run in platform.instance.get_runs() if run.run_id not in known]
    return _Day(
        [(run, list(platform.instance.all_logs(run.run_id))) for run in reversed(runs)],
        list(platform.instance.all_logs("")[seen:]),
        [platform.instance.get_job_snapshot(run.job_snapshot_id or "") for run in runs],
    )


def _repeat(instance: dg.DagsterInstance, day: _Day, now: datetime, days: int) -> None:
    """Write the records of a day for each of the last days."""
    say(f"writing {len(day.runs)} runs for each of {days} days")
    for snapshot in day.snapshots:
        if not instance.run_storage.has_job_snapshot(snapshot.snapshot_id):
            instance.run_storage.add_job_snapshot(snapshot)
    ends = max(entry.timestamp for _, entries in day.runs for entry in entries)
    # Runs of the real day were made within minutes; here they are spread over the day.
    step = timedelta(days=1) / len(day.runs)
    for age in range(days - 1, -1, -1):
        evening = now - timedelta(days=age, minutes=1)
        instance.event_log_storage.store_event_batch(
            [each._replace(timestamp=evening.timestamp() - 60) for each in day.without_run]
        )
        for number, (run, entries) in enumerate(day.runs):
            ended = evening - step * (len(day.runs) - 1 - number)
            last = entries[-1].timestamp if entries else ends
            record_copy(instance, run, entries, make_new_run_id(), ended, last)


def _a_day(instance: dg.DagsterInstance, now: datetime, day: _Day, days: int) -> list[Figure]:
    events = sum(len(entries) for _, entries in day.runs)
    kinds = [kind for kind in record_sizes(instance, now) if kind.name not in (TICKS, LOGS)]
    total = sum(kind.size for kind in kinds) / days / _MIB
    return [
        Figure("runs launched a day", len(day.runs), "runs", f"{events} events"),
        *(
            Figure(f"{kind.name}, a day", kind.size / days / _MIB, "MiB", f"of {days} days")
            for kind in kinds
        ),
        Figure("a day", total, "MiB", "sum of the rows above"),
        Figure("a year without pruning", 365 * total, "MiB", "estimate: 365 days"),
    ]


def _pruned(platform: Platform, now: datetime, days: int) -> list[Figure]:
    instance = platform.instance
    before, said = _sizes(instance, now), everything_said(platform)
    seconds, done = timed(prune, instance, now - _RETENTION, say)
    shrinking, _ = timed(lambda: [shrink(path, say) for path in databases(instance)])
    after, same = _sizes(instance, now), everything_said(platform) == said
    how = f"{PASS if same else FAIL}: asset records, partitions, checks, manifest, alerts"
    return [
        Figure("before pruning", sum(before) / _MIB, "MiB", f"{days} days"),
        Figure("after pruning", sum(after) / _MIB, "MiB", f"{done.kept} old runs kept"),
        Figure("runs removed", done.runs, "runs", f"in {seconds:.1f} s, and {shrinking:.1f} s"),
        Figure("a year with pruning", sum(after) / _MIB, "MiB", "30 days, and the runs kept"),
        Figure("statuses", "unchanged" if same else "changed", "", how),
    ]


def _sizes(instance: dg.DagsterInstance, now: datetime) -> Sequence[int]:
    return [kind.size for kind in record_sizes(instance, now)]
