"""The outbox of messages, durable in SQLite.

A message and its incidents are committed in one transaction. `coin_assets.alerts.delivery` sends it
to each channel until the channel accepts it, and the acceptance is committed at once. If the
process dies between the two, the message is sent once more, with the same id.
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
from coin_assets.alerts.conditions import Condition, Severity
from coin_assets.alerts.database import AlertsLocked, Database
from coin_assets.alerts.delivery import Clock, Sent, send_due
from coin_assets.alerts.incidents import Incident, Mute, MuteKind, Rules
from coin_assets.alerts.messages import Message
from coin_assets.alerts.shards import ShardSubjects
from coin_assets.alerts.tables import Pending, SetAside
from coin_assets.domain.shards import ALONE, Shard
from coin_assets.errors import ConfigurationError, CorruptArtefact
from coin_assets.files.sqlite import set_aside, set_aside_if_damaged

SET_ASIDE_SHOWN = timedelta(days=1)
# A transaction takes milliseconds, and each of these cycles waited for ten seconds.
_MOST_LOCKED_CYCLES = 3
_LOCKED: Counter[Path] = Counter()  # cycles in a row of this process, by file

Log = Callable[[str], object]
Result = TypeVar("Result")


@dataclass(frozen=True)
class DeliveryReport:
    """Result of `AlertBook.deliver`.

    Attributes:
        delivered: number of accepted messages, counted for each channel.
        pending: number of messages that the given channels have not accepted yet.
        failed: one text for each channel that refused.
        set_aside: number of messages that the given channels set aside in the last day.
    """

    delivered: int
    pending: int
    failed: tuple[str, ...]
    set_aside: int = 0


@dataclass(frozen=True)
class Overview:
    """Result of `AlertBook.overview`.

    Attributes:
        incidents: by subject.
        mutes: mutes and acknowledgements that hold.
        pending: number of messages that a channel has not accepted yet.
        set_aside: what was set aside in the last day.
    """

    incidents: dict[str, Incident]
    mutes: tuple[Mute, ...]
    pending: int
    set_aside: tuple[SetAside, ...] = ()


class AlertBook:
    """Incidents, mutes, and the outbox, in one file.

    Every method raises AlertsNotStored or MachineFault if the database cannot be used now.
    `advance`, `incidents` and `deliver` set a damaged file aside; the others raise CorruptArtefact.

    Args:
        path: of the file, which is created at its first use.
        shard: to which `advance` and `incidents` are limited.
    """

    def __init__(self, path: Path, shard: Shard = ALONE) -> None:
        self._path, self._subjects = path, ShardSubjects(shard)
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
            with self._database.transaction() as connection:
                refused = tables.read_set_aside(connection, now - SET_ASIDE_SHOWN)
                wrong = self._subjects.named(
                    [*found, *self._database.conditions(), *refused_conditions(refused)]
                )
                owns, known = self._subjects.owns, tables.read_incidents(connection)
                known = {name: incident for name, incident in known.items() if owns(name)}
                mutes = [each for each in tables.read_mutes(connection) if owns(each.subject)]
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

        A channel is left alone after its first failure, unless that is of one message alone; see
        `coin_assets.alerts.delivery`. While another process delivers, nothing is done: it sends the
        same messages.

        Args:
            budget_seconds: no message is begun after these; one takes up to 24 more.
            log: gets a line for each failure.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        sent: list[Sent] = []
        try:
            with FileLock(self._path.with_name(".deliver.lock"), timeout=0):
                sent = self._send(channels, clock, budget_seconds)
        except Timeout:
            log("alerts: another process is delivering them")
        except CorruptArtefact as error:
            log(f"alerts: {error}")
            set_aside(self._path)
        for line in (line for each in sent for line in each.log_lines):
            log(line)
        ids = {channel.id for channel in channels}
        with self._database.transaction() as connection:
            left = tables.count_pending(connection, ids)
            refused = tables.read_set_aside(connection, clock() - SET_ASIDE_SHOWN)
        failed = tuple(each.refusal for each in sent if each.refusal)
        aside = sum(each.channel in ids for each in refused)
        return DeliveryReport(sum(each.delivered for each in sent), left, failed, aside)

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
        """Open incidents of the shard, by subject."""

        def read() -> dict[str, Incident]:
            with self._database.transaction() as connection:
                return self._subjects.own(tables.read_incidents(connection))

        return self._on_sound_file(read)

    def overview(self, now: datetime) -> Overview:
        """All that is open at ``now``. Writes nothing, and creates no file."""
        with self._database.reading() as connection:
            if connection is None:
                return Overview({}, (), 0)
            incidents, mutes = tables.read_incidents(connection), tables.read_mutes(connection)
            pending = {each.number for each in tables.read_pending(connection)}
            refused = tables.read_set_aside(connection, now - SET_ASIDE_SHOWN)
        holding = engine.still_holding(mutes, incidents, now)
        return Overview(incidents, tuple(holding), len(pending), tuple(refused))

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

    def _send(self, channels: Sequence[Channel], clock: Clock, budget_seconds: float) -> list[Sent]:
        """Send to all channels at once, so that a slow one takes nothing from another."""
        end = clock() + timedelta(seconds=budget_seconds)
        with ThreadPoolExecutor(max(1, len(channels)), "alerts") as pool:
            return list(
                pool.map(lambda channel: send_due(self._database, channel, clock, end), channels)
            )


def refused_conditions(found: Sequence[SetAside]) -> list[Condition]:
    """What is wrong for a day after a message was set aside.

    Nothing of the messages is quoted: the channel that refused them is to accept this one.
    """
    if not found:
        return []
    return [
        Condition(
            subject="alert channels",
            kind="messages refused",
            cause="",
            severity=Severity.WARNING,
            since=found[0].at,
            detail=f"{len(found)} set aside in the last day: a channel refused them, whole and as "
            f"a short text, and accepts others. The newest is {found[-1].message.id}: "
            f"{found[-1].reason}",
            remedy="Read them with make doctor, or in the log under their ids.",
            runbook="docs/operations/alerts.md",
        )
    ]
