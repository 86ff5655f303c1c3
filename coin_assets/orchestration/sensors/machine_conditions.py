"""Conditions of the machine for the alerts: disk space, and faults that ticks and runs have met."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from coin_assets.alerts.conditions import MACHINE_FAULT, Condition, Severity
from coin_assets.domain.limits import DiskLimits
from coin_assets.domain.publishing.manifest import HARD_STALE, STALE
from coin_assets.errors import MachineFault
from coin_assets.files.space import Space
from coin_assets.orchestration.sensors.machine import TickFault
from coin_assets.planning.facts import Failures

_RUNBOOK = "docs/operations/storage.md"
_MOST_FAULTS = 3


def disk_conditions(
    space: Space, shortage: str | None, limits: DiskLimits, now: datetime
) -> list[Condition]:
    """Disk usage above a limit.

    Args:
        space: where it is shortest.
        shortage: what is short if sensors request nothing because of it.
    """
    if space.percent < limits.warn and shortage is None:
        return []
    is_full = space.percent >= limits.block or shortage is not None
    blocked = f"no history is fetched from {limits.block}% on"
    return [
        Condition(
            subject="disk",
            kind="disk full" if is_full else "disk filling",
            cause="",
            severity=Severity.CRITICAL
            if is_full or space.percent >= limits.critical
            else Severity.WARNING,
            since=now,
            detail=f"nothing is requested: {shortage}"
            if shortage
            else f"{space} (limits {limits}); {blocked}",
            remedy="Free space, shorten COIN_RETENTION, or use a larger disk.",
            runbook=_RUNBOOK,
        )
    ]


def machine_conditions(
    ticks: Sequence[TickFault], failures: Iterable[Failures], now: datetime
) -> list[Condition]:
    """One condition for all faults of the machine that ticks and runs have met.

    Args:
        ticks: faults that stand, the oldest first.
        failures: of tasks and jobs.
    """
    failed = [each for each in failures if each.code == MachineFault.code]
    if not ticks and not failed:
        return []
    faults = [fault for each in ticks for fault in (each.fault, *each.others)]
    met = {str(fault): fault.alert_cause for fault in faults}
    met |= {each.message: each.cause for each in failed}
    stopped = ", ".join(each.sensor for each in ticks if not each.is_partial)
    where = [
        f"{stopped} cannot work" if stopped else "",
        "files of single series cannot be read" if any(each.is_partial for each in ticks) else "",
        f"{len(failed)} tasks failed" if failed else "",
    ]
    more = f" And {len(met) - _MOST_FAULTS} more." if len(met) > _MOST_FAULTS else ""
    return [
        Condition(
            subject="machine",
            kind=MACHINE_FAULT,
            cause=next(iter(met.values())),
            severity=Severity.CRITICAL,
            since=min(now, *(each.since for each in ticks), *(each.last for each in failed)),
            detail=f"{'; '.join(filter(None, where))}: {' '.join([*met][:_MOST_FAULTS])}{more}",
            remedy="Do what the text says. Nothing was deleted, and work goes on by itself once "
            "the machine works again.",
            runbook=_RUNBOOK,
        )
    ]


def caused_elsewhere(condition: Condition) -> bool:
    """Whether a fault of the machine, which has a message of its own, is behind a condition.

    Data that becomes too old is a condition of its own: readers notice it.
    """
    is_old = condition.kind in (STALE, HARD_STALE)
    return condition.cause.startswith(MachineFault.alert_cause) and not is_old
