"""Conditions: what is wrong with one subject, the input of the alerts."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

MACHINE_FAULT = "machine fault"
# From bad to worse; other kinds are compared by severity alone.
_RANKS = {word: rank for rank, word in enumerate(("stale", "hard_stale", "missing", "corrupt"))}


class Severity(IntEnum):
    """Severity of a condition."""

    WARNING = 1
    CRITICAL = 2

    @property
    def word(self) -> str:
        """Name in lower case, as in messages: ``warning`` or ``critical``."""
        return self.name.lower()


@dataclass(frozen=True)
class Condition:
    """One thing that is wrong now.

    Attributes:
        subject: for example ``"BTC/USDT 1h"``, ``"disk"``, ``"job train_models"``.
        kind: one word; a worse one of ``stale``, ``hard_stale``, ``missing``, ``corrupt`` sends
            another message.
        cause: short, stable text; subjects of one kind and cause share a message. May be empty.
        since: start of the condition.
        detail: age, last good data, error.
        remedy: what to do.
        runbook: path of its page.
        only_when_lasting: the alert is debounced for one repeat interval.
    """

    subject: str
    kind: str
    cause: str
    severity: Severity
    since: datetime
    detail: str
    remedy: str
    runbook: str
    only_when_lasting: bool = False

    @property
    def group(self) -> tuple[str, str]:
        """Kind and cause; conditions of one group share messages."""
        return self.kind, self.cause

    def is_worse_than(self, other: "Condition") -> bool:
        """Whether this condition warrants a message after ``other``."""
        if self.severity != other.severity:
            return self.severity > other.severity
        if self.kind not in _RANKS or other.kind not in _RANKS:
            return False
        return _RANKS[self.kind] > _RANKS[other.kind]


def worst_by_subject(conditions: Iterable[Condition]) -> dict[str, Condition]:
    """The worst condition of each subject, the first of equals."""
    found: dict[str, Condition] = {}
    for condition in conditions:
        known = found.get(condition.subject)
        if known is None or condition.is_worse_than(known):
            found[condition.subject] = condition
    return found
