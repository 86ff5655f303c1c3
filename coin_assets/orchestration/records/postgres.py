"""Dagster's storage in PostgreSQL, with pooled connections and batched events."""

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self
from weakref import WeakSet

from dagster import EventLogEntry
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._serdes import ConfigurableClassData
from dagster_postgres import (
    DagsterPostgresStorage,
    PostgresEventLogStorage,
    PostgresRunStorage,
    PostgresScheduleStorage,
)
from dagster_postgres.utils import (
    create_pg_connection,
    create_pg_engine,
    get_token_provider_from_config,
    pg_url_from_config,
)
from sqlalchemy.engine import Connection, Engine

from coin_assets.orchestration.records.batches import enable_batches
from coin_assets.orchestration.records.index import BatchedIndex, Last, insert_events
from coin_assets.orchestration.records.latest import LatestRecords


class PostgresRecords(DagsterPostgresStorage):
    """`DagsterPostgresStorage` with connections that stay open, and batches of any events.

    ``deploy/dagster.yaml`` names it under ``storage: custom``, with the keys of
    ``storage: postgres``. A database works with either class.
    """

    def __init__(
        self,
        postgres_url: str,
        should_autocreate_tables: bool = True,
        inst_data: ConfigurableClassData | None = None,
        token_provider: Any = None,
    ) -> None:
        enable_batches()
        self.postgres_url = postgres_url
        self.should_autocreate_tables = should_autocreate_tables
        self._inst_data = inst_data
        arguments = (postgres_url, should_autocreate_tables, None, token_provider)
        self._run_storage = PostgresRunStorage(*arguments)
        self._event_log_storage = BatchedPostgresEventLog(*arguments)
        self._schedule_storage = PostgresScheduleStorage(*arguments)
        pooled = _pooled_engine(postgres_url, token_provider)
        for storage in (self._run_storage, self._event_log_storage, self._schedule_storage):
            storage._engine = pooled

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> Self:
        """The storage that ``dagster.yaml`` describes."""
        return cls(
            pg_url_from_config(config_value),
            config_value.get("should_autocreate_tables", True),
            inst_data,
            get_token_provider_from_config(config_value),
        )


class BatchedPostgresEventLog(LatestRecords, PostgresEventLogStorage, BatchedIndex):
    """`PostgresEventLogStorage` that stores a batch in two transactions, whatever its events."""

    _joined: threading.local

    def __init__(self, *arguments: Any) -> None:
        self._joined = threading.local()
        super().__init__(*arguments)

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store ``events`` in their order: all of them, or none.

        The events are committed first, because readers follow their ids: an id must not become
        visible long after a higher one. What the index refuses is removed again.
        """
        with self._transaction() as connection:
            ids = insert_events(connection, [self._event_to_row(event) for event in events])
        try:
            with self._transaction() as index:
                self._store_in_index(index, events, ids)
        except BaseException:
            table = SqlEventLogStorageTable
            with self._transaction() as connection:
                connection.execute(table.delete().where(table.c.id.in_(ids)))
            raise

    def _in_order(self, last: dict[str, Last]) -> list[Last]:
        """Assets by key, so that batches of two processes do not wait for each other's rows."""
        return [last[key] for key in sorted(last)]

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        """A transaction that the connections of this thread join until its end."""
        with self.index_transaction() as connection:
            self._joined.connection = connection
            try:
                yield connection
            finally:
                del self._joined.connection

    @contextmanager
    def _connect(self) -> Iterator[Connection]:
        joined = getattr(self._joined, "connection", None)
        if joined is not None:
            yield joined
            return
        with create_pg_connection(self._engine) as connection:
            yield connection

    def dispose(self) -> None:
        """Stop the polling threads and close the connections, of the other storages as well.

        A Dagster instance disposes of this storage, and not of that of schedules.
        """
        super().dispose()
        self._engine.dispose()


_POOLED: WeakSet[Engine] = WeakSet()


def _pooled_engine(url: str, token_provider: Any) -> Engine:
    """An engine that keeps two connections open, in autocommit mode as Dagster's."""
    engine = create_pg_engine(
        url,
        token_provider,
        isolation_level="AUTOCOMMIT",
        pool_size=2,
        max_overflow=-1,  # as many as Dagster would open; those beyond two are closed after use
        pool_recycle=1800,
        pool_pre_ping=True,  # after a restart of the server
    )
    _POOLED.add(engine)
    return engine


def _leave_to_parent() -> None:
    """A forked process must not talk over its parent's sockets."""
    for engine in list(_POOLED):
        engine.dispose(close=False)


os.register_at_fork(after_in_child=_leave_to_parent)
