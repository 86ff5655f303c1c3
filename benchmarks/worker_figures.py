"""Figures of the group ``workers`` that are no times: records, connections and memory."""

from datetime import datetime

import dagster as dg

from benchmarks.harness import Figure
from benchmarks.installed_processes import (
    CODE,
    DAEMON,
    POSTGRES,
    REDIS,
    RUN,
    RUN_SERVER,
    WATCHER,
    WEB,
    WORKER,
    Usage,
)

_MIB = 1 << 20
_KB = 1000
CLIENTS = (CODE, DAEMON, WEB, WATCHER, WORKER, RUN)
_PROCESSES = (CODE, DAEMON, WEB, WATCHER, WORKER, RUN_SERVER, RUN)


def record_figures(
    name: str, instance: dg.DagsterInstance, since: datetime, added: tuple[int, int]
) -> list[Figure]:
    """What the measured boundaries added to Dagster's records.

    Args:
        added: events and bytes.
    """
    runs = instance.get_runs(dg.RunsFilter(created_after=since))
    tasks = sum(len(run.asset_selection or ()) for run in runs)
    how = f"of {tasks} tasks in {len(runs)} runs"
    return [
        Figure(f"{name}: events a task", added[0] / tasks, "events", f"{how}: rows of event_logs"),
        Figure(
            f"{name}: records a task",
            added[1] / tasks / _KB,
            "kB",
            f"{how}: growth of the database, with its indexes, and with ticks and check results",
        ),
    ]


def process_figures(name: str, usage: Usage) -> list[Figure]:
    """Connections and memory by role, and in all."""
    figures = [
        Figure(
            f"{name}: connections of a {role}",
            usage.connections[role],
            "connections",
            f"most of one process; up to {usage.processes[role]} such processes at a time",
        )
        for role in CLIENTS
    ]
    how = "most of all processes at a time"
    figures.append(Figure(f"{name}: connections at once", usage.at_once, "connections", how))
    figures += [
        Figure(
            f"{name}: memory of a {role}",
            usage.memory[role] / _MIB,
            "MiB",
            f"largest process, proportional; {usage.resident[role] / _MIB:.0f} MiB with shared "
            f"pages; up to {usage.processes[role]} at a time",
        )
        for role in _PROCESSES
    ]
    figures += [
        Figure(
            f"{name}: memory of {role}",
            usage.memory_at_once[role] / _MIB,
            "MiB",
            f"all its processes, proportional; up to {usage.processes[role]}",
        )
        for role in (POSTGRES, REDIS)
    ]
    return figures
