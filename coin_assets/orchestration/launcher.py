"""Run launcher that starts runs in processes forked from one that has imported everything.

Dagster's default launcher starts a new interpreter for each run, which imports for two seconds
before it does anything. `run_server` forks in a few hundredths of a second. The daemon owns the
server, starts it with the first run, and starts it again when it has died or when a source file
that it imported has changed. Web server and command line only cancel runs, by their process ids.
"""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from dagster._config.config_schema import UserConfigSchema
from dagster._core.errors import DagsterLaunchFailedError
from dagster._core.launcher.base import (
    CheckRunHealthResult,
    LaunchRunContext,
    RunLauncher,
    WorkerStatus,
)
from dagster._core.storage.dagster_run import DagsterRun
from dagster._serdes import ConfigurableClass, serialize_value
from dagster._serdes.config_class import ConfigurableClassData

from coin_assets.orchestration import run_server
from coin_assets.orchestration.dead_runs import fail_overdue, limit_of
from coin_assets.orchestration.run_processes import RunProcess, process_of
from coin_assets.orchestration.run_server import GO, READY, STALE, TIED, UNTIED, Order

# A machine that swaps may take long; both are well below start_timeout_seconds of dagster.yaml.
_PRELOAD_SECONDS, _FORK_SECONDS = 60.0, 30.0


class WarmRunLauncher(RunLauncher[Any], ConfigurableClass):
    """Starts runs of this machine's code location in forked processes."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        self._inst_data = inst_data
        self._servers = RunServers()
        super().__init__()  # type: ignore[no-untyped-call]

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        """The entry of ``dagster.yaml``."""
        return self._inst_data

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """No options."""
        return {}

    @classmethod
    def from_config_value(
        cls,
        inst_data: ConfigurableClassData,
        config_value: Mapping[str, Any],  # noqa: ARG003
    ) -> Self:
        """The launcher of an entry of ``dagster.yaml``."""
        return cls(inst_data)

    def launch_run(self, context: LaunchRunContext) -> None:
        """Start a process that executes the run.

        Raises:
            DagsterLaunchFailedError: there is no such process; the run will not execute.
        """
        run = context.dagster_run
        origin = run.job_code_origin
        where = origin and origin.repository_origin.executable_path
        if where is None or _folder_of(where) != _folder_of(sys.executable):
            raise _failure(
                f"WarmRunLauncher executes code of {sys.executable}, but the code location of this "
                f"run is loaded by {where}. Remove run_launcher from dagster.yaml."
            )
        order = Order(run.run_id, serialize_value(self._instance.get_ref()))

        def note(process_id: int) -> None:
            tag = RunProcess.recorded(process_id).tag
            self._instance.add_run_tags(run.run_id, tag)

        self._servers.start(order, note)

    def terminate(self, run_id: str) -> bool:
        """Interrupt the process of a run; False if there is none.

        The run monitor comes here as well when the time of a run is over: its process is killed.
        """
        if not self.has_instance:
            return False
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        process = process_of(self._instance, run)
        if process is not None and process.is_overdue(limit_of(self._instance, run)):
            fail_overdue(self._instance, run, process)
            return True
        self._instance.report_run_canceling(run)
        # Without a process, it will see the status before it executes anything.
        return process is None or process.interrupt()

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Yes: by process id."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Whether the process of a started run exists."""
        process = process_of(self._instance, run)
        if process is None or process.is_alive():
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, f"process {process.id} is gone")

    def dispose(self) -> None:
        """Let the server end when its runs have ended."""
        self._servers.close()

    @property
    def _server(self) -> "RunServer | None":
        return self._servers.current


class RunServers:
    """The run server of this process: another one when it has died or when its code is old.

    Args:
        preloaded: modules that it imports besides.
        tied: whether its runs are killed when this process is.
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
                    raise _failure("Two run servers in a row could not take it.")

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
            raise _failure(f"The run server could not start. {cause}")

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
                    raise _failure(f"No process for the run: {cause}.")
                note(int(reply))
                ours.sendall(GO)
            except OSError as error:  # TimeoutError is one
                self.kill()
                raise _failure(f"The run server failed: {error!r}.") from error
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


def _folder_of(interpreter: str) -> Path:
    """Folder of an interpreter, which tells environments apart; names and links do not."""
    return Path(interpreter).parent.resolve()


def _failure(cause: str) -> DagsterLaunchFailedError:
    return DagsterLaunchFailedError(cause)  # type: ignore[no-untyped-call]


def _line(connection: socket.socket, seconds: float) -> bytes:
    """What comes until a line or the connection ends."""
    connection.settimeout(seconds)
    reply = b""
    while not reply.endswith(b"\n") and (data := connection.recv(65536)):
        reply += data
    return reply
