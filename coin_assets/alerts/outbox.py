"""The outbox of messages, durable in SQLite.

A message and its incidents are committed in one transaction. It is sent to each channel until the
channel accepts it, and the acceptance is committed at once. If the process dies between the two,
the message is sent once more, with the same id.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout

from coin_assets.alerts import incidents as engine
from coin_assets.alerts import tables
from coin_assets.alerts.channels import Channel
from coin_assets.alerts.conditions import Condition
from coin_assets.alerts.database import AlertsLocked, Database
from coin_assets.alerts.incidents import Incident, Mute, MuteKind, Rules
from coin_assets.alerts.messages import Message
from coin_assets.alerts.tables import Pending
from coin_assets.alerts.transport import LONGEST_RETRY_AFTER_SECONDS, DeliveryRefused
from coin_assets.domain.backoff import backoff
from coin_assets.errors import ConfigurationError, CorruptArtefact
from coin_assets.files.sqlite import set_aside, set_aside_if_damaged

FIRST_DELAY, LONGEST_DELAY = timedelta(seconds=5), timedelta(minutes=10)
_LONGEST_WAIT = max(LONGEST_DELAY, timedelta(seconds=LONGEST_RETRY_AFTER_SECONDS))
_BEGUN = "the process ended before the answer came"
# A transaction takes milliseconds, and each of these cycles waited for ten seconds.
_MOST_LOCKED_CYCLES = 3
_LOCKED: Counter[Path] = Counter()  # cycles in a row of this process, by file

Clock = Callable[[], datetime]
Log = Callable[[str], object]
Result = TypeVar("Result")


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
class _Sent:
    """What was sent to one channel, and why it refused; empty if it did not."""

    delivered: int
    message_id: str = ""
    refusal: str = ""

    @property
    def log_line(self) -> str:
        return f"alert {self.message_id} stays in the outbox: {self.refusal}"


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

    Every method raises AlertsNotStored or MachineFault if the database cannot be used now.
    `advance`, `incidents` and `deliver` set a damaged file aside; the others raise CorruptArtefact.

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

        A file that is damaged, or stays locked for three cycles, is set aside, and a new one
        begins. That is a condition too.

        Args:
            conditions: all that is wrong now.
            channel_ids: the configured channels.
        """
        found = list(conditions)

        def cycle() -> list[Message]:
            wrong = [*found, *self._database.conditions()]
            with self._database.transaction() as connection:
                known, mutes = tables.read_incidents(connection), tables.read_mutes(connection)
                current, messages = engine.advance(known, wrong, mutes, now, rules)
                tables.replace_incidents(connection, known, current)
                holding = engine.still_holding(mutes, current, now)
                tables.remove_mutes(connection, [each for each in mutes if each not in holding])
                tables.note_configured(connection, channel_ids, now)
                for message in messages:
                    tables.enqueue(connection, message, channel_ids)
                tables.prune(connection, now)
            return messages

        return self._on_sound_file(cycle)

    def deliver(
        self, channels: Sequence[Channel], clock: Clock, budget_seconds: float, log: Log
    ) -> DeliveryReport:
        """Send what is due to all channels at once, to each the oldest message first.

        A channel is left alone after its first failure. While another process delivers, nothing
        is done: it sends the same messages.

        Args:
            budget_seconds: no message is begun after these; one takes up to twelve more.
            log: gets a line for each failure.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        sent: list[_Sent] = []
        try:
            with FileLock(self._path.with_name(".deliver.lock"), timeout=0):
                sent = self._send(channels, clock, budget_seconds)
        except Timeout:
            log("alerts: another process is delivering them")
        except CorruptArtefact as error:
            log(f"alerts: {error}")
            set_aside(self._path)
        for line in (each.log_line for each in sent if each.refusal):
            log(line)
        with self._database.transaction() as connection:
            left = tables.count_pending(connection, {channel.id for channel in channels})
        failed = tuple(each.refusal for each in sent if each.refusal)
        return DeliveryReport(sum(each.delivered for each in sent), left, failed)

    def undelivered_since(self, channels: Sequence[Channel]) -> datetime | None:
        """Time of the oldest message that no channel has accepted, None if there is none."""
        with self._database.transaction() as connection:
            return tables.undelivered_since(connection, {channel.id for channel in channels})

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

        def read() -> dict[str, Incident]:
            with self._database.transaction() as connection:
                return tables.read_incidents(connection)

        return self._on_sound_file(read)

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

    def _on_sound_file(self, use: Callable[[], Result]) -> Result:
        """The result of ``use``; a file that is damaged, or stays locked, is set aside first."""
        set_aside_if_damaged(self._path)
        try:
            result = use()
        except (AlertsLocked, CorruptArtefact) as error:
            if isinstance(error, AlertsLocked):
                _LOCKED[self._path] += 1
                if _LOCKED[self._path] < _MOST_LOCKED_CYCLES:
                    raise
            set_aside(self._path)
            result = use()
        _LOCKED.pop(self._path, None)
        return result

    def _send(
        self, channels: Sequence[Channel], clock: Clock, budget_seconds: float
    ) -> list["_Sent"]:
        """Send to all channels at once, so that a slow one takes nothing from another."""
        end = clock() + timedelta(seconds=budget_seconds)
        with ThreadPoolExecutor(max(1, len(channels)), "alerts") as pool:
            return list(pool.map(lambda channel: self._send_due(channel, clock, end), channels))

    def _send_due(self, channel: Channel, clock: Clock, end: datetime) -> "_Sent":
        delivered = 0
        while (now := clock()) < end and (claimed := self._claim(channel, now)):
            try:
                channel.deliver(claimed.message)
            except DeliveryRefused as refusal:
                self._note_refusal(claimed, refusal, clock())
                return _Sent(delivered, claimed.message.id, str(refusal))
            with self._database.transaction() as connection:
                tables.note_accepted(connection, claimed, clock())
            delivered += 1
        return _Sent(delivered)

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
