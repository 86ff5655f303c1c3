"""Dagster's SQLite event log with open connections and batched writes."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import sqlalchemy as db
from dagster import DagsterEventType, EventLogEntry
from dagster._core.event_api import EventHandlerFn
from dagster._core.events import (
    ASSET_CHECK_EVENTS,
    ASSET_EVENTS,
    EVENT_TYPE_TO_PIPELINE_RUN_STATUS,
)
from dagster._core.storage.event_log.polling_event_watcher import SqlPollingEventWatcher
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._core.storage.event_log.sqlite.sqlite_event_log import (
    INDEX_SHARD_NAME,
    SqliteEventLogStorage,
)
from sqlalchemy.engine import Connection

from coin_assets.orchestration.records.connections import SqliteConnections, is_stamped

# Events that Dagster also keeps in the index, for questions across runs.
_INDEXED = ASSET_EVENTS | ASSET_CHECK_EVENTS | set(EVENT_TYPE_TO_PIPELINE_RUN_STATUS)


class BatchedSqliteEventLog(SqliteEventLogStorage):
    """`SqliteEventLogStorage` on the same files, with two transactions a batch instead of an event.

    Reads and tables are those of the parent class. What differs:

    - Connections stay open (`SqliteConnections`).
    - `store_event_batch` writes one transaction to the database of the run and one to the index.
    - The web UI polls for new events: the write-ahead log takes them, so that the database file,
      which the parent class watches, does not change.
    """

    def __init__(self, base_dir: str) -> None:
        self._connections = SqliteConnections(self._prepare)
        self._tables: set[str] = set()
        super().__init__(base_dir)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._connections.transaction(Path(self.path_for_shard(shard))) as connection:
            yield connection

    def _prepare(self, path: Path) -> None:
        """Create the database at ``path`` unless it is one."""
        path.parent.mkdir(parents=True, exist_ok=True)
        if not is_stamped(path):
            engine = db.create_engine(
                self.conn_string_for_shard(path.stem), poolclass=db.pool.NullPool
            )
            self._initdb(engine, for_index_shard=path.stem == INDEX_SHARD_NAME)

    def store_event(self, event: EventLogEntry) -> None:
        """Store one event, as a batch of one."""
        self.store_event_batch([event])

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store ``events`` of one run or of several, in their order.

        All of them are stored, or none: an exception leaves no event behind, so that Dagster may
        store them one by one afterwards. Only a kill between the two commits leaves events in the
        database of a run that the index lacks, as it does in the parent class.
        """
        for run_id in dict.fromkeys(event.run_id for event in events):
            self._store_of_run(run_id, [event for event in events if event.run_id == run_id])

    def _store_of_run(self, run_id: str, events: Sequence[EventLogEntry]) -> None:
        rows = [self._event_to_row(event) for event in events]
        indexed = [
            (event, row)
            for event, row in zip(events, rows, strict=True)
            if event.is_dagster_event and event.dagster_event_type in _INDEXED
        ]
        if not indexed:
            with self.run_connection(run_id) as connection:
                connection.execute(SqlEventLogStorageTable.insert(), rows)
            return
        stored: list[int] = []
        try:
            # Nested, so that what fails in the index rolls back the database of the run.
            with self.index_connection() as index:
                self._store_in_index(index, indexed)
                with self.run_connection(run_id) as connection:
                    stored = _insert(connection, rows)
        except BaseException:
            self._remove(run_id, stored)
            raise

    def _store_in_index(
        self, index: Connection, indexed: Sequence[tuple[EventLogEntry, dict[str, Any]]]
    ) -> None:
        ids = _insert(index, [row for _, row in indexed])
        newest: dict[tuple[str | None, DagsterEventType | None], tuple[EventLogEntry, int]] = {}
        of_assets = []
        for (event, row), event_id in zip(indexed, ids, strict=True):
            kind = event.dagster_event_type
            if kind in ASSET_EVENTS:
                of_assets.append((event, event_id))
                newest.pop((row["asset_key"], kind), None)  # keep the order of the last ones
                newest[row["asset_key"], kind] = (event, event_id)
            elif kind in ASSET_CHECK_EVENTS:
                self.store_asset_check_event(event, event_id)
        if of_assets:
            self._store_asset_event_tags(index, *zip(*of_assets, strict=True))
        # The row of an asset has its last event of each type.
        for event, event_id in newest.values():
            self._store_asset_event(index, event, event_id)

    def _remove(self, run_id: str, stored: Sequence[int]) -> None:
        """Remove what was committed for a run before the index failed to commit."""
        if stored:
            with self.run_connection(run_id) as connection:
                connection.execute(
                    SqlEventLogStorageTable.delete().where(
                        SqlEventLogStorageTable.c.id.between(min(stored), max(stored))
                    )
                )

    def has_table(self, table_name: str) -> bool:
        """Whether the index has a table. Tables are never removed, so a found one is kept."""
        if table_name not in self._tables:
            with self.index_connection() as connection:
                if not db.inspect(connection).has_table(table_name):
                    return False
            self._tables.add(table_name)
        return True

    def _has_asset_key_col_on_connection(self, conn: Connection, column_name: str) -> bool:
        if column_name not in self._asset_key_columns:
            return super()._has_asset_key_col_on_connection(conn, column_name)
        return True

    @cached_property
    def _asset_key_columns(self) -> frozenset[str]:
        with self.index_connection() as connection:
            columns = db.inspect(connection).get_columns("asset_keys")
        return frozenset(column["name"] for column in columns)

    def delete_run_file(self, run_id: str) -> None:
        """Remove the database of a run, whose events are no longer needed."""
        path = Path(self.path_for_shard(run_id))
        self._connections.close(path)
        # The write-ahead log goes first: a database of the same name must never find it.
        for end in ("-wal", "-shm", ""):
            Path(f"{path}{end}").unlink(missing_ok=True)

    def wipe(self) -> None:
        """Remove all events."""
        self._connections.close()
        super().wipe()

    @cached_property
    def _watcher(self) -> SqlPollingEventWatcher:
        return SqlPollingEventWatcher(self)

    def watch(self, run_id: str, cursor: str | None, callback: EventHandlerFn) -> None:
        """Call ``callback`` with each event of the run after ``cursor``, from a polling thread."""
        self._watcher.watch_run(run_id, cursor, callback)

    def end_watch(self, run_id: str, handler: EventHandlerFn) -> None:
        """Stop calling ``handler``."""
        self._watcher.unwatch_run(run_id, handler)

    def dispose(self) -> None:
        """Stop the polling threads and close the connections."""
        if "_watcher" in self.__dict__:
            self._watcher.close()
        self._connections.close()


def _insert(connection: Connection, rows: Sequence[dict[str, Any]]) -> list[int]:
    """Insert ``rows``; their ids in the same order."""
    statement = SqlEventLogStorageTable.insert().returning(
        SqlEventLogStorageTable.c.id, sort_by_parameter_order=True
    )
    return list(connection.execute(statement, list(rows)).scalars())
