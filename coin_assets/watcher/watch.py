"""The loop of the watcher: look, compare with before, send."""

import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from coin_assets.alerts.channels import Channel, channels_of
from coin_assets.alerts.conditions import Condition
from coin_assets.alerts.incidents import Incident, Rules, advance
from coin_assets.alerts.messages import Message
from coin_assets.alerts.transport import DeliveryRefused
from coin_assets.config.addresses import Webhook
from coin_assets.errors import MachineFault
from coin_assets.watcher import conditions, looks
from coin_assets.watcher.aside import Aside, Hangs, begin_all
from coin_assets.watcher.plan import WatchPlan

# A cycle has at least five seconds; what hangs for longer is left behind in its thread.
LOOK_SECONDS, DELIVERY_SECONDS = 20.0, 15.0
_MOST_WAITING = 50
# The clock was set, or the machine slept: the age of the heartbeat says nothing then.
_CLOCK_STEP_SECONDS = 30.0


class Mailbox:
    """Messages that one channel has not accepted yet, the newest `_MOST_WAITING`."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._waiting: deque[Message] = deque(maxlen=_MOST_WAITING)
        self.delivery = Aside(self._send)

    def add(self, message: Message) -> None:
        """Queue a message."""
        self._waiting.append(message)

    def _send(self) -> None:
        while self._waiting:
            message = self._waiting[0]
            self._channel.deliver(message)
            with suppress(ValueError):  # it was the oldest of too many
                self._waiting.remove(message)


class Watcher:
    """What is wrong with the machine, and whom to tell.

    Args:
        say: gets a line for each message, and for each channel that refuses one.
        started: monotonic; before it nothing counts as silence.
    """

    def __init__(
        self,
        plan: WatchPlan,
        channels: Sequence[Channel],
        say: Callable[[str], object],
        started: float,
    ) -> None:
        self._plan, self._say = plan, say
        self._rules = Rules(
            timedelta(seconds=plan.cycle_seconds), plan.repeat_cycles, plan.escalate_cycles
        )
        folders = dict.fromkeys((plan.home, plan.records, plan.published))
        self._writes = {each: Aside(partial(looks.require_writes, each)) for each in folders}
        self._heartbeat = Aside(
            lambda: looks.seconds_since_heartbeat(plan.alerts, datetime.now(UTC), plan.shards)
        )
        self._databases = [Aside(partial(looks.require_databases, plan.records, plan.alerts))]
        if plan.postgres:
            self._databases.append(Aside(partial(looks.require_postgres, plan.postgres)))
        self._usable: set[Aside[None]] = set()
        self._mailboxes = [Mailbox(each) for each in channels]
        self._incidents: dict[str, Incident] = {}
        self._started = self._calm_since = started
        self._clock_offset = time.time() - time.monotonic()

    def cycle(self) -> None:
        """Look once, and send what is due."""
        now = datetime.now(UTC)
        found = self.look(now)
        self._incidents, messages = advance(self._incidents, found, (), now, self._rules)
        for message in messages:
            for mailbox in self._mailboxes:
                mailbox.add(message)
        self._deliver()
        for message in messages:
            self._say(message.log_line())

    def look(self, now: datetime) -> list[Condition]:
        """What is wrong, the cause before what may come of it.

        What an open cause explains is left out unless it was reported before: one message a cause.
        """
        faults, unusable, silence = self._seen()
        found = [conditions.of_writes(faults, now)] if faults else []
        found += [conditions.of_database(each, now) for each in unusable[:1]]
        if found:
            self._calm_since = time.monotonic()  # the heartbeat is due a while after their end
        if silence is not None:
            found.append(conditions.of_silence(silence, now))
        return [each for each in found if each is found[0] or each.subject in self._incidents]

    def _seen(self) -> tuple[dict[str, MachineFault], list[str], float | None]:
        """Faults by folder, why databases are unusable, and seconds of silence if it is one."""
        on_disk: list[tuple[str, Aside[Any]]] = [*self._writes.items()]
        on_disk.append((self._plan.alerts, self._heartbeat))
        deadline = begin_all([*(each for _, each in on_disk), *self._databases], LOOK_SECONDS)
        faults: dict[str, MachineFault] = {}
        for folder, look in on_disk:
            try:
                look.result(deadline)
            except MachineFault as fault:
                faults[folder] = fault
            except Hangs:
                faults[folder] = _hanging(folder)
        unusable = []
        for database in self._databases:
            try:
                database.result(deadline)
                self._usable.add(database)
            except (looks.DatabaseUnusable, Hangs) as error:
                # A server may start after the watcher, and the code has to make its tables.
                is_starting = database is not self._databases[0] and database not in self._usable
                if not is_starting or time.monotonic() - self._started > self._plan.start_seconds:
                    unusable.append(str(error) or "Dagster's records do not answer")
        age = None if self._plan.alerts in faults else self._heartbeat.result(deadline)
        silence = self._silence(age)
        if silence is None and not unusable and set(faults) == {self._plan.published}:
            faults.clear()  # health_alerts works, and reports it
        return faults, unusable, silence

    def _silence(self, age: float | None) -> float | None:
        """Seconds without a heartbeat, if they are too many; None if not."""
        now, offset = time.monotonic(), time.time() - time.monotonic()
        if abs(offset - self._clock_offset) > _CLOCK_STEP_SECONDS:
            self._calm_since = now
        self._clock_offset = offset
        has_begun = age is not None and age < now - self._started
        quiet = now - self._calm_since if age is None else min(age, now - self._calm_since)
        limit = self._plan.longest_silence if has_begun else self._plan.start_seconds
        if conditions.ALERTING in self._incidents:  # only a new heartbeat ends it
            return None if has_begun and age is not None and age <= limit else age or quiet
        return quiet if quiet > limit else None

    def _deliver(self) -> None:
        deliveries = [each.delivery for each in self._mailboxes]
        deadline = begin_all(deliveries, DELIVERY_SECONDS)
        for each in deliveries:
            try:
                each.result(deadline)
            except DeliveryRefused as refusal:
                self._say(str(refusal))
            except Hangs:
                self._say("an alert channel does not answer; it is tried again")


def watch(plan: WatchPlan, *, once: bool) -> int:
    """Cycles without an end; or one look, which is printed: 1 if anything is wrong."""
    if once:
        found = Watcher(plan, (), _print, -plan.start_seconds).look(datetime.now(UTC))
        for each in found:
            _print(f"{each.subject} {each.kind}: {each.detail} {each.remedy}")
        return 1 if found else 0
    channels = channels_of(tuple(Webhook(kind, url) for kind, url in plan.webhooks))
    watcher = Watcher(plan, channels, _print, time.monotonic())
    while True:
        begun = time.monotonic()
        watcher.cycle()
        time.sleep(max(0.0, begun + plan.cycle_seconds - time.monotonic()))


def _hanging(folder: str) -> MachineFault:
    text = f"{folder} does not answer within {LOOK_SECONDS:.0f} s (ETIMEDOUT). Check disk and mount"
    return MachineFault(f"{text} (dmesg); nothing there is damaged by it.", "ETIMEDOUT", folder)


def _print(text: str) -> None:
    """A line in the form of Dagster's log, so that ``make up`` shows it."""
    at = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} +0000"
    with suppress(OSError):  # the log may lie on the disk that is full
        sys.stdout.write(f"{at} - coin_assets.watcher - WARNING - {text}\n")
        sys.stdout.flush()
