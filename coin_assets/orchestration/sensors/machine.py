"""Faults of the machine that ticks of sensors meet.

They are one condition for the alerts. A tick that meets one requests nothing and does not fail; the
next tick that works ends it.
"""

import inspect
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from typing import Any

import dagster as dg

from coin_assets.domain.failures import platform_error
from coin_assets.errors import MachineFault
from coin_assets.files.faults import machine_fault
from coin_assets.files.sqlite import fault_of
from coin_assets.orchestration.disk import DiskResource


@dataclass(frozen=True)
class TickFault:
    """A fault that the last ticks of a sensor met.

    Attributes:
        since: time of the first of these ticks, by the clock of the machine.
        is_partial: the ticks met it at files of single series, and worked for the others.
        others: faults at other files.
    """

    sensor: str
    fault: MachineFault
    since: datetime
    is_partial: bool = False
    others: tuple[MachineFault, ...] = ()


class MachineFaults:
    """The faults that stand, by sensor. Sensors of one code location share a process.

    Args:
        disk: the space in use; sensors request nothing while it is short.
    """

    def __init__(self, disk: DiskResource) -> None:
        self._disk = disk
        self._by_sensor: dict[str, TickFault] = {}
        self._at_files: dict[str, TickFault] = {}

    def standing(self) -> list[TickFault]:
        """Faults of sensors whose last tick met one, the oldest first."""
        found = [*self._by_sensor.values(), *self._at_files.values()]
        return sorted(found, key=lambda each: each.since)

    def note(self, sensor: str, fault: MachineFault) -> None:
        """Record the fault that a tick has met."""
        known = self._by_sensor.get(sensor)
        since = datetime.now(UTC) if known is None else known.since
        self._by_sensor[sensor] = TickFault(sensor, fault, since)

    def note_some(self, sensor: str, faults: Sequence[MachineFault]) -> None:
        """Record all that a tick met at files of single series, in the place of what was before."""
        known = self._at_files.pop(sensor, None)
        if faults:
            since = datetime.now(UTC) if known is None else known.since
            self._at_files[sensor] = TickFault(
                sensor, faults[0], since, is_partial=True, others=tuple(faults[1:])
            )

    def end(self, sensor: str) -> None:
        """Record that a tick has worked."""
        self._by_sensor.pop(sensor, None)

    def skipped(self, tick: Callable[..., Any]) -> Callable[..., Any]:
        """The function of a sensor that requests work; a tick that meets a fault is skipped.

        So is one that finds too little space to write; that is no fault, but a condition of the
        disk.

        Raises:
            Exception: what else the tick raises.
        """

        @wraps(tick)  # Dagster reads the parameters
        def with_room(*arguments: Any, **resources: Any) -> Any:
            pause = self._disk.reason_to_pause()
            found = dg.SkipReason(pause) if pause else tick(*arguments, **resources)
            found = list(found) if inspect.isgenerator(found) else found
            self.end(tick.__name__)
            return found

        return self.guarded(with_room, "nothing is requested")

    def guarded(self, tick: Callable[..., Any], result: str) -> Callable[..., Any]:
        """The function of a sensor; a tick that meets a fault is skipped, with ``result`` said.

        Raises:
            Exception: what else the tick raises.
        """

        @wraps(tick)
        def call(*arguments: Any, **resources: Any) -> Any:
            try:
                return tick(*arguments, **resources)
            except Exception as error:
                fault = fault_behind(error)
                if fault is None:
                    raise
                self.note(tick.__name__, fault)
                return dg.SkipReason(f"the machine failed, {result}: {fault}")

        return call


def fault_behind(error: BaseException) -> MachineFault | None:
    """The fault of the machine that an exception stands for; None if there is none.

    An error that the platform raised on purpose stands for itself.
    """
    found = platform_error(error)
    if found is not None:
        return found if isinstance(found, MachineFault) else None
    cause: BaseException | None = error
    while cause is not None:
        original = getattr(cause, "orig", cause)  # SQLAlchemy raises errors of its own
        of_sqlite = fault_of(original) if isinstance(original, sqlite3.Error) else None
        if (fault := of_sqlite or machine_fault(cause)) is not None:
            return fault
        cause = cause.__cause__
    return None
