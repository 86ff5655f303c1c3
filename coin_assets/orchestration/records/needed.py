"""Which of Dagster's records a status depends on: the newest of each asset, partition and check."""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as db
from dagster._core.storage.asset_check_execution_record import (
    COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES,
)
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetKeyTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage

_EVENTS, _CHECKS = SqlEventLogStorageTable.c, AssetCheckExecutionsTable.c
_COMPLETED = [status.value for status in COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES]


@dataclass(frozen=True)
class Needed:
    """Records that must stay; newer ones replace them.

    Attributes:
        events: ids in the table of events.
        checks: ids in the table of check executions.
        runs: ids of the runs that recorded them.
    """

    events: frozenset[int]
    checks: frozenset[int]
    runs: frozenset[str]


def needed_records(storage: SqlEventLogStorage) -> Needed:
    """What the status of assets, partitions and checks is read from.

    - The newest event of each type of an asset and partition. Dagster compares their ids: a
      partition is materialised if it has a materialisation, and failed if the run of a later
      planned one failed.
    - The newest execution of each check and partition, and the newest that has a result.
    """
    with storage.index_connection() as index:
        events = _ids(index, newest_events())
        checks = _ids(index, _newest_checks())
        runs = {
            *_distinct(index, _EVENTS.run_id, _EVENTS.id, newest_events()),
            *_distinct(index, _CHECKS.run_id, _CHECKS.id, _newest_checks()),
            *index.execute(db.select(AssetKeyTable.c.last_run_id)).scalars(),
        }
        evaluations = index.execute(
            db.select(_CHECKS.evaluation_event_storage_id, _CHECKS.materialization_event_storage_id)
            .where(_CHECKS.id.in_(_newest_checks()))
            .distinct()
        ).all()
    events |= {each for row in evaluations for each in row if each is not None}
    return Needed(frozenset(events), frozenset(checks), frozenset(filter(None, runs)))


def newest_events() -> Any:
    """Ids of the newest event of each type of an asset and partition."""
    return (
        db.select(db.func.max(_EVENTS.id))
        .where(_EVENTS.asset_key.isnot(None))
        .group_by(_EVENTS.asset_key, _EVENTS.dagster_event_type, _EVENTS.partition)
    )


def _newest_checks() -> Any:
    newest = db.select(db.func.max(_CHECKS.id)).group_by(
        _CHECKS.asset_key, _CHECKS.check_name, _CHECKS.partition
    )
    return db.union(
        newest,
        newest.where(_CHECKS.execution_status.in_(_COMPLETED)),
        newest.where(_CHECKS.evaluation_event_storage_id.isnot(None)),
    )


def _ids(index: Any, query: Any) -> set[int]:
    return set(index.execute(query).scalars())


def _distinct(index: Any, wanted: Any, column: Any, ids: Any) -> set[str]:
    return set(index.execute(db.select(wanted).where(column.in_(ids)).distinct()).scalars())
