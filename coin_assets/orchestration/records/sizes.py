"""Sizes of Dagster's records by kind, and how much of each a day adds."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import sqlalchemy as db
from dagster._core.instance.utils import RUNLESS_RUN_ID
from dagster._core.storage.event_log.sqlite.sqlite_event_log import (
    INDEX_SHARD_NAME,
    SqliteEventLogStorage,
)
from dagster._core.storage.runs.schema import RunsTable
from sqlalchemy import make_url

from coin_assets.orchestration.records.files import RunFiles, size_of, sqlite_files

RUNS, INDEX, EVENTS, LOGS, TICKS = "runs", "index of events", "events", "logs of steps", "ticks"
_TABLES = {
    RUNS: ("runs", "run_tags", "snapshots"),
    EVENTS: ("event_logs", "asset_event_tags", "asset_check_executions", "asset_keys"),
    TICKS: ("job_ticks", "jobs", "instigators"),
}
_DAYS = 7


@dataclass(frozen=True)
class Kind:
    """Records of one kind.

    Attributes:
        a_day: bytes added a day, over the last days.
    """

    name: str
    size: int
    a_day: float

    def __str__(self) -> str:
        return f"{self.size / 2**20:.1f} MiB, {self.a_day / 2**20:.2f} MiB a day"


def record_sizes(instance: dg.DagsterInstance, now: datetime) -> list[Kind]:
    """Sizes by kind, from SQLite files or PostgreSQL tables; none for an instance in memory."""
    sizes = _database_sizes(instance)
    if not sizes:
        return []
    runs, recent, days = _runs(instance, now)
    # Rows have no size of their own: a database grows with its runs.
    share = recent / max(1, runs) / days
    found = [Kind(name, size, size * share) for name, size in sizes.items()]
    since = (now - timedelta(days=days)).timestamp()
    files = RunFiles(instance)
    if files.databases is not None:
        found.append(_of_files(EVENTS, files, files.databases, since, days))
    if files.logs is not None:
        found.append(_of_files(LOGS, files, files.logs, since, days))
    return found


def databases(instance: dg.DagsterInstance) -> list[Path]:
    """SQLite databases of the instance, but for those of single runs."""
    return [path for paths in _databases(instance).values() for path in paths if path.exists()]


def _databases(instance: dg.DagsterInstance) -> dict[str, list[Path]]:
    events = instance.event_log_storage
    if not isinstance(events, SqliteEventLogStorage):
        return {}
    index, without_run = (
        Path(events.path_for_shard(name)) for name in (INDEX_SHARD_NAME, RUNLESS_RUN_ID)
    )
    found = {INDEX: [index, without_run]}
    for name, storage in ((RUNS, instance.run_storage), (TICKS, instance.schedule_storage)):
        if text := getattr(storage, "_conn_string", None):
            found[name] = [Path(make_url(text).database or "")]
    return found


def _database_sizes(instance: dg.DagsterInstance) -> dict[str, int]:
    if found := _databases(instance):
        return {
            name: sum(size_of(each) for path in paths for each in sqlite_files(path))
            for name, paths in found.items()
        }
    storage: Any = instance.event_log_storage
    with storage.index_connection() as connection:
        if connection.dialect.name != "postgresql":
            return {}
        size = db.text("SELECT coalesce(pg_total_relation_size(to_regclass(:name)), 0)")
        return {
            name: sum(connection.execute(size, {"name": each}).scalar_one() for each in tables)
            for name, tables in _TABLES.items()
        }


def _runs(instance: dg.DagsterInstance, now: datetime) -> tuple[int, int, float]:
    """All runs, those of the last days, and how many days these are."""
    storage: Any = instance.run_storage
    created = RunsTable.c.create_timestamp
    with storage.connect() as connection:
        everything = db.select(db.func.count(), db.func.min(created))
        count, first = connection.execute(everything).one()
        age = _DAYS if first is None else (now.replace(tzinfo=None) - first) / timedelta(days=1)
        days = min(float(_DAYS), max(1.0, age))
        since = (now - timedelta(days=days)).replace(tzinfo=None)
        recent = db.select(db.func.count()).where(created >= since)
        return count, connection.execute(recent).scalar_one(), days


def _of_files(name: str, files: RunFiles, folder: Path, since: float, days: float) -> Kind:
    paths = [path for _, path in files.all_files() if path.parent == folder]
    sizes = {path: _whole_size(path) for path in paths}
    recent = sum(size for path, size in sizes.items() if path.stat().st_mtime >= since)
    return Kind(name, sum(sizes.values()), recent / days)


def _whole_size(path: Path) -> int:
    return sum(map(size_of, sqlite_files(path))) if path.suffix == ".db" else size_of(path)
