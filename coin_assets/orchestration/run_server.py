"""A process that has imported what runs need, and forks a process for each run.

`coin_assets.orchestration.run_server_client` starts it. Definitions are not preloaded: each run
builds them from the settings that hold then. Nothing here opens a file, a database or a network
connection before the fork, and the server has one thread, so that forking is safe.

Protocol: each message on the control socket is a line of JSON (`Order`) and one end of a
connection. The run's process writes its id to this connection, waits for `GO`, and starts. If the
connection closes before that, it ends without touching the run. So a launch that was not
confirmed never executes.
"""

import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from coin_assets.orchestration.source_stamps import Stamps, any_differs, file_stamps

if TYPE_CHECKING:
    from dagster import DagsterInstance
    from dagster._core.storage.dagster_run import DagsterRun

READY, STALE, GO = b"ready\n", b"stale\n", b"go\n"
# An argument: the runs are killed with the launcher, unless it sent UNTIED before.
TIED, UNTIED = "--tied", b"untied\n"

# What a live run imports: what executes runs, the storage of dagster.yaml with SQLAlchemy, the
# modules of the assets with pandas, pyarrow and Pillow, scikit-learn through the forecaster.
PRELOADED = (
    "dagster._cli.api",
    "dagster._core.execution.plan.active",
    "dagster._core.executor.in_process",
    "dagster._core.instance.factory",
    "dagster._core.storage.local_compute_log_manager",
    "dagster._core.storage.root",
    "dagster._core.workspace.autodiscovery",
    "coin_assets.orchestration.build",
    "coin_assets.orchestration.records.storage",
    "coin_assets.models.forecasters",
    "coin_assets.domain.forecasting.har",
    "upath.implementations.local",  # of the io manager
)
# Read by the jemalloc of pyarrow as it is loaded: it would start a thread.
_MALLOC, _NO_THREADS = "JE_ARROW_MALLOC_CONF", "background_thread:false"
_INTERRUPTS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True)
class Order:
    """The run to execute, and the serialised reference to its Dagster instance."""

    run_id: str
    instance: str


def main(control: socket.socket, preloaded: Sequence[str] = (), *, tied: bool = False) -> int:
    """Serve until the launcher is gone and all runs have ended; also the end of a run's process."""
    for each in _INTERRUPTS:  # Ctrl-C reaches the whole process group; runs report their end here
        signal.signal(each, signal.SIG_IGN)
    try:
        preload(preloaded)
    except BaseException:
        control.sendall(json.dumps(traceback.format_exc()).encode() + b"\n")
        raise
    server = _Server(control, file_stamps(), tied=tied)
    with suppress(OSError):  # the launcher is gone, which `serve` notices
        control.sendall(READY)
    work = server.serve()
    return work() if work else 0


def preload(more: Sequence[str] = ()) -> None:
    """Import the modules, and leave one thread."""
    gc.disable()  # a fifth of the time of the imports
    given = os.environ.get(_MALLOC)
    os.environ[_MALLOC] = _NO_THREADS
    for name in (*PRELOADED, *more):
        importlib.import_module(name)
    del os.environ[_MALLOC]
    if given is not None:
        os.environ[_MALLOC] = given
    # BLAS ends its threads at a fork and starts them again when it computes.
    process_id = os.fork()
    if not process_id:
        os._exit(0)
    os.waitpid(process_id, 0)
    gc.collect()
    gc.enable()
    gc.freeze()  # collections of a run would copy the pages that it shares with this process


class _Server:
    """Forks processes and notices how they end."""

    def __init__(self, control: socket.socket, stamps: Stamps, *, tied: bool) -> None:
        self._control: socket.socket | None = control
        self._tied = tied
        self._stamps = stamps
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ)
        self._ended, self._wake = socket.socketpair()
        for each in (self._ended, self._wake):
            each.setblocking(False)
        self._selector.register(self._ended, selectors.EVENT_READ)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # without a handler nothing wakes
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        self._runs: dict[int, Order] = {}
        self._reporters: set[int] = set()

    def serve(self) -> Callable[[], int] | None:
        """Serve to the end; in a forked process, what this process has to do."""
        while self._control is not None or self._runs or self._reporters:
            ready = {key.fileobj for key, _ in self._selector.select()}
            if self._ended in ready:
                self._ended.recv(4096)
                if work := self._reap():
                    return work
            if self._control in ready and (work := self._accept()):
                return work
        return None

    def _accept(self) -> Callable[[], int] | None:
        assert self._control is not None  # noqa: S101 (for the type checker)
        line, connection = _receive(self._control)
        if line == UNTIED:
            self._tied = False
            return None
        if line is None or connection is None:  # the launcher is gone
            self._selector.unregister(self._control)
            self._control.close()
            self._control = None
            for process_id in self._runs if self._tied else ():
                os.kill(process_id, signal.SIGKILL)  # not reaped yet, so the id is its own
            return None
        with connection:
            if any_differs(self._stamps):
                connection.sendall(STALE)
                return None
            order = Order(**json.loads(line))
            try:
                process_id = self._fork()
            except OSError as error:  # no memory, or too many processes
                connection.sendall(f"{error}\n".encode())
                return None
            if process_id:
                self._runs[process_id] = order
                return None
            own = connection.dup()
        return partial(_started, order, own)

    def _reap(self) -> Callable[[], int] | None:
        """Reap ended processes; a run that did not end well is examined by a new process."""
        while True:
            try:
                process_id, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return None
            if not process_id:
                return None
            self._reporters.discard(process_id)
            order = self._runs.pop(process_id, None)
            if order is not None and status:
                try:
                    reporter = self._fork()
                except OSError:
                    continue  # Dagster's run monitor will find that the process is gone
                if not reporter:
                    exit_code = os.waitstatus_to_exitcode(status)
                    return partial(_report_end, order, exit_code)
                self._reporters.add(reporter)

    def _fork(self) -> int:
        """Fork; in the child, close what is the server's and handle signals as a new process.

        Interrupts are blocked until `_interruptible`: none is lost, none ends the process early.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTS)
        try:
            process_id = os.fork()
        except OSError:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _INTERRUPTS)
            raise
        if process_id:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _INTERRUPTS)
            return process_id
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        self._selector.close()
        for each in (self._control, self._ended, self._wake):
            if each is not None:
                each.close()
        return 0


def _receive(control: socket.socket) -> tuple[bytes | None, socket.socket | None]:
    """The next message; nothing at the end."""
    line, connection = b"", None
    while not line.endswith(b"\n"):
        data, handles, _, _ = socket.recv_fds(control, 65536, 1)
        if not data:
            return None, None
        line += data
        for handle in handles:
            connection = socket.socket(fileno=handle)
    return line, connection


# ------------------------------------------------------------------------- in processes of runs


def _started(order: Order, connection: socket.socket) -> int:
    """Execute the run when the launcher has confirmed; 0 if it then has ended."""
    import numpy as np
    from dagster._utils.interrupts import capture_interrupts

    with capture_interrupts():
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _INTERRUPTS)
        with connection:
            connection.sendall(b"%d\n" % os.getpid())
            if connection.recv(len(GO)) != GO:
                return 0
        np.random.seed()
        return _execute(order)


def _execute(order: Order) -> int:
    """What ``dagster api execute_run`` does."""
    from dagster._cli.api import _execute_run_command_body

    from coin_assets.orchestration.run_symbols import limit_to

    with _instance(order) as instance:
        run, began = instance.get_run_by_id(order.run_id), time.monotonic()
        if run is not None:
            limit_to(run)
            _log(run, "started")
        _execute_run_command_body(
            order.run_id, instance, lambda _: None, set_exit_code_on_failure=False
        )
        run = instance.get_run_by_id(order.run_id)
        if run is not None:
            _log(run, f"{run.status.value.lower()} after {time.monotonic() - began:.0f} s")
        return 0 if run is None or run.is_finished else 1


def _log(run: "DagsterRun", what: str) -> None:
    """Write a line about a run, in the format of Dagster's own."""
    ends = (run.tags.get(f"dagster/asset_partition_range_{end}", "") for end in ("start", "end"))
    months = run.tags.get("dagster/partition") or "...".join(filter(None, ends))
    name = " ".join(filter(None, (run.job_name, months, run.run_id[:8])))
    with suppress(OSError):  # nobody reads it any more
        now = time.strftime("%Y-%m-%d %H:%M:%S %z")
        sys.stderr.write(f"{now} - coin_assets.runs - INFO - {name}: {what}\n")


def _report_end(order: Order, exit_code: int) -> int:
    """Mark the run as ended if it is not: its process is gone."""
    from coin_assets.orchestration.overdue_runs import report_end

    with _instance(order) as instance:
        run = instance.get_run_by_id(order.run_id)
        if run is not None and not run.is_finished and report_end(instance, run, exit_code):
            _log(run, "its process was killed")
    return 0


def _instance(order: Order) -> "DagsterInstance":
    from dagster import DagsterInstance
    from dagster._core.instance.ref import InstanceRef
    from dagster._serdes import deserialize_value

    return DagsterInstance.from_ref(deserialize_value(order.instance, InstanceRef))


if __name__ == "__main__":
    own = socket.socket(fileno=int(sys.argv[1]))
    sys.exit(main(own, [each for each in sys.argv[2:] if each != TIED], tied=TIED in sys.argv))
