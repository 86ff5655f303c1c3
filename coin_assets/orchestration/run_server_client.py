"""Starts run servers and gives them runs; `coin_assets.orchestration.run_server` is their code."""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from dagster._core.errors import DagsterLaunchFailedError

from coin_assets.orchestration import run_server
from coin_assets.orchestration.run_server import GO, READY, STALE, TIED, UNTIED, Order

# A machine that swaps may take long; both are well below start_timeout_seconds of dagster.yaml.
_PRELOAD_SECONDS, _FORK_SECONDS = 120.0, 30.0


class RunServers:
    """The run server of this process, replaced when it has died or when its code is old.

    Args:
        preloaded: modules that it imports besides its own.
        tied: whether its runs are killed with this process.

    Attributes:
        current: the server; None before the first run and after `close`.
    """

    def __init__(self, preloaded: Sequence[str] = (), *, tied: bool = False) -> None:
        self._preloaded, self._tied = preloaded, tied
        self._lock = threading.Lock()
        self.current: RunServer | None = None

    def start(self, order: Order, note: Callable[[int], None]) -> None:
        """Start the process of a run; see `RunServer.launch`.

        Raises:
            DagsterLaunchFailedError: there is no such process; the run will not execute.
        """
        with self._lock:
            if not self._running().launch(order, note):  # it died unnoticed, or its code is old
                self._stop()
                if not self._running().launch(order, note):
                    raise launch_failure("Two run servers in a row could not take it.")

    def prepare(self) -> None:
        """Start the server before the first run comes.

        Raises:
            DagsterLaunchFailedError: it could not import what runs need.
        """
        with self._lock:
            self._running()

    def close(self) -> None:
        """Let the server end when its runs have ended."""
        with self._lock:
            self._stop()

    def _running(self) -> "RunServer":
        if self.current is None:
            self.current = RunServer(self._preloaded, tied=self._tied)
        return self.current

    def _stop(self) -> None:
        if self.current is not None:
            self.current.close()
            self.current = None


class RunServer:
    """The server's process, from the launcher's side; arguments as of `RunServers`.

    Raises:
        DagsterLaunchFailedError: it could not import what runs need.
    """

    def __init__(self, preloaded: Sequence[str] = (), *, tied: bool = False) -> None:
        self._tied = tied
        self._control, control = socket.socketpair()
        with control:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", run_server.__name__, str(control.fileno())),
                    *([TIED] if tied else []),
                    *preloaded,
                ],
                pass_fds=[control.fileno()],
                stdin=subprocess.DEVNULL,
            )
        try:
            reply = _line(self._control, _PRELOAD_SECONDS)
        except TimeoutError:
            reply = json.dumps(f"It was not ready after {_PRELOAD_SECONDS:.0f} s.").encode()
        if reply != READY:
            self.kill()
            cause = json.loads(reply) if reply else f"It ended with code {self._process.wait()}."
            raise launch_failure(f"The run server could not start. {cause}")

    @property
    def process_id(self) -> int:
        """Id of the process."""
        return self._process.pid

    def launch(self, order: Order, note: Callable[[int], None]) -> bool:
        """Start the process of a run; False if this server cannot, and another may.

        Args:
            note: records the id of the process before it executes anything.

        Raises:
            DagsterLaunchFailedError: the machine has no process for it.
        """
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                message = json.dumps(vars(order)).encode() + b"\n"
                try:
                    socket.send_fds(self._control, [message], [theirs.fileno()])
                except OSError:
                    return False
            try:
                reply = _line(ours, _FORK_SECONDS)
                if reply == STALE or (not reply and self._has_ended()):
                    return False
                if not reply.strip().isdigit():
                    cause = reply.decode().strip() or "it ended at once"
                    raise launch_failure(f"No process for the run: {cause}.")
                note(int(reply))
                ours.sendall(GO)
            except OSError as error:  # TimeoutError is one
                self.kill()
                raise launch_failure(f"The run server failed: {error!r}.") from error
        return True

    def _has_ended(self) -> bool:
        try:
            self._process.wait(1)  # its connections close a little before it ends
        except subprocess.TimeoutExpired:
            return False
        return True

    def close(self) -> None:
        """Take no more runs. The process ends with its last run, and is then reaped."""
        if self._tied:
            with suppress(OSError):  # it is gone
                self._control.sendall(UNTIED)
        self._control.close()
        threading.Thread(target=self._process.wait, daemon=True).start()

    def kill(self) -> None:
        """End the process at once; runs go on."""
        self._control.close()
        self._process.kill()
        self._process.wait()


def launch_failure(cause: str) -> DagsterLaunchFailedError:
    """The error of a run that will not execute."""
    return DagsterLaunchFailedError(cause)  # type: ignore[no-untyped-call]


def _line(connection: socket.socket, seconds: float) -> bytes:
    """What comes until a line or the connection ends."""
    connection.settimeout(seconds)
    reply = b""
    while not reply.endswith(b"\n") and (data := connection.recv(65536)):
        reply += data
    return reply
