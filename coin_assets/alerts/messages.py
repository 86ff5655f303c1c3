"""Messages: what happened to which subjects, short enough for a phone."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

from coin_assets.alerts.conditions import Condition, Severity
from coin_assets.alerts.wording import (
    MOST_LISTED,
    by_timeframe,
    shortened,
    subjects_words,
    time_words,
)
from coin_assets.domain.durations import duration_text

# Together with the title these keep a message below 2000 characters, the smallest limit.
_MOST_DETAIL, _MOST_LINE, _MOST_CAUSE, _MOST_REMEDY = 500, 100, 160, 240
_MOST_SHORT, _MOST_SHORT_SUBJECTS = 100, 10
INFO = "info"
_NAMED_SYMBOLS = 5  # for each timeframe, if there are too many subjects to list


class MessageKind(StrEnum):
    """What happened; subjects of one kind, condition and cause share a message."""

    ALERT = "alert"
    WORSE = "worse"
    REPEAT = "repeat"
    ESCALATION = "escalation"
    RECOVERY = "recovery"
    TEST = "test"


_TITLES = {
    MessageKind.ALERT: "{}",
    MessageKind.WORSE: "worse, {}",
    MessageKind.REPEAT: "still {}",
    MessageKind.ESCALATION: "escalation, {}",
    MessageKind.RECOVERY: "recovered from {}",
    MessageKind.TEST: "{}",
}

_WORDS = {MessageKind.RECOVERY: "OK", MessageKind.TEST: "TEST"}  # in place of a severity


@dataclass(frozen=True)
class Message:
    """One message for every channel.

    Attributes:
        id: unique per event, the same for every channel and every attempt to deliver it.
        severity: of the worst condition, also when it is over.
        since: when the first of the subjects became wrong.
    """

    id: str
    kind: MessageKind
    severity: Severity
    subjects: tuple[str, ...]
    title: str
    text: str
    since: datetime
    created_at: datetime
    runbook: str

    @property
    def level(self) -> str:
        """Urgency for receivers: that of the condition; ``info`` once it is over, and of tests."""
        return INFO if self.kind in _WORDS else self.severity.word

    @property
    def headline(self) -> str:
        """``[CRITICAL] hard_stale: BTC/USDT 1h``."""
        return f"[{_WORDS.get(self.kind, self.severity.name)}] {self.title}"

    def log_line(self) -> str:
        """The whole message in one line."""
        return f"{self.headline}: {' '.join(self.text.splitlines())} ({self.kind} {self.id})"


def compose(
    kind: MessageKind, conditions: Sequence[Condition], affected: int, now: datetime
) -> Message:
    """The message about subjects of one condition kind and cause.

    Args:
        conditions: at least one, each as last seen.
        affected: number of subjects in the same group, these included.
    """
    subjects = tuple(each.subject for each in conditions)
    first = min(conditions, key=lambda each: each.since)
    worst = max(conditions, key=lambda each: each.severity)
    over = kind == MessageKind.RECOVERY
    lines = [
        _over(conditions, first, now) if over else _since(conditions, first, now),
        *_details(conditions, first, over, now),
        f"{affected} are affected by now." if affected > len(subjects) else "",
        "" if over or not worst.cause else f"Cause: {shortened(worst.cause, _MOST_CAUSE)}",
        "" if over or not worst.remedy else f"To do: {shortened(worst.remedy, _MOST_REMEDY)}",
        "" if over or not worst.runbook else f"Runbook: {worst.runbook}",
    ]
    return Message(
        id=_identity(kind, worst, subjects, now),
        kind=kind,
        severity=worst.severity,
        subjects=subjects,
        title=f"{_TITLES[kind].format(worst.kind)}: {subjects_words(subjects)}",
        text="\n".join(line for line in lines if line),
        since=first.since,
        created_at=now,
        runbook=worst.runbook,
    )


def short_form(message: Message) -> Message:
    """The same event in a few ASCII words, for a channel that refuses the message.

    Its id differs, since a receiver may refuse another body under the Idempotency-Key of before.
    """
    return replace(
        message,
        id=f"{message.id}-short",
        subjects=tuple(_ascii(each) for each in message.subjects[:_MOST_SHORT_SUBJECTS]),
        title=_ascii(message.title),
        text=f"The channel refused the whole message. It is in the log under {message.id}.",
    )


def _ascii(text: str) -> str:
    return shortened(text, _MOST_SHORT).encode("ascii", "replace").decode()


def _since(conditions: Sequence[Condition], first: Condition, now: datetime) -> str:
    same = all(each.since == first.since for each in conditions)
    return (
        f"Since {time_words(first.since)} UTC{'' if same else ' at the earliest'} "
        f"({duration_text(now - first.since)})."
    )


def _over(conditions: Sequence[Condition], first: Condition, now: datetime) -> str:
    same = all(each.since == first.since for each in conditions)
    return (
        f"Over at {time_words(now)} UTC after {'' if same else 'up to '}"
        f"{duration_text(now - first.since)} (since {time_words(first.since)})."
    )


def _details(
    conditions: Sequence[Condition], first: Condition, over: bool, now: datetime
) -> list[str]:
    if len(conditions) > MOST_LISTED:
        lines = [
            shortened(f"{name}: {_some(members)}", _MOST_LINE)
            for name, members in by_timeframe([each.subject for each in conditions]).items()
        ]
        return lines if over or not first.detail else [*lines, f"First: {_line(first)}"]
    if over:
        if all(each.since == first.since for each in conditions):
            return []
        return [f"{each.subject}: {duration_text(now - each.since)}" for each in conditions]
    if all(each.detail == first.detail for each in conditions):
        return [shortened(first.detail, _MOST_DETAIL)]
    return [_line(each) for each in conditions]


def _line(condition: Condition) -> str:
    return shortened(f"{condition.subject}: {condition.detail}", _MOST_LINE)


def _some(symbols: Sequence[str]) -> str:
    named = ", ".join(symbols[:_NAMED_SYMBOLS])
    more = len(symbols) - _NAMED_SYMBOLS
    return f"{named} and {more} more" if more > 0 else named


def _identity(
    kind: MessageKind, condition: Condition, subjects: tuple[str, ...], now: datetime
) -> str:
    at = now.astimezone(UTC).isoformat()
    event = "\n".join((kind, *condition.group, at, *subjects))
    return hashlib.sha256(event.encode(errors="surrogatepass")).hexdigest()[:32]
