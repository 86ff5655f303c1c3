"""Files of runs: the SQLite database of their events, and the logs of their steps."""

import re
import shutil
import sqlite3
from collections.abc import Callable, Container, Iterator
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import dagster as dg
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from sqlalchemy.exc import DBAPIError

from coin_assets.files.sqlite import set_aside_if_damaged
from coin_assets.orchestration.records.events import BatchedSqliteEventLog

Result = TypeVar("Result")
_RUN_ID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class RunFiles:
    """Files that Dagster keeps for each run.

    Attributes:
        databases: folder of the databases of events; None if another server keeps them.
        logs: folder of the logs of steps; None if they are kept elsewhere.
    """

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._storage = instance.event_log_storage
        self.databases: Path | None = None
        self.logs: Path | None = None
        if isinstance(self._storage, SqliteEventLogStorage):
            self.databases = Path(self._storage.path_for_shard("a_run")).parent
        if isinstance(instance.compute_log_manager, LocalComputeLogManager):
            self.logs = Path(instance.compute_log_manager._base_dir)

    def remove(self, run_id: str) -> int:
        """Remove the files of a run; returns their bytes."""
        freed = 0
        if self.databases is not None:
            database = sqlite_files(self.databases / f"{run_id}.db")
            freed += sum(map(_size, database))
            if isinstance(self._storage, BatchedSqliteEventLog):
                self._storage.delete_run_file(run_id)
            else:
                for path in database:
                    path.unlink(missing_ok=True)
        if self.logs is not None and (folder := self.logs / run_id).is_dir():
            freed += size_of(folder)
            shutil.rmtree(folder, ignore_errors=True)
        return freed

    def mended(self, run_id: str, use: Callable[[], Result]) -> Result:
        """Result of ``use``, which needs the events of a run that no process executes any more.

        If their database is damaged, it is set aside, and ``use`` is called again without it.

        Raises:
            MachineFault: the database cannot be examined or moved.
            Exception: what else ``use`` raises.
        """
        try:
            return use()
        except (DBAPIError, sqlite3.Error):
            path = self.databases and self.databases / f"{run_id}.db"
            if path is None or set_aside_if_damaged(path) is None:
                raise
            return use()

    def abandoned(self, known: Container[str], before: datetime) -> set[str]:
        """Ids of runs that only have files any more, last written before a time.

        The web UI creates an empty database for a run that it does not find, and a prune that was
        killed may leave files behind.
        """
        return {
            run_id
            for run_id, path in self.all_files()
            if run_id not in known and _written(path) < before.timestamp()
        }

    def all_files(self) -> Iterator[tuple[str, Path]]:
        """Every database and every folder of logs, with the id of its run."""
        if self.databases is not None:
            for path in self.databases.glob("*.db"):
                if _RUN_ID.fullmatch(path.stem):
                    yield path.stem, path
        if self.logs is not None and self.logs.is_dir():
            for path in self.logs.iterdir():
                if _RUN_ID.fullmatch(path.name):
                    yield path.name, path


def sqlite_files(database: Path) -> list[Path]:
    """A SQLite database and the files beside it, those first.

    A write-ahead log must never outlive its database.
    """
    return [Path(f"{database}{end}") for end in ("-wal", "-shm", "")]


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    if not path.is_dir():
        return _size(path)
    return sum(_size(each) for each in path.rglob("*") if each.is_file())


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _written(path: Path) -> float:
    """When a file, or the files beside a database, were last written."""
    times = []
    for each in sqlite_files(path):
        try:
            times.append(each.stat().st_mtime)
        except FileNotFoundError:
            continue
    return max(times, default=0.0)
