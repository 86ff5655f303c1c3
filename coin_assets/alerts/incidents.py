"""Incidents: the messages that the conditions of one cycle cause. Pure.

All intervals are measured by the clock, so missed or doubled cycles change nothing.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from coin_assets.alerts.conditions import Condition, worst_by_subject
from coin_assets.alerts.messages import Message, MessageKind, compose
from coin_assets.domain.backoff import backoff

LONGEST_INTERVAL = timedelta(hours=1)

Group = tuple[MessageKind, tuple[str, str]]


@dataclass(frozen=True)
class Rules:
    """Intervals of repeats and escalation.

    Attributes:
        cycle: time between two cycles.
        repeat_cycles: cycles to the first repeat; the intervals double, up to an hour.
        escalate_cycles: cycles from the alert to the escalation.
    """

    cycle: timedelta
    repeat_cycles: int
    escalate_cycles: int

    @property
    def first_interval(self) -> timedelta:
        """Time to the first repeat, and the debounce time of lasting conditions."""
        return self.cycle * self.repeat_cycles

    def interval(self, repeats: int) -> timedelta:
        """Time from the repeat number ``repeats`` to the next; 0 is the alert itself.

        It doubles each time, up to an hour, or to `first_interval` if that is longer.
        """
        longest = max(LONGEST_INTERVAL, self.first_interval)
        return backoff(self.first_interval, longest, repeats + 1)

    @property
    def escalation(self) -> timedelta:
        """Time from the alert to the escalation."""
        return self.cycle * self.escalate_cycles


@dataclass(frozen=True)
class Incident:
    """An open condition and its messages.

    Attributes:
        condition: as last seen.
        since: earliest start that was reported.
        opened_at: when it was first seen.
        alerted_at: time of the alert; None before.
        last_sent: time of its last message.
        sent_condition: the condition as in that message; None before the first.
        repeats: number since the last alert or worsening.
    """

    condition: Condition
    since: datetime
    opened_at: datetime
    alerted_at: datetime | None = None
    last_sent: datetime | None = None
    sent_condition: Condition | None = None
    repeats: int = 0
    escalated: bool = False

    def is_due(self, now: datetime, rules: Rules) -> bool:
        """Whether its next repeat is due."""
        return self.last_sent is not None and now - self.last_sent >= rules.interval(self.repeats)


class MuteKind(StrEnum):
    """``acknowledge``: no repeats and no escalation; ``mute``: nothing at all."""

    ACKNOWLEDGE = "acknowledge"
    MUTE = "mute"


@dataclass(frozen=True)
class Mute:
    """A mute or acknowledgement; the latter also ends with its incident."""

    subject: str
    until: datetime
    kind: MuteKind
    note: str = ""
    by: str = ""


def advance(
    incidents: Mapping[str, Incident],
    conditions: Iterable[Condition],
    mutes: Iterable[Mute],
    now: datetime,
    rules: Rules,
) -> tuple[dict[str, Incident], list[Message]]:
    """Incidents after one cycle of ``health_alerts``, by subject, and the messages to send.

    Each subject is in one message at most. A muted subject is in none, not even at its recovery; if
    it is still open when the mute ends, it is alerted then. An acknowledged incident has no repeats
    and no escalation; alert, worsening and recovery are still sent.

    Args:
        incidents: of the last cycle, by subject.
        conditions: of this cycle; the worst of a subject counts.
        mutes: mutes and acknowledgements; those that ended at ``now`` have no effect.
        now: time of this cycle, UTC.
        rules: intervals of repeats and escalation.
    """
    held = [mute for mute in mutes if mute.until > now]
    muted = {mute.subject for mute in held if mute.kind == MuteKind.MUTE}
    acknowledged = {mute.subject for mute in held if mute.kind == MuteKind.ACKNOWLEDGE}
    current = {
        subject: _seen(incidents.get(subject), condition, now)
        for subject, condition in worst_by_subject(conditions).items()
    }
    over = [
        each
        for subject, each in incidents.items()
        if subject not in current and subject not in muted and each.alerted_at is not None
    ]
    audible = {name: each for name, each in current.items() if name not in muted}
    events = _events(audible, acknowledged, now, rules)
    # Incidents repeated together stay together, with the longest interval among them.
    repeats: dict[Group, int] = defaultdict(int)
    for name, event in events.items():
        group = event, current[name].condition.group
        repeats[group] = max(repeats[group], current[name].repeats)
    updated = current | {
        name: _after_message(
            current[name], event, now, repeats[event, current[name].condition.group]
        )
        for name, event in events.items()
    }
    affected = Counter(
        updated[name].condition.group for name in audible if updated[name].alerted_at
    )
    groups: dict[Group, list[Incident]] = defaultdict(list)
    for name, event in events.items():
        groups[event, updated[name].condition.group].append(updated[name])
    for each in over:
        groups[MessageKind.RECOVERY, each.condition.group].append(each)
    messages = [
        _message(kind, members, affected[group], now) for (kind, group), members in groups.items()
    ]
    return updated, sorted(messages, key=lambda each: -each.severity)


def still_holding(
    mutes: Iterable[Mute], incidents: Mapping[str, Incident], now: datetime
) -> list[Mute]:
    """Mutes that have not expired; acknowledgements only of open incidents."""
    return [
        mute
        for mute in mutes
        if mute.until > now and (mute.kind == MuteKind.MUTE or mute.subject in incidents)
    ]


def _seen(known: Incident | None, condition: Condition, now: datetime) -> Incident:
    if known is None:
        return Incident(condition, condition.since, now)
    return replace(
        known,
        condition=condition,
        since=min(known.since, condition.since),
        # If the clock was set back, waiting for the old time would mean silence.
        opened_at=min(known.opened_at, now),
        alerted_at=known.alerted_at and min(known.alerted_at, now),
        last_sent=known.last_sent and min(known.last_sent, now),
    )


def _events(
    audible: Mapping[str, Incident], acknowledged: set[str], now: datetime, rules: Rules
) -> dict[str, MessageKind]:
    """The kind of message that each subject needs."""
    events: dict[str, MessageKind] = {}
    quiet: dict[tuple[str, str], list[str]] = defaultdict(list)
    for subject, incident in audible.items():
        event = _event(incident, subject in acknowledged, now, rules)
        if event is not None:
            events[subject] = event
        elif incident.alerted_at is not None and subject not in acknowledged:
            quiet[incident.condition.group].append(subject)
    for subjects in quiet.values():
        if any(audible[subject].is_due(now, rules) for subject in subjects):
            events |= dict.fromkeys(subjects, MessageKind.REPEAT)
    return events


def _event(
    incident: Incident, is_acknowledged: bool, now: datetime, rules: Rules
) -> MessageKind | None:
    """The kind of message that one subject needs, repeats aside."""
    if incident.alerted_at is None or incident.sent_condition is None:
        has_lasted = now - incident.opened_at >= rules.first_interval
        waits = incident.condition.only_when_lasting and not has_lasted
        return None if waits else MessageKind.ALERT
    if incident.condition.is_worse_than(incident.sent_condition):
        return MessageKind.WORSE
    is_late = now - incident.alerted_at >= rules.escalation and incident.last_sent != now
    if is_late and not incident.escalated and not is_acknowledged:
        return MessageKind.ESCALATION
    return None


def _after_message(
    incident: Incident, event: MessageKind, now: datetime, most_repeats: int
) -> Incident:
    sent = replace(incident, last_sent=now, sent_condition=incident.condition)
    if event == MessageKind.REPEAT:
        return replace(sent, repeats=most_repeats + 1)
    if event == MessageKind.ESCALATION:
        return replace(sent, escalated=True)
    return replace(sent, repeats=0, alerted_at=incident.alerted_at or now)


def _message(kind: MessageKind, members: list[Incident], affected: int, now: datetime) -> Message:
    conditions = [replace(each.condition, since=each.since) for each in members]
    return compose(kind, conditions, 0 if kind == MessageKind.RECOVERY else affected, now)
