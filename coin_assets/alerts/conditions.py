"""What is wrong with one subject, as the rest of the platform tells it to the alerts."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

# From bad to worse; between words that are not here only the severity tells.
_RANKS = {word: rank for rank, word in enumerate(("stale", "hard_stale", "missing", "corrupt"))}


class Severity(IntEnum):
    """How much it matters."""

    WARNING = 1
    CRITICAL = 2

    @property
    def word(self) -> str:
        return self.name.lower()


@dataclass(frozen=True)
class Condition:
    """One thing that is wrong now.

    Attributes:
        subject: what is wrong, for example ``"BTC/USDT 1h"``, ``"disk"``, ``"job train_models"``.
        kind: the word for it; a subject whose word gets worse is told again (``stale``,
            ``hard_stale``, ``missing``, ``corrupt``).
        cause: short, stable text; subjects of one kind and cause share a message. May be empty.
        since: when it became wrong.
        detail: how old, what was last good, the error.
        remedy: what to do.
        runbook: path of the page that says more.
        only_when_lasting: nobody is told before it has been seen for as long as repeats take.
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
        """Subjects with the same one share messages."""
        return self.kind, self.cause

    def is_worse_than(self, other: "Condition") -> bool:
        """Whether somebody who knows ``other`` has to hear of this one."""
        if self.severity != other.severity:
            return self.severity > other.severity
        if self.kind not in _RANKS or other.kind not in _RANKS:
            return False
        return _RANKS[self.kind] > _RANKS[other.kind]


def worst_by_subject(conditions: Iterable[Condition]) -> dict[str, Condition]:
    """One condition a subject: the worst, of equals the one that came first."""
    found: dict[str, Condition] = {}
    for condition in conditions:
        known = found.get(condition.subject)
        if known is None or condition.is_worse_than(known):
            found[condition.subject] = condition
    return found
