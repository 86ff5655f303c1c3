"""The servers of an installation: when each starts, and how it ended."""

import json
import os
import signal
import socket
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from coin_assets.domain.backoff import backoff
from coin_assets.supervision import processes

FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0  # seconds
# A server that has lived as long starts again at once.
SOUND_SECONDS = 120.0


@dataclass(frozen=True)
class CodeLocation:
    """A code location: how to start its server, and the Unix socket that this listens on."""

    name: str
    command: tuple[str, ...]
    socket: str


@dataclass(frozen=True)
class Plan:
    """What to start.

    Attributes:
        web, daemon: command lines.
        watcher: command line of the process that reports faults of the machine.
        sweep: command line that marks the runs of killed processes as failed.
        metrics, site: command lines; empty for none.
        folder: temporary, removed in the end.
    """

    locations: tuple[CodeLocation, ...]
    web: tuple[str, ...]
    daemon: tuple[str, ...]
    watcher: tuple[str, ...]
    sweep: tuple[str, ...]
    folder: str
    verbose: bool = False
    metrics: tuple[str, ...] = ()
    site: tuple[str, ...] = ()

    def write(self) -> str:
        """Write it into the folder, for `read` in another process; the path of the file."""
        path = Path(self.folder, "plan.json")
        path.write_text(json.dumps(asdict(self)))
        return str(path)

    @classmethod
    def read(cls, path: str) -> Self:
        """The plan that `write` wrote."""
        values: dict[str, Any] = json.loads(Path(path).read_text())
        locations = tuple(
            CodeLocation(each["name"], tuple(each["command"]), each["socket"])
            for each in values.pop("locations")
        )
        for name in ("web", "daemon", "watcher", "sweep", "metrics", "site"):
            values[name] = tuple(values[name])
        return cls(locations=locations, **values)


class Part:
    """One server.

    Args:
        name: as a person calls it.
        socket: of a code location, the Unix socket that it listens on.
    """

    def __init__(self, name: str, command: tuple[str, ...], socket: str | None = None) -> None:
        self.name = name
        self.due = 0.0
        self._command = command
        self._socket = socket
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._failures = 0
        self._was_parent = False

    @property
    def process_id(self) -> int | None:
        """Of its process; None while there is none."""
        return None if self._process is None else self._process.pid

    def start(self, now: float, output: int) -> None:
        """Start its process."""
        if self._socket is not None:
            Path(self._socket).unlink(missing_ok=True)
        self._was_parent = False
        self._started = now
        self._process = processes.start(self._command, output)

    def ended(self, status: int, now: float) -> str:
        """Note that its process has ended; says how, and when the next one starts.

        Args:
            status: as the kernel returns it.
        """
        code = os.waitstatus_to_exitcode(status)
        if self._process is not None:
            self._process.returncode = code  # it is reaped already
        self._process = None
        how = f"was killed ({_signal_name(-code)})" if code < 0 else f"ended (code {code})"
        return self.failed(how, now)

    def failed(self, how: str, now: float) -> str:
        """Note that it does not run; says how, and when it starts again."""
        sound = now - self._started >= SOUND_SECONDS
        self._failures = 1 if sound else self._failures + 1
        wait = backoff(FIRST_WAIT, LONGEST_WAIT, self._failures)
        self.due = now + wait
        return f"the {self.name} {how}; it starts again in {wait:.0f} s"

    def is_ready(self) -> bool:
        """Whether a code location answers."""
        if self._process is None or self._socket is None:
            return False
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(self._socket)
            except OSError:
                return False
        return True

    def has_lost_its_code(self) -> bool:
        """Whether the process below a code location's server, which holds the code, is gone."""
        if self._process is None or self._socket is None:
            return False
        is_parent = processes.is_parent(self._process.pid)
        self._was_parent |= is_parent
        return self._was_parent and not is_parent

    def kill(self) -> None:
        """End its process at once."""
        if self._process is not None:
            os.kill(self._process.pid, signal.SIGKILL)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"
