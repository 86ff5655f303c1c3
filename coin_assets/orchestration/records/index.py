"""What a storage writes into the index for a batch of events, for questions across runs."""

from collections.abc import Sequence
from typing import Any

from dagster import DagsterEventType, EventLogEntry
from dagster._core.events import (
    ASSET_CHECK_EVENTS,
    ASSET_EVENTS,
    EVENT_TYPE_TO_PIPELINE_RUN_STATUS,
)
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from sqlalchemy.engine import Connection

_INDEXED = ASSET_EVENTS | ASSET_CHECK_EVENTS | set(EVENT_TYPE_TO_PIPELINE_RUN_STATUS)
# Events that change the row of their asset.
_OF_ROWS = {
    DagsterEventType.ASSET_MATERIALIZATION,
    DagsterEventType.ASSET_OBSERVATION,
    DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
}
Last = dict[DagsterEventType, tuple[EventLogEntry, int]]


def is_indexed(event: EventLogEntry) -> bool:
    """Whether Dagster's SQLite index keeps a copy of the event."""
    return event.is_dagster_event and event.dagster_event_type in _INDEXED


def insert_events(connection: Connection, rows: Sequence[dict[str, Any]]) -> list[int]:
    """Insert ``rows``; their ids in the same order."""
    statement = SqlEventLogStorageTable.insert().returning(
        SqlEventLogStorageTable.c.id, sort_by_parameter_order=True
    )
    return list(connection.execute(statement, list(rows)).scalars())


class BatchedIndex(SqlEventLogStorage):
    """The part of a storage that indexes a batch of stored events.

    It needs an ``index_connection`` that joins the open transaction of its thread.
    """

    def _store_in_index(
        self, index: Connection, events: Sequence[EventLogEntry], ids: Sequence[int]
    ) -> None:
        """Write tags, the rows of assets and check executions, as for one event after another."""
        pairs = list(zip(events, ids, strict=True))
        of_assets = [pair for pair in pairs if pair[0].dagster_event_type in ASSET_EVENTS]
        if of_assets:
            self._store_asset_event_tags(index, *zip(*of_assets, strict=True))
        for of_asset in self._in_order(_last_events(of_assets)):
            for event, event_id in of_asset.values():
                self._store_asset_event(index, event, event_id)
        for event, event_id in pairs:
            if event.dagster_event_type in ASSET_CHECK_EVENTS:
                self.store_asset_check_event(event, event_id)

    def _in_order(self, last: dict[str, Last]) -> list[Last]:
        """Assets in the order of their first events."""
        return list(last.values())


def _last_events(events: Sequence[tuple[EventLogEntry, int]]) -> dict[str, Last]:
    """The last event of each type of each asset: all that its row keeps of a batch."""
    last: dict[str, Last] = {}
    for event, event_id in events:
        kind, key = event.dagster_event_type, event.get_dagster_event().asset_key
        if kind in _OF_ROWS and key is not None:
            of_asset = last.setdefault(key.to_string(), {})
            of_asset.pop(kind, None)  # the last ones in their order
            of_asset[kind] = (event, event_id)
    return last
