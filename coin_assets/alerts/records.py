"""Incidents and messages as JSON text, and back."""

import json
from datetime import UTC, datetime
from typing import Any

from coin_assets.alerts.conditions import Condition, Severity
from coin_assets.alerts.incidents import Incident
from coin_assets.alerts.messages import Message, MessageKind

Fields = dict[str, Any]

_SENT_CONDITION = "told"  # as stored; the name stays, so that older databases stay readable


def stamp(time: datetime) -> str:
    """UTC to the microsecond; texts sort as the times do."""
    return time.astimezone(UTC).isoformat(timespec="microseconds")


def parse_stamp(text: str) -> datetime:
    """Inverse of `stamp`.

    Raises:
        ValueError: it is no time, or has no time zone.
    """
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return time


def incident_text(incident: Incident) -> str:
    """The incident as JSON."""
    fields = _flat(incident)
    fields["condition"] = _flat(incident.condition)
    sent_condition = fields.pop("sent_condition")
    fields[_SENT_CONDITION] = sent_condition and _flat(sent_condition)
    return json.dumps(fields)


def parse_incident(text: str) -> Incident:
    """Inverse of `incident_text`."""
    fields = json.loads(text)
    sent_condition = fields.pop(_SENT_CONDITION)
    return Incident(
        condition=_condition(fields.pop("condition")),
        sent_condition=None if sent_condition is None else _condition(sent_condition),
        **_timed(fields, "since", "opened_at", "alerted_at", "last_sent"),
    )


def message_text(message: Message) -> str:
    """The message as JSON."""
    return json.dumps(_flat(message))


def parse_message(text: str) -> Message:
    """Inverse of `message_text`."""
    fields: Fields = json.loads(text)
    return Message(
        kind=MessageKind(fields.pop("kind")),
        severity=Severity(fields.pop("severity")),
        subjects=tuple(fields.pop("subjects")),
        **_timed(fields, "since", "created_at"),
    )


def _condition(fields: Fields) -> Condition:
    return Condition(severity=Severity(fields.pop("severity")), **_timed(fields, "since"))


def _flat(record: Condition | Incident | Message) -> Fields:
    return {
        name: stamp(value) if isinstance(value, datetime) else value
        for name, value in vars(record).items()
    }


def _timed(fields: Fields, *names: str) -> Fields:
    times = {name: fields[name] and parse_stamp(fields[name]) for name in names}
    return fields | times
