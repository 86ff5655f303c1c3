"""Dagster's storage in SQLite, with connections that stay open."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
from dagster._core.storage.schedules.sqlite.sqlite_schedule_storage import SqliteScheduleStorage
from dagster._core.storage.sqlite import create_db_conn_string
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy import make_url
from sqlalchemy.engine import Connection

from coin_assets.files.atomic import private_folder
from coin_assets.orchestration.records.batches import enable_batches
from coin_assets.orchestration.records.connections import SqliteConnections, create_once
from coin_assets.orchestration.records.events import BatchedSqliteEventLog


class SqliteRecords(DagsterSqliteStorage):
    """`DagsterSqliteStorage` on the same files, of storages that keep their connections open.

    ``dagster.yaml`` names it under ``storage: custom``. A home works with either class.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        enable_batches()
        self.base_dir = base_dir
        private_folder(Path(base_dir))  # texts of errors, and logs of steps beside them
        history = Path(base_dir) / "history"
        self._run_storage = _Runs.from_local(str(history))
        self._event_log_storage = BatchedSqliteEventLog(str(history / "runs"))
        self._schedule_storage = _Schedules.from_local(str(Path(base_dir) / "schedules"))
        self._inst_data = inst_data

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> Self:
        """The storage that ``dagster.yaml`` describes."""
        return cls.from_local(config_value["base_dir"], inst_data)


class _KeptOpen:
    """What the storages of runs and of schedules have in common: one file, kept open."""

    _conn_string: str
    _file: str

    @classmethod
    def from_local(cls, base_dir: str, inst_data: ConfigurableClassData | None = None) -> Self:
        create = super().from_local  # type: ignore[misc]
        create_once(Path(base_dir) / f"{cls._file}.db", lambda: create(base_dir))
        return cls(create_db_conn_string(base_dir, cls._file), inst_data)  # type: ignore[call-arg]

    @cached_property
    def _connections(self) -> SqliteConnections:
        return SqliteConnections(lambda path: self.from_local(str(path.parent)))

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        path = Path(make_url(self._conn_string).database or "")
        with self._connections.transaction(path) as connection:
            yield connection

    def dispose(self) -> None:
        self._connections.close()


class _Runs(_KeptOpen, SqliteRunStorage):
    _file = "runs"


class _Schedules(_KeptOpen, SqliteScheduleStorage):
    _file = "schedules"
