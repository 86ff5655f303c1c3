"""The outbox of messages, durable in SQLite.

A message and its incidents are committed in one transaction. It is sent to each channel until the
channel accepts it, and the acceptance is committed at once. If the process dies between the two,
the message is sent once more, with the same id.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from filelock import FileLock, Timeout

from coin_assets.alerts import incidents as engine
from coin_assets.alerts import tables
from coin_assets.alerts.channels import Channel
from coin_assets.alerts.conditions import Condition
from coin_assets.alerts.database import Database
from coin_assets.alerts.incidents import Incident, Mute, MuteKind, Rules
from coin_assets.alerts.messages import Message
from coin_assets.alerts.tables import Pending
from coin_assets.alerts.transport import LONGEST_RETRY_AFTER_SECONDS, DeliveryRefused
from coin_assets.domain.backoff import backoff
from coin_assets.errors import ConfigurationError

FIRST_DELAY, LONGEST_DELAY = timedelta(seconds=5), timedelta(minutes=10)
_LONGEST_WAIT = max(LONGEST_DELAY, timedelta(seconds=LONGEST_RETRY_AFTER_SECONDS))
_BEGUN = "the process ended before the answer came"

Clock = Callable[[], datetime]
Log = Callable[[str], object]


@dataclass(frozen=True)
class DeliveryReport:
    """Result of `AlertBook.deliver`.

    Attributes:
        delivered: number of accepted messages, counted for each channel.
        pending: number of messages that the given channels have not accepted yet.
        failed: one text for each channel that refused.
    """

    delivered: int
    pending: int
    failed: tuple[str, ...]


@dataclass(frozen=True)
class Overview:
    """Result of `AlertBook.overview`.

    Attributes:
        incidents: by subject.
        mutes: mutes and acknowledgements that hold.
        pending: number of messages that a channel has not accepted yet.
    """

    incidents: dict[str, Incident]
    mutes: tuple[Mute, ...]
    pending: int


class AlertBook:
    """Incidents, mutes, and the outbox, in one file.

    Every method raises AlertsNotStored if the database cannot be used now, and CorruptArtefact if
    the file is damaged.

    Args:
        path: of the file, which is created at its first use.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database = Database(path)

    def advance(
        self,
        conditions: Iterable[Condition],
        now: datetime,
        rules: Rules,
        channel_ids: Collection[str],
    ) -> list[Message]:
        """One cycle: incidents and new messages are committed together, for all channels.

        Args:
            conditions: all that is wrong now.
            channel_ids: the configured channels.
        """
        with self._database.transaction() as connection:
            known, mutes = tables.read_incidents(connection), tables.read_mutes(connection)
            current, messages = engine.advance(known, conditions, mutes, now, rules)
            tables.replace_incidents(connection, known, current)
            holding = engine.still_holding(mutes, current, now)
            tables.remove_mutes(connection, [each for each in mutes if each not in holding])
            tables.note_configured(connection, channel_ids, now)
            for message in messages:
                tables.enqueue(connection, message, channel_ids)
            tables.prune(connection, now)
        return messages

    def deliver(
        self, channels: Sequence[Channel], clock: Clock, budget_seconds: float, log: Log
    ) -> DeliveryReport:
        """Send what is due, oldest first; a channel is left alone after its first failure.

        While another process delivers, nothing is done: it sends the same messages.

        Args:
            budget_seconds: no message is begun after these; one takes up to eight more.
            log: gets a line for each failure.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        delivered, failed = 0, list[str]()
        try:
            with FileLock(self._path.with_name(".deliver.lock"), timeout=0):
                delivered, failed = self._deliver(channels, clock, budget_seconds, log)
        except Timeout:
            log("alerts: another process is delivering them")
        with self._database.transaction() as connection:
            left = tables.count_pending(connection, {channel.id for channel in channels})
        return DeliveryReport(delivered, left, tuple(failed))

    def mute(
        self,
        subjects: Collection[str],
        until: datetime,
        kind: MuteKind,
        note: str = "",
        by: str = "",
    ) -> None:
        """Mute or acknowledge ``subjects``, in place of an earlier request of the same kind.

        Raises:
            ConfigurationError: a subject to acknowledge has no open incident.
        """
        with self._database.transaction() as connection:
            incidents = tables.read_incidents(connection)
            unknown = [subject for subject in subjects if subject not in incidents]
            if unknown and kind == MuteKind.ACKNOWLEDGE:
                raise ConfigurationError(
                    f"{', '.join(unknown)}: nothing is wrong there that could be acknowledged. "
                    f"Open incidents: {', '.join(incidents) or 'none'}. To silence a subject "
                    "ahead of time, mute it."
                )
            mutes = [Mute(subject, until, MuteKind(kind), note, by) for subject in subjects]
            tables.save_mutes(connection, mutes)

    def unmute(self, subjects: Collection[str]) -> None:
        """End mutes and acknowledgements of ``subjects``."""
        with self._database.transaction() as connection:
            known = tables.read_mutes(connection)
            tables.remove_mutes(connection, [each for each in known if each.subject in subjects])

    def mutes(self, now: datetime) -> list[Mute]:
        """Mutes and acknowledgements that hold at ``now``."""
        with self._database.transaction() as connection:
            mutes, incidents = tables.read_mutes(connection), tables.read_incidents(connection)
        return engine.still_holding(mutes, incidents, now)

    def incidents(self) -> dict[str, Incident]:
        """Open incidents by subject."""
        with self._database.transaction() as connection:
            return tables.read_incidents(connection)

    def overview(self, now: datetime) -> Overview:
        """All that is open at ``now``. Writes nothing, and creates no file."""
        with self._database.reading() as connection:
            if connection is None:
                return Overview({}, (), 0)
            incidents, mutes = tables.read_incidents(connection), tables.read_mutes(connection)
            pending = {each.number for each in tables.read_pending(connection)}
        holding = engine.still_holding(mutes, incidents, now)
        return Overview(incidents, tuple(holding), len(pending))

    def pending(self) -> list[Pending]:
        """Undelivered messages, oldest first; also of removed channels."""
        with self._database.transaction() as connection:
            return tables.read_pending(connection)

    def _deliver(
        self, channels: Sequence[Channel], clock: Clock, budget_seconds: float, log: Log
    ) -> tuple[int, list[str]]:
        end = clock() + timedelta(seconds=budget_seconds)
        delivered, failed = 0, list[str]()
        active = self._healthy_first(channels)
        while active:
            for channel in list(active):
                if clock() >= end:
                    return delivered, failed
                claimed = self._claim(channel, clock())
                if claimed is None:
                    active.remove(channel)
                    continue
                try:
                    channel.deliver(claimed.message)
                except DeliveryRefused as refusal:
                    self._note_refusal(claimed, refusal, clock())
                    log(f"alert {claimed.message.id} stays in the outbox: {refusal}")
                    failed.append(str(refusal))
                    active.remove(channel)
                else:
                    with self._database.transaction() as connection:
                        tables.note_accepted(connection, claimed, clock())
                    delivered += 1
        return delivered, failed

    def _healthy_first(self, channels: Sequence[Channel]) -> list[Channel]:
        """Those that hang could use up the budget, so those that worked last time come first."""
        with self._database.transaction() as connection:
            heads = {
                channel.id: tables.read_pending(connection, channel.id, 1) for channel in channels
            }
        return sorted(channels, key=lambda each: sum(head.tries for head in heads[each.id]))

    def _claim(self, channel: Channel, now: datetime) -> Pending | None:
        """The channel's oldest message, if it is due.

        The try is noted before it is made: on a disk that takes no note of acceptances, or in a
        process that is killed at this point each time, a message is not sent over and over.
        """
        with self._database.transaction() as connection:
            for head in tables.read_pending(connection, channel.id, 1):
                if _is_due(head, now):
                    tables.note_try(connection, head, now + _delay(head), _BEGUN)
                    return head
        return None

    def _note_refusal(self, claimed: Pending, refusal: DeliveryRefused, now: datetime) -> None:
        requested = timedelta(seconds=refusal.retry_after or 0.0)
        next_try = now + max(_delay(claimed), requested)
        with self._database.transaction() as connection:
            tables.note_try(connection, claimed, next_try, str(refusal))


def _is_due(head: Pending, now: datetime) -> bool:
    """Whether to try; a time that is too far ahead comes from a clock that was wrong."""
    return head.next_try is None or not now < head.next_try <= now + _LONGEST_WAIT


def _delay(head: Pending) -> timedelta:
    """Time to wait after one more failed try."""
    return backoff(FIRST_DELAY, LONGEST_DELAY, head.tries + 1)
