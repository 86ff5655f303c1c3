"""Dagster's SQLite event log with open connections and batched writes."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import sqlalchemy as db
from dagster import EventLogEntry
from dagster._core.event_api import EventHandlerFn
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._core.storage.event_log.sqlite.sqlite_event_log import (
    INDEX_SHARD_NAME,
    SqliteEventLogStorage,
)
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from sqlalchemy.engine import Connection

from coin_assets.orchestration.records.connections import SqliteConnections, create_once, url_of
from coin_assets.orchestration.records.index import BatchedIndex, insert_events, is_indexed
from coin_assets.orchestration.records.latest import LatestRecords
from coin_assets.orchestration.records.watch import RunWatcher


class BatchedSqliteEventLog(LatestRecords, SqliteEventLogStorage, BatchedIndex):
    """`SqliteEventLogStorage` on the same files, with two transactions a batch instead of an event.

    Reads and tables are those of the parent class. What differs:

    - Connections stay open (`SqliteConnections`).
    - `store_event_batch` writes one transaction to the database of the run and one to the index.
    - Live logs poll for new events: the write-ahead log takes them, so that the database file,
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
        create_once(path, lambda: self._create(path))

    def _create(self, path: Path) -> None:
        engine = db.create_engine(
            url_of(path),
            poolclass=db.pool.NullPool,
            connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS},
        )
        is_index = path == Path(self.path_for_shard(INDEX_SHARD_NAME))
        self._initdb(engine, for_index_shard=is_index)
        if is_index:
            self.reindex_events()
            self.reindex_assets()

    def store_event(self, event: EventLogEntry) -> None:
        """Store one event, as a batch of one."""
        self.store_event_batch([event])

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store ``events`` of one run or of several, in their order.

        All of them are stored, or none: an exception leaves no event behind, so that Dagster may
        store them one by one afterwards. Only a kill between the commits leaves events in the
        database of a run that the index lacks, as it does in the parent class.
        """
        rows = [self._event_to_row(event) for event in events]
        of_runs: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            of_runs.setdefault(row["run_id"], []).append(row)
        for run_id in of_runs:
            # Creating a database takes long, so not while the index is locked.
            self._connections.open(Path(self.path_for_shard(run_id)))
        indexed = [
            (event, row) for event, row in zip(events, rows, strict=True) if is_indexed(event)
        ]
        with ExitStack() as stack:
            stored = stack.enter_context(self._removed_on_failure())
            # What fails in the index rolls back the databases of the runs.
            if indexed:
                index = stack.enter_context(self.index_connection())
                ids = insert_events(index, [row for _, row in indexed])
                self._store_in_index(index, [event for event, _ in indexed], ids)
            for run_id, of_run in of_runs.items():
                with self.run_connection(run_id) as connection:
                    ids = insert_events(connection, of_run)
                stored[run_id] = (ids[0], ids[-1])

    @contextmanager
    def _removed_on_failure(self) -> Iterator[dict[str, tuple[int, int]]]:
        """First and last id of what is committed by run; an exception removes it again."""
        stored: dict[str, tuple[int, int]] = {}
        try:
            yield stored
        except BaseException:
            self._remove(stored)
            raise

    def _remove(self, stored: Mapping[str, tuple[int, int]]) -> None:
        events = SqlEventLogStorageTable
        for run_id, (first, last) in stored.items():
            with self.run_connection(run_id) as connection:
                # One transaction stored them, so that no other event has an id between.
                connection.execute(events.delete().where(events.c.id.between(first, last)))

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
    def _watcher(self) -> RunWatcher:
        return RunWatcher(
            lambda run_id, cursor, limit: self.get_records_for_run(run_id, cursor, limit=limit)
        )

    def watch(self, run_id: str, cursor: str | None, callback: EventHandlerFn) -> None:
        """Call ``callback`` with each event of the run after ``cursor``, from a polling thread."""
        self._watcher.watch(run_id, cursor, callback)

    def end_watch(self, run_id: str, handler: EventHandlerFn) -> None:
        """Stop calling ``handler``."""
        self._watcher.end(run_id, handler)

    def dispose(self) -> None:
        """Stop the polling threads and close the connections."""
        watcher = self.__dict__.pop("_watcher", None)
        if watcher is not None:
            watcher.close()
        self._connections.close()
