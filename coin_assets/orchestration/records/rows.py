"""Rows of old runs in Dagster's tables of events and check executions."""

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar, cast

import sqlalchemy as db
from dagster._core.instance.utils import RUNLESS_RUN_ID
from dagster._core.storage.event_log.base import EventLogStorage
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetEventTagsTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage

from coin_assets.orchestration.records.needed import Needed, newest_events

_EVENTS, _CHECKS = SqlEventLogStorageTable.c, AssetCheckExecutionsTable.c
# SQLite takes 32,766 variables in a statement; short transactions let others write in between.
_ROWS_A_STATEMENT = 5000
# Events without a run in one call.
_MOST_ROWS = 500_000

T = TypeVar("T")


def batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """``items`` in parts of ``size``, the last one shorter."""
    for first in range(0, len(items), size):
        yield items[first : first + size]


class IndexRows:
    """Removes rows from the index of events, which PostgreSQL has in the table of all events."""

    def __init__(self, storage: EventLogStorage) -> None:
        self.storage = cast(SqlEventLogStorage, storage)

    def checks_of(self, run_ids: Iterable[str]) -> Mapping[str, list[int]]:
        """Ids of the check executions of each run, in one pass: they have no index by run."""
        wanted, found = set(run_ids), defaultdict[str, list[int]](list)
        if wanted:
            with self.storage.index_connection() as index:
                for check_id, run_id in index.execute(db.select(_CHECKS.id, _CHECKS.run_id)):
                    if run_id in wanted:
                        found[run_id].append(check_id)
        return found

    def remove_runs(self, run_ids: Sequence[str], checks: Sequence[int]) -> None:
        """Remove the events of runs with their tags, and check executions by id."""
        events = db.select(_EVENTS.id).where(_EVENTS.run_id.in_(run_ids))
        with self.storage.index_connection() as index:
            index.execute(
                db.delete(AssetEventTagsTable).where(AssetEventTagsTable.c.event_id.in_(events))
            )
            index.execute(db.delete(SqlEventLogStorageTable).where(_EVENTS.run_id.in_(run_ids)))
            _delete(index, AssetCheckExecutionsTable, checks)

    def remove_without_run(self, needed: Needed, before: datetime) -> int:
        """Remove old events and check results that no run recorded; returns how many.

        Sensors and the freshness daemon record them. The newest of each asset and check stay.
        """
        removed = self._remove_events(self.storage.index_connection, needed.events, before)
        removed += self._remove_checks(
            _CHECKS.run_id == RUNLESS_RUN_ID, needed.checks, before, lambda _: True
        )
        if self.storage.is_run_sharded:  # SQLite has a second copy of them

            def connection() -> Any:
                return self.storage.run_connection(RUNLESS_RUN_ID)

            with connection() as shard:
                newest = frozenset(shard.execute(newest_events()).scalars())
            self._remove_events(connection, newest, before)
        return removed

    def remove_unknown(self, known: Container[str], needed: Needed, before: datetime) -> None:
        """Remove old check results of runs that Dagster no longer has; it leaves them behind."""
        self._remove_checks(
            _CHECKS.run_id != RUNLESS_RUN_ID,
            needed.checks,
            before,
            lambda run_id: run_id not in known,
        )

    def _remove_checks(
        self, where: Any, keep: Container[int], before: datetime, is_removed: Any
    ) -> int:
        query = db.select(_CHECKS.id, _CHECKS.run_id).where(
            where, _CHECKS.evaluation_event_timestamp < before.replace(tzinfo=None)
        )
        with self.storage.index_connection() as index:
            found = [
                check_id
                for check_id, run_id in index.execute(query.limit(_MOST_ROWS))
                if check_id not in keep and is_removed(run_id)
            ]
        for ids in batches(found, _ROWS_A_STATEMENT):
            with self.storage.index_connection() as index:
                _delete(index, AssetCheckExecutionsTable, ids)
        return len(found)

    def _remove_events(self, connect: Any, keep: Container[int], before: datetime) -> int:
        """Remove old events without a run, page by page."""
        last, removed = -1, 0
        old = (_EVENTS.run_id == RUNLESS_RUN_ID) & (_EVENTS.timestamp < before.replace(tzinfo=None))
        while removed < _MOST_ROWS:
            with connect() as connection:
                query = db.select(_EVENTS.id).where(old, _EVENTS.id > last).order_by(_EVENTS.id)
                page = connection.execute(query.limit(_ROWS_A_STATEMENT)).scalars().all()
                ids = [each for each in page if each not in keep]
                _delete(connection, AssetEventTagsTable, ids, AssetEventTagsTable.c.event_id)
                _delete(connection, SqlEventLogStorageTable, ids)
            if not page:
                break
            last, removed = page[-1], removed + len(ids)
        return removed


def _delete(connection: Any, table: Any, ids: Sequence[int], column: Any = None) -> None:
    """Delete the rows of a table with these ids."""
    for some in batches(ids, _ROWS_A_STATEMENT):
        where = (table.c.id if column is None else column).in_(some)
        connection.execute(db.delete(table).where(where))
