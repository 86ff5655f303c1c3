"""The Dagster resource of disk space, the one home of the rule that stops writing."""

from collections.abc import Callable
from datetime import datetime, timedelta

import dagster as dg
from pydantic import Field

from coin_assets.domain.limits import RESERVED_BYTES, RESERVED_INODES
from coin_assets.domain.timeframes import month_start
from coin_assets.errors import DiskFull
from coin_assets.files.faults import machine_faults_named
from coin_assets.files.space import Space, require_writable, spaces_of


class DiskResource(dg.ConfigurableResource):
    """The file systems in use, and their limits in percent used.

    The worst of them decides, by bytes or by inodes.

    Attributes:
        folders: in use beside the home: the published one, and that of Dagster's records.
        temporary: folder for temporary files; nothing is reserved in it.
    """

    home: str
    warn: int
    critical: int
    block: int
    folders: list[str] = Field(default=[])
    temporary: str = ""

    def worst(self) -> Space:
        """The space that is shortest.

        Raises:
            MachineFault: a file system does not answer.
        """
        return max(self.spaces(), key=lambda each: (self._is_short(each), each.percent))

    def percent(self) -> float:
        """Percent in use where space is shortest, as ``df`` counts it."""
        return self.worst().percent

    def reason_to_pause(self) -> str | None:
        """Why nothing may be requested that writes; None if there is room.

        Raises:
            MachineFault: a folder in use cannot be written, or its file system does not answer.
        """
        for folder in (self.home, *self.folders):
            with machine_faults_named(folder):
                require_writable(folder)
        found = self.shortage()
        return found and f"nothing is requested: {found}"

    def shortage(self) -> str | None:
        """What is short if less is free than is kept for records and alerts.

        Raises:
            MachineFault: a file system does not answer.
        """
        space = self.worst()
        return _shortage(space) if self._is_short(space) else None

    def checked(self, start: datetime, now: datetime, warn: Callable[[str], None]) -> float:
        """`percent`; warns if it is high, and refuses to fetch history if it is too high.

        Windows of the running and the previous month are live and are never refused.

        Raises:
            DiskFull: the disk is too full for history.
            MachineFault: a file system does not answer.
        """
        space = self.worst()
        remedy = (
            "Free space on it, use a larger disk, or shorten COIN_RETENTION, which takes effect at "
            "the daily retention; to apply it now, launch enforce_retention."
        )
        is_history = start < month_start(month_start(now) - timedelta(days=1))
        if is_history and (space.percent >= self.block or self._is_short(space)):
            limit = f"at or above the {self.block}% of COIN_DISK_LIMITS"
            raise DiskFull(
                f"{_shortage(space) if self._is_short(space) else f'{space}, {limit}'}, at which "
                f"no history is fetched any more; candles from {start:%Y-%m} on were not "
                f"requested. Live candles go on. {remedy}"
            )
        if space.percent >= self.critical:
            warn(
                f"{space} (critical: {self.critical}%, no history from {self.block}% on). {remedy}"
            )
        elif space.percent >= self.warn:
            warn(f"{space} (warning: {self.warn}%). {remedy}")
        return space.percent

    def spaces(self) -> list[Space]:
        """The space of each file system in use.

        Raises:
            MachineFault: a file system does not answer.
        """
        with machine_faults_named(self.home):
            return spaces_of(filter(None, (self.home, *self.folders, self.temporary)))

    def _is_short(self, space: Space) -> bool:
        """Whether less is free than is reserved for records and alerts."""
        if space.folder == self.temporary:
            return False
        few = space.free_inodes is not None and space.free_inodes < RESERVED_INODES
        return few or space.free_bytes < RESERVED_BYTES


def _shortage(space: Space) -> str:
    return (
        f"{space}, below the {RESERVED_BYTES / 1e6:.0f} MB and {RESERVED_INODES} inodes that are "
        "kept for records and alerts"
    )
