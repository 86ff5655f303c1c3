"""Condition of the alerts: this machine's clock differs from the exchange's."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg

from coin_assets.alerts.conditions import Condition, Severity
from coin_assets.domain.layers import CANDLES, Task
from coin_assets.errors import ClockDiffers
from coin_assets.orchestration.assets.clock_offset import OFFSET
from coin_assets.orchestration.assets.specs import SeriesAssets
from coin_assets.orchestration.resources import Clock
from coin_assets.pipeline.exchange_clock import REMEDY
from coin_assets.planning.facts import Failures

_PAGE = "docs/operations/exchanges.md#clock"


def clock_conditions(
    instance: dg.DagsterInstance,
    specs: Sequence[SeriesAssets],
    failures: Mapping[Task, Failures],
    clock: Clock,
) -> list[Condition]:
    """The condition of this machine's clock, if it differs by more than the settle time.

    Fetches that fail by it come first, then the difference that the newest fetch measured.
    """
    failed = [
        each
        for task, each in failures.items()
        if task.layer == CANDLES and each.code == ClockDiffers.code
    ]
    if failed:
        first = min(failed, key=lambda each: each.last)
        return [_condition(Severity.CRITICAL, first.last, first.message)]
    offset, at = _measured(instance, specs)
    if abs(offset) <= max(clock.settle_seconds, 1):
        return []
    there = at - timedelta(seconds=offset)
    detail = (
        f"this machine is {abs(offset)} s {'ahead of' if offset > 0 else 'behind'} the exchange: "
        f"at {at:%Y-%m-%d %H:%M:%S} UTC here it was {there:%Y-%m-%d %H:%M:%S} there. Candles are "
        "stored once both clocks have them closed."
    )
    return [_condition(Severity.WARNING, clock.now(), detail)]


def _condition(severity: Severity, since: datetime, detail: str) -> Condition:
    return Condition(
        subject="clock",
        kind="clock differs",
        cause="",
        severity=severity,
        since=since,
        detail=detail,
        remedy=REMEDY,
        runbook=_PAGE,
    )


def _measured(instance: dg.DagsterInstance, specs: Sequence[SeriesAssets]) -> tuple[int, datetime]:
    """Offset in seconds that the newest fetch measured, zero if none, and the time of it."""
    keys = [spec.asset_key(CANDLES) for spec in specs if spec.is_fetched]
    entries = [each.asset_entry.last_materialization for each in instance.get_asset_records(keys)]
    made = [each for each in entries if each is not None]
    if not made:
        return 0, datetime.now(UTC)
    newest = max(made, key=lambda each: each.timestamp)
    made_of = newest.asset_materialization
    found = None if made_of is None else made_of.metadata.get(OFFSET)
    offset = found.value if isinstance(found, dg.IntMetadataValue) else 0
    return offset or 0, datetime.fromtimestamp(newest.timestamp, UTC)
