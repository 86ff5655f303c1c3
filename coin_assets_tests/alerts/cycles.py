"""Conditions and messages for tests of the alerts."""

from datetime import datetime, timedelta

from coin_assets.alerts.conditions import Condition, Severity
from coin_assets.alerts.incidents import Rules
from coin_assets.alerts.messages import Message, MessageKind, compose
from coin_assets_tests.platform import utc

NOW = utc("2026-11-22T22:05")
MINUTE = timedelta(minutes=1)
RULES = Rules(cycle=MINUTE, repeat_cycles=3, escalate_cycles=60)
BTC, ETH, XRP = "BTC/USDT 1h", "ETH/USDT 1h", "XRP/USDT 1h"


def stale(
    subject: str = BTC,
    kind: str = "hard_stale",
    cause: str = "the exchange does not answer",
    since: datetime = NOW,
    severity: Severity = Severity.CRITICAL,
    lasting: bool = False,
) -> Condition:
    return Condition(
        subject=subject,
        kind=kind,
        cause=cause,
        severity=severity,
        since=since,
        detail="data ends 2026-11-22 20:00, 125 min old (limit 130)",
        remedy="check the exchange, then run update",
        runbook="docs/operations/stale.md",
        only_when_lasting=lasting,
    )


def soft(subject: str = BTC, cause: str = "the exchange does not answer") -> Condition:
    """Soft-stale: a warning, alerted when it lasts."""
    return stale(subject, "stale", cause, severity=Severity.WARNING, lasting=True)


def message(*subjects: str, at: datetime = NOW) -> Message:
    found = [stale(subject) for subject in subjects or (BTC,)]
    return compose(MessageKind.ALERT, found, len(found), at)
