"""Newest check results and freshness states, unpacked once.

Sensors ask for those of all series every few seconds, and most have not changed meanwhile.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import TypeVar

from dagster import AssetCheckKey, AssetKey, DagsterEventType
from dagster._core.definitions.freshness import FreshnessStateRecord
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecord
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from sqlalchemy import func, select

KeyT = TypeVar("KeyT", bound=Hashable)
ValueT = TypeVar("ValueT")
# Values by key, each with the version of its row.
Known = dict[KeyT, tuple[Hashable, ValueT]]


class LatestRecords(SqlEventLogStorage):
    """The part of a storage that answers as its parent does, but unpacks changed rows alone."""

    @cached_property
    def _known_checks(self) -> Known[AssetCheckKey, AssetCheckExecutionRecord]:
        return {}

    @cached_property
    def _known_states(self) -> Known[AssetKey, FreshnessStateRecord]:
        return {}

    def get_latest_asset_check_execution_by_key(
        self,
        check_keys: Sequence[AssetCheckKey],
        partition_filter: PartitionKeyFilter | None = None,
    ) -> Mapping[AssetCheckKey, AssetCheckExecutionRecord]:
        """The newest record of each check that has one."""
        ask = super().get_latest_asset_check_execution_by_key
        if partition_filter is not None:
            return ask(check_keys, partition_filter)
        table = AssetCheckExecutionsTable.c
        newest = (
            select(func.max(table.id))
            .where(table.asset_key.in_({_text(key.asset_key) for key in check_keys}))
            .where(table.check_name.in_({key.name for key in check_keys}))
            .group_by(table.asset_key, table.check_name)
        )
        # A result that is stored into the row of its plan, or anew, gets the id of its event.
        row = (table.asset_key, table.check_name, table.id, table.evaluation_event_storage_id)
        with self.index_connection() as connection:
            found = connection.execute(select(*row).where(table.id.in_(newest))).all()
        versions = {(asset, check): tuple(version) for asset, check, *version in found}
        wanted = {key: versions.get((_text(key.asset_key), key.name)) for key in check_keys}
        return _renewed(self._known_checks, wanted, ask)

    def get_freshness_state_records(
        self, keys: Sequence[AssetKey]
    ) -> Mapping[AssetKey, FreshnessStateRecord]:
        """The newest state of each asset that has one."""
        table = SqlEventLogStorageTable.c
        newest = (
            select(func.max(table.id))
            .where(table.asset_key.in_([_text(key) for key in keys]))
            .where(table.dagster_event_type == DagsterEventType.FRESHNESS_STATE_CHANGE.value)
            .group_by(table.asset_key)
        )
        # Its time as well: SQLite uses the id of a last row that was removed again.
        row = (table.asset_key, table.id, table.timestamp)
        with self.index_connection() as connection:
            found = connection.execute(select(*row).where(table.id.in_(newest))).all()
        versions = {asset: tuple(version) for asset, *version in found}
        wanted = {key: versions.get(_text(key)) for key in keys}
        return _renewed(self._known_states, wanted, super().get_freshness_state_records)


def _renewed(
    known: Known[KeyT, ValueT],
    versions: Mapping[KeyT, Hashable],
    ask: Callable[[Sequence[KeyT]], Mapping[KeyT, ValueT]],
) -> dict[KeyT, ValueT]:
    """Values of the keys that have one, after those of other versions were asked for again.

    Threads share ``known``, so each key is looked up in it once.
    """
    current = {key: known.get(key) for key, version in versions.items() if version is not None}
    changed = [key for key, kept in current.items() if kept is None or kept[0] != versions[key]]
    found = ask(changed) if changed else {}
    for key in changed:
        current[key] = None
        known.pop(key, None)  # it may be wiped by now
        if key in found:
            current[key] = known[key] = versions[key], found[key]
    return {key: kept[1] for key, kept in current.items() if kept is not None}


@lru_cache(maxsize=50_000)
def _text(key: AssetKey) -> str:
    """A key as it is stored."""
    return key.to_string()
