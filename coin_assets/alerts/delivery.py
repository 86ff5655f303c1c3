"""Delivery of the outbox to one channel, the oldest message first.

A refusal that is of the channel (no connection, HTTP 401, 404, 429, 5xx) keeps its messages in
order until it accepts them. One that is of a message (HTTP 400, 413, 422) would last for ever:

- The third try is followed at once by a short text of the same event, which replaces the message.
- If that is refused as well, the next messages are tried. One that is accepted proves that the
  channel works: the refused messages are set aside, kept, and reported. If none is accepted, the
  channel refuses everything, and all messages stay in order.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from coin_assets.alerts import tables
from coin_assets.alerts.channels import Channel
from coin_assets.alerts.database import Database
from coin_assets.alerts.messages import short_form
from coin_assets.alerts.tables import Pending
from coin_assets.alerts.transport import LONGEST_RETRY_AFTER_SECONDS, DeliveryRefused
from coin_assets.domain.backoff import backoff

FIRST_DELAY, LONGEST_DELAY = timedelta(seconds=5), timedelta(minutes=10)
_LONGEST_WAIT = max(LONGEST_DELAY, timedelta(seconds=LONGEST_RETRY_AFTER_SECONDS))
_WHOLE_TRIES = 3
# A message that is refused for itself is soon tried again, for what comes later waits behind it.
_LONGEST_OWN_DELAY = timedelta(minutes=1)
_MOST_PASSED = 10  # messages that are refused for themselves, until that is taken for the channel
_BEGUN = "the process ended before the answer came"

Clock = Callable[[], datetime]


@dataclass
class Sent:
    """What was sent to one channel.

    Attributes:
        delivered: number of accepted messages.
        refusal: why the first one was refused; empty if none was, or if others were accepted since.
        log_lines: what became of messages that were not accepted as they are.
    """

    delivered: int = 0
    refusal: str = ""
    log_lines: list[str] = field(default_factory=list)


def send_due(database: Database, channel: Channel, clock: Clock, end: datetime) -> Sent:
    """Send the messages of a channel that are due, and record what became of them.

    Args:
        end: no message is begun after it.
    """
    sent, passed = Sent(), list[Pending]()
    while (now := clock()) < end and len(passed) < _MOST_PASSED:
        claimed = _claim(database, channel, passed[-1].number if passed else 0, now)
        if claimed is None:
            break
        try:
            sent.log_lines += _delivered(channel, claimed)
        except DeliveryRefused as refusal:
            _note_refusal(database, claimed, refusal, clock())
            sent.refusal = sent.refusal or str(refusal)
            stays = "stays in the outbox and is tried again"
            sent.log_lines.append(f"alert {claimed.message.id} {stays}: {refusal}")
            if not _is_refused_for_itself(claimed, refusal):
                break
            passed.append(claimed)
            continue
        with database.transaction() as connection:
            at = clock()
            tables.note_accepted(connection, claimed, at)
            for each in passed:
                tables.note_set_aside(connection, each, at)
        sent.log_lines += [_set_aside_line(channel, each) for each in passed]
        sent.delivered, sent.refusal, passed = sent.delivered + 1, "", []
    return sent


def _delivered(channel: Channel, claimed: Pending) -> list[str]:
    """Deliver a message, or its short text; returns a log line about the latter.

    Raises:
        DeliveryRefused: neither was accepted.
    """
    try:
        channel.deliver(claimed.message)
    except DeliveryRefused as refusal:
        if not _is_refused_for_itself(claimed, refusal):
            raise
        channel.deliver(short_form(claimed.message))
        return [f"alert {claimed.message.id} was sent as a short text: {refusal}"]
    return []


def _is_refused_for_itself(claimed: Pending, refusal: DeliveryRefused) -> bool:
    return refusal.is_of_message and claimed.tries + 1 >= _WHOLE_TRIES


def _claim(database: Database, channel: Channel, after: int, now: datetime) -> Pending | None:
    """The channel's oldest message after the number ``after``, if it is due.

    The try is noted before it is made: on a disk that takes no note of acceptances, or in a
    process that is killed at this point each time, a message is not sent over and over.
    """
    with database.transaction() as connection:
        for head in tables.read_pending(connection, channel.id, 1, after):
            if _is_due(head, now):
                tables.note_try(connection, head, now + _delay(head), _BEGUN)
                return head
    return None


def _note_refusal(
    database: Database, claimed: Pending, refusal: DeliveryRefused, now: datetime
) -> None:
    wait = _delay(claimed)
    if refusal.is_of_message:
        wait = min(wait, _LONGEST_OWN_DELAY)
    next_try = now + max(wait, timedelta(seconds=refusal.retry_after or 0.0))
    with database.transaction() as connection:
        tables.note_try(connection, claimed, next_try, str(refusal))


def _is_due(head: Pending, now: datetime) -> bool:
    """Whether to try; a time that is too far ahead comes from a clock that was wrong."""
    return head.next_try is None or not now < head.next_try <= now + _LONGEST_WAIT


def _delay(head: Pending) -> timedelta:
    """Time to wait after one more failed try."""
    return backoff(FIRST_DELAY, LONGEST_DELAY, head.tries + 1)


def _set_aside_line(channel: Channel, refused: Pending) -> str:
    message = refused.message
    return (
        f"alert {message.id} was set aside: {channel.name} refuses it, whole and as a short text, "
        f"and accepts others. It says: {message.log_line()}"
    )
