"""The rows behind the outbox; every function works inside the caller's transaction.

A delivery ends at its ``accepted_at``. Its ``error`` is then empty; if not, the message was not
accepted but set aside. So databases of earlier releases have all columns, and those releases can
use this one.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from sqlite3 import Connection

from coin_assets.alerts.incidents import Incident, Mute, MuteKind
from coin_assets.alerts.messages import Message
from coin_assets.alerts.records import (
    incident_text,
    message_text,
    parse_incident,
    parse_message,
    parse_stamp,
    stamp,
)
from coin_assets.errors import CorruptArtefact

KEPT_DELIVERED = timedelta(days=30)
KEPT_UNCONFIGURED = timedelta(days=7)


@dataclass(frozen=True)
class Pending:
    """A message that a channel has not accepted yet.

    Attributes:
        number: ascends with the age of messages.
        channel: its id.
        tries: that were begun.
        next_try: not before; None if it was never tried.
        error: of the last try.
    """

    number: int
    message: Message
    channel: str
    tries: int
    next_try: datetime | None
    error: str


@dataclass(frozen=True)
class SetAside:
    """A message that a channel refused for itself.

    Attributes:
        channel: its id.
        reason: who did not accept it, and why.
    """

    message: Message
    channel: str
    at: datetime
    reason: str


def read_incidents(connection: Connection) -> dict[str, Incident]:
    """Open incidents by subject."""
    rows = connection.execute("SELECT subject, document FROM incidents ORDER BY subject")
    with _rows_readable():
        return {subject: parse_incident(document) for subject, document in rows}


def replace_incidents(
    connection: Connection, known: Mapping[str, Incident], current: Mapping[str, Incident]
) -> None:
    """Replace the ``known`` rows by those of ``current``, both by subject."""
    connection.executemany(
        "DELETE FROM incidents WHERE subject = ?",
        [(subject,) for subject in known if subject not in current],
    )
    connection.executemany(
        "INSERT OR REPLACE INTO incidents (subject, document) VALUES (?, ?)",
        [
            (subject, incident_text(incident))
            for subject, incident in current.items()
            if incident != known.get(subject)
        ],
    )


def read_mutes(connection: Connection) -> list[Mute]:
    """All mutes, expired ones too."""
    rows = connection.execute("SELECT subject, until, kind, note, by FROM mutes ORDER BY subject")
    with _rows_readable():
        return [
            Mute(subject, parse_stamp(until), MuteKind(kind), note, by)
            for subject, until, kind, note, by in rows
        ]


def save_mutes(connection: Connection, mutes: Iterable[Mute]) -> None:
    """One row for each subject and kind."""
    connection.executemany(
        "INSERT OR REPLACE INTO mutes (subject, until, kind, note, by) VALUES (?, ?, ?, ?, ?)",
        [(each.subject, stamp(each.until), each.kind.value, each.note, each.by) for each in mutes],
    )


def remove_mutes(connection: Connection, mutes: Iterable[Mute]) -> None:
    """Remove these."""
    connection.executemany(
        "DELETE FROM mutes WHERE subject = ? AND kind = ?",
        [(each.subject, each.kind.value) for each in mutes],
    )


def note_configured(connection: Connection, channels: Collection[str], now: datetime) -> None:
    """Record that these channels are configured at ``now``."""
    connection.executemany(
        "INSERT OR REPLACE INTO channels (id, configured_at) VALUES (?, ?)",
        [(channel, stamp(now)) for channel in channels],
    )


def enqueue(connection: Connection, message: Message, channels: Collection[str]) -> None:
    """Store ``message`` for ``channels``; a known event is not stored twice."""
    connection.execute(
        "INSERT OR IGNORE INTO messages (id, created_at, document) VALUES (?, ?, ?)",
        (message.id, stamp(message.created_at), message_text(message)),
    )
    connection.executemany(
        "INSERT OR IGNORE INTO deliveries (message, channel) "
        "SELECT number, ? FROM messages WHERE id = ?",
        [(channel, message.id) for channel in channels],
    )


def read_pending(
    connection: Connection, channel: str | None = None, limit: int = -1, after: int = 0
) -> list[Pending]:
    """Undelivered messages (of one channel), oldest first; only those with a number > ``after``."""
    rows = connection.execute(
        "SELECT number, document, channel, tries, next_try, error "
        "FROM deliveries JOIN messages ON message = number "
        "WHERE accepted_at IS NULL AND channel = coalesce(?, channel) AND message > ? "
        "ORDER BY message, channel LIMIT ?",
        (channel, after, limit),
    )
    with _rows_readable():
        return [
            Pending(number, parse_message(document), to, int(tries), at and parse_stamp(at), error)
            for number, document, to, tries, at, error in rows
        ]


def count_pending(connection: Connection, channels: Collection[str]) -> int:
    """Number of undelivered messages, counted for each channel."""
    rows = connection.execute(
        "SELECT channel, count(*) FROM deliveries JOIN messages ON message = number "
        "WHERE accepted_at IS NULL GROUP BY channel"
    )
    return sum(count for channel, count in rows if channel in channels)


def undelivered_since(connection: Connection, channels: Collection[str]) -> datetime | None:
    """Time of the oldest message for ``channels`` that no channel has accepted."""
    rows = connection.execute(
        "SELECT created_at, channel FROM deliveries JOIN messages ON message = number "
        "WHERE accepted_at IS NULL AND NOT EXISTS (SELECT 1 FROM deliveries AS other "
        "WHERE other.message = number AND other.accepted_at IS NOT NULL AND other.error = '') "
        "ORDER BY number"
    )
    with _rows_readable():
        return next((parse_stamp(at) for at, channel in rows if channel in channels), None)


def note_try(connection: Connection, pending: Pending, next_try: datetime, error: str) -> None:
    """Store the time of the next attempt and the error of this one."""
    connection.execute(
        "UPDATE deliveries SET tries = ?, next_try = ?, error = ? "
        "WHERE message = ? AND channel = ?",
        (pending.tries + 1, stamp(next_try), error, pending.number, pending.channel),
    )


def note_accepted(connection: Connection, pending: Pending, now: datetime) -> None:
    """Mark a message as accepted, so that it is never sent again."""
    connection.execute(
        "UPDATE deliveries SET accepted_at = ?, error = '' WHERE message = ? AND channel = ?",
        (stamp(now), pending.number, pending.channel),
    )


def note_set_aside(connection: Connection, pending: Pending, now: datetime) -> None:
    """End a delivery without acceptance; the error of its last try stays."""
    connection.execute(
        "UPDATE deliveries SET accepted_at = ? WHERE message = ? AND channel = ?",
        (stamp(now), pending.number, pending.channel),
    )


def read_set_aside(connection: Connection, since: datetime) -> list[SetAside]:
    """What was set aside at or after ``since``, oldest first."""
    rows = connection.execute(
        "SELECT document, channel, accepted_at, error FROM deliveries "
        "JOIN messages ON message = number "
        "WHERE accepted_at >= ? AND error <> '' ORDER BY accepted_at, number",
        (stamp(since),),
    )
    with _rows_readable():
        return [
            SetAside(parse_message(document), channel, parse_stamp(at), error)
            for document, channel, at, error in rows
        ]


def prune(connection: Connection, now: datetime) -> None:
    """Remove expired messages."""
    connection.execute(
        "DELETE FROM channels WHERE configured_at < ?", (stamp(now - KEPT_UNCONFIGURED),)
    )
    connection.execute(
        "DELETE FROM deliveries "
        "WHERE accepted_at IS NULL AND channel NOT IN (SELECT id FROM channels)"
    )
    connection.execute(
        "DELETE FROM messages WHERE created_at < ? AND NOT EXISTS ("
        "SELECT 1 FROM deliveries WHERE message = number AND accepted_at IS NULL)",
        (stamp(now - KEPT_DELIVERED),),
    )


@contextmanager
def _rows_readable() -> Iterator[None]:
    """Pages have no checksums, so damage inside of a value is found only here."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CorruptArtefact(
            f"a row of the alerts' database cannot be read ({type(error).__name__}: {error}). A "
            "running make up moves the file aside in its next cycle."
        ) from error
