"""Processes of runs: which one executes a run, whether it lives, and how it is killed.

A process is told apart by its id and by its start in ticks since the boot of the machine. The clock
of the machine may be set at any time, and ids are used again.
"""

import json
import os
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import dagster as dg
import psutil
from dagster._core.storage.tags import GRPC_INFO_TAG

# Of a run that has a process of its own; hidden in the UI. It is there before the run executes.
PROCESS_TAG = ".dagster/coin_assets_process"
# Of a run that was sent to a worker, with its queue: no process of this machine is meant.
WORKER_TAG = ".dagster/coin_assets_worker"
_KILL_SECONDS = 5.0


@dataclass(frozen=True)
class RunProcess:
    """The process of one run.

    Attributes:
        id: process id.
        start: boot of the machine, and start of the process; None if nobody recorded it.
        begun: `time.monotonic` of the record.
    """

    id: int
    start: str | None = None
    begun: float = 0.0

    @classmethod
    def recorded(cls, process_id: int) -> Self:
        """A process that has just started."""
        return cls(process_id, _start_of(process_id), time.monotonic())

    @property
    def tag(self) -> dict[str, str]:
        """The tag by which `process_of` finds it."""
        return {PROCESS_TAG: json.dumps(vars(self))}

    def is_alive(self) -> bool:
        """Whether it exists and is no zombie.

        Without a record of its start, another process with the same id counts as well if it
        executes Python.
        """
        found = _start_of(self.id)
        if found is None:
            return False
        return _executes_python(self.id) if self.start is None else found == self.start

    def is_overdue(self, seconds: float) -> bool:
        """Whether it has a process of its own, which lives longer than ``seconds``; 0 is no limit.

        The time that a machine sleeps does not count.
        """
        return self.start is not None and self.is_late(seconds) and self.is_alive()

    def is_late(self, seconds: float) -> bool:
        """Whether its record is older than ``seconds``; 0 is no limit."""
        return 0 < seconds < time.monotonic() - self.begun

    def kill(self) -> bool:
        """Kill it and all that descend from it; whether it is gone within a few seconds.

        A process that waits for a broken disk ends only when the disk answers.
        """
        if not self.is_alive():
            return True
        try:
            process = psutil.Process(self.id)
            process.suspend()  # it must not fork meanwhile
            family = [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return True
        except psutil.AccessDenied:
            return False
        for each in family:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        deadline = time.monotonic() + _KILL_SECONDS
        while self.is_alive() and time.monotonic() < deadline:
            time.sleep(0.02)
        return not self.is_alive()

    def interrupt(self) -> bool:
        """Ask it to cancel its run; False if it is gone."""
        if not self.is_alive():
            return False
        try:
            os.kill(self.id, signal.SIGTERM)
        except ProcessLookupError:
            return False
        return True


def process_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> RunProcess | None:
    """The process that executes a run, from its tag or the executor's event; None if unknown.

    Processes of workers may be on any machine, so they are unknown.
    """
    if WORKER_TAG in run.tags:
        return None
    if (recorded := recorded_process(run)) is not None:
        return recorded
    for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
        found = entry.get_dagster_event().engine_event_data.metadata.get("pid")
        if found is not None:
            return RunProcess(int(str(found.value)))
    return None


def recorded_process(run: dg.DagsterRun) -> RunProcess | None:
    """The process that a run has for itself; None if its launcher recorded none."""
    text = run.tags.get(PROCESS_TAG)
    return None if text is None else RunProcess(**json.loads(text))


def note_own_process(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Record this process for its run, if a code server started it for this run alone.

    Dagster's launcher, which asks the code server, does not learn the process.
    """
    if GRPC_INFO_TAG in run.tags:
        instance.add_run_tags(run.run_id, RunProcess.recorded(os.getpid()).tag)


def _start_of(process_id: int) -> str | None:
    """Boot of the machine and start of a process; None if it is gone or a zombie."""
    if sys.platform != "linux":
        return _start_elsewhere(process_id)
    try:
        # The name before the last bracket may hold anything; see proc_pid_stat(5).
        fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return None if fields[0] in "ZX" else f"{boot} {fields[19]}"


def _start_elsewhere(process_id: int) -> str | None:
    """As `_start_of`, on systems whose kernel keeps the time of the start itself."""
    try:
        process = psutil.Process(process_id)
        is_gone = process.status() == psutil.STATUS_ZOMBIE
        return None if is_gone else str(process.create_time())
    except psutil.NoSuchProcess:
        return None
    except psutil.AccessDenied:
        return ""


def _executes_python(process_id: int) -> bool:
    try:
        return any("python" in word for word in psutil.Process(process_id).cmdline()[:1])
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True  # it exists, and belongs to another user
