"""Selection of check results to record, because the event log only grows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg

from coin_assets.orchestration.checks.verdicts import CHECKED_AT, STATUS

_KEYS_A_QUERY = 2000  # SQLite takes a bounded number of variables
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class RecordedResult:
    """The last recorded result of a check.

    Attributes:
        status: its status word, if it has one.
        at: time of the evaluation, by the clock of the platform.
        recorded_at: machine time at which Dagster recorded it.
    """

    passed: bool
    severity: dg.AssetCheckSeverity
    status: str | None
    at: datetime
    recorded_at: datetime


def changed_evaluations(
    evaluations: Iterable[dg.AssetCheckEvaluation],
    recorded: Mapping[dg.AssetCheckKey, RecordedResult],
    materialised: Mapping[dg.AssetKey, datetime],
    now: datetime,
    every: timedelta,
) -> list[dg.AssetCheckEvaluation]:
    """Results that differ from the last recorded ones or are due again.

    Dagster shows a check as not evaluated once its asset is materialised after the last result.

    Args:
        materialised: time of each asset's last materialisation in Dagster's records.
        every: an unchanged result is recorded again after this time.
    """
    found = []
    for evaluation in evaluations:
        last = recorded.get(evaluation.asset_check_key)
        if (
            last is None
            or _outcome(evaluation) != _last_outcome(last)
            or now - last.at >= every
            or last.recorded_at <= materialised.get(evaluation.asset_key, _NEVER)
        ):
            found.append(evaluation)
    return found


def recorded_checks(
    instance: dg.DagsterInstance, keys: Iterable[dg.AssetCheckKey]
) -> dict[dg.AssetCheckKey, RecordedResult]:
    """The last recorded result of each of ``keys`` that has one, in one query."""
    wanted = list(keys)
    found = {}
    for first in range(0, len(wanted), _KEYS_A_QUERY):
        records = instance.event_log_storage.get_latest_asset_check_execution_by_key(
            wanted[first : first + _KEYS_A_QUERY]
        )
        for key, record in records.items():
            # The record of a planned evaluation has no result yet.
            if record.event is not None and isinstance(record.evaluation, dg.AssetCheckEvaluation):
                found[key] = _recorded(record.evaluation, record.event.timestamp)
    return found


def last_materialised(
    instance: dg.DagsterInstance, assets: Iterable[dg.AssetKey]
) -> dict[dg.AssetKey, datetime]:
    """Time of the last materialisation of each of ``assets`` that has one."""
    wanted, found = list(assets), {}
    for first in range(0, len(wanted), _KEYS_A_QUERY):
        for record in instance.get_asset_records(wanted[first : first + _KEYS_A_QUERY]):
            entry = record.asset_entry.last_materialization
            if entry is not None:
                found[record.asset_entry.asset_key] = datetime.fromtimestamp(entry.timestamp, UTC)
    return found


def _recorded(evaluation: dg.AssetCheckEvaluation, timestamp: float) -> RecordedResult:
    at = evaluation.metadata.get(CHECKED_AT)
    seconds = at.value if isinstance(at, dg.TimestampMetadataValue) else timestamp
    return RecordedResult(
        evaluation.passed,
        evaluation.severity,
        _status(evaluation),
        datetime.fromtimestamp(seconds, UTC),
        datetime.fromtimestamp(timestamp, UTC),
    )


def _outcome(evaluation: dg.AssetCheckEvaluation) -> tuple[object, ...]:
    return evaluation.passed, evaluation.severity, _status(evaluation)


def _last_outcome(last: RecordedResult) -> tuple[object, ...]:
    return last.passed, last.severity, last.status


def _status(evaluation: dg.AssetCheckEvaluation) -> str | None:
    status = evaluation.metadata.get(STATUS)
    return str(status.value) if status is not None else None
