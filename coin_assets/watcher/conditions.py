"""Conditions that the watcher reports, of what it has seen. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from coin_assets.alerts.conditions import MACHINE_FAULT, Condition, Severity
from coin_assets.domain.durations import duration_text
from coin_assets.errors import MachineFault

# Not the subject of `health_alerts`, whose incidents end on their own.
ALERTING, WRITING = "alerting", "writing to files"
_STORAGE_PAGE, _RECOVERY_PAGE = "docs/operations/storage.md", "docs/operations/recovery.md"


def of_writes(faults: Mapping[str, MachineFault], now: datetime) -> Condition:
    """Folders that cannot be written, as one condition.

    Args:
        faults: by folder; at least one.
    """
    folders: dict[str, list[str]] = {}
    for folder, fault in faults.items():
        folders.setdefault(fault.errno_name, []).append(folder)
    texts = [
        f"{faults[first]} Likewise {', '.join(others)}." if others else str(faults[first])
        for first, *others in folders.values()
    ]
    return Condition(
        subject=WRITING,
        kind=MACHINE_FAULT,
        cause=f"{MachineFault.alert_cause}: {', '.join(folders)}",
        severity=Severity.CRITICAL,
        since=now,
        detail=" ".join(texts),
        remedy="Do what the text says. Other alerts may not arrive meanwhile. Nothing was deleted, "
        "and work goes on by itself once the machine works again.",
        runbook=_STORAGE_PAGE,
    )


def of_database(reason: str, now: datetime) -> Condition:
    """A database that cannot be used."""
    return Condition(
        subject="database",
        kind="database unusable",
        cause="",
        severity=Severity.CRITICAL,
        since=now,
        detail=reason,
        remedy="Nothing runs and no other alert is sent without it. A damaged file: restart make "
        "up, which moves it aside and begins a new one; then check the disk (dmesg). PostgreSQL: "
        "look at its server.",
        runbook=_RECOVERY_PAGE,
    )


def of_silence(seconds: float, now: datetime) -> Condition:
    """No heartbeat of the sensor ``health_alerts``."""
    return Condition(
        subject=ALERTING,
        kind="not working",
        cause="",
        severity=Severity.CRITICAL,
        since=now,
        detail="health_alerts, which sends all other alerts, has ended no cycle for "
        f"{duration_text(timedelta(seconds=seconds))}; candles and forecasts may be late as well.",
        remedy="Look whether daemon and code server run, and at Automation in the UI; restart "
        "make up.",
        runbook=_RECOVERY_PAGE,
    )
