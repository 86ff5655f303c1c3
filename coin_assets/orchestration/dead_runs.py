"""Ends runs whose process is gone, and runs that hang.

The run of a killed process stays "started" in Dagster's records, and so does one whose process has
stopped (SIGSTOP, a lock, a stuck disk). Until the time limit of the run monitor it would hold its
slots in the queue and in the training pool, and its tasks would count as in flight. The run monitor
asks a process to cancel, which a stopped one never does, and leaves it with all its locks.
"""

import signal
import sys
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Protocol, runtime_checkable

import dagster as dg
from dagster._core.storage.tags import MAX_RUNTIME_SECONDS_TAG
from dagster._utils import get_run_crash_explanation

from coin_assets.domain.failures import RUN_OVERDUE, FailureRecord
from coin_assets.orchestration.failures import record_of_run, report_of_run
from coin_assets.orchestration.records.files import RunFiles
from coin_assets.orchestration.run_processes import RunProcess, process_of, recorded_process


@runtime_checkable
class Resending(Protocol):
    """A launcher that sends runs to workers."""

    def resend_lost(self) -> list[str]:
        """Send runs again that have no worker for long; returns their ids."""


_STARTED = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
_ENDED = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
# A canceled run has this long to end by itself; Dagster then calls it canceled in any case.
_ENDING_SECONDS = 60.0
_ENDED_LATELY = timedelta(hours=1)
_MOST_ENDED = 100
# When this process saw first that a run had a process left, by the id of the run.
_ENDING: dict[str, float] = {}


def end_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark started runs without a process as failed; return their ids."""
    ended = []
    for run in instance.get_runs(dg.RunsFilter(statuses=_STARTED)):
        process = process_of(instance, run)
        if process is None or process.is_alive():
            continue
        now = instance.get_run_by_id(run.run_id)  # it may have ended meanwhile
        if now is not None and now.status in _STARTED:
            text = f"Process {process.id} of this run is gone: it was killed. Launch it again."
            report = partial(instance.report_run_failed, run, text)
            RunFiles(instance).mended(run.run_id, report)
            ended.append(run.run_id)
    return ended


def resend_lost_runs(instance: dg.DagsterInstance) -> list[str]:
    """Send runs again that were lost on their way to a worker; return their ids."""
    launcher = instance.run_launcher
    return launcher.resend_lost() if isinstance(launcher, Resending) else []


def end_hung_runs(instance: dg.DagsterInstance) -> list[str]:
    """Kill the processes of runs that should have ended; return the ids of these runs.

    A run is failed when its time is over. A run that was canceled, or that Dagster calls failed, is
    left as it is; its process has a minute to end, and none once the time of the run is over.
    """
    killed = []
    for run in instance.get_runs(
        dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED])
    ):
        process = recorded_process(run)
        if process is not None and process.is_overdue(limit_of(instance, run)):
            fail_overdue(instance, run, process)
            killed.append(run.run_id)
    return killed + _kill_outliving(instance)


def _kill_outliving(instance: dg.DagsterInstance) -> list[str]:
    """Kill processes that outlive their canceled or failed runs; return the ids of these runs."""
    canceling = dg.RunsFilter(statuses=[dg.DagsterRunStatus.CANCELING])
    lately = datetime.now(UTC) - _ENDED_LATELY
    ended = dg.RunsFilter(statuses=_ENDED, updated_after=lately)
    runs = (*instance.get_runs(canceling), *instance.get_runs(ended, limit=_MOST_ENDED))
    alive = {
        run.run_id: process
        for run in runs
        if (process := recorded_process(run)) is not None and process.is_alive()
    }
    limits = {run.run_id: limit_of(instance, run) for run in runs}
    for gone in _ENDING.keys() - alive.keys():
        del _ENDING[gone]
    now = time.monotonic()
    late = [
        each
        for each, process in alive.items()
        if now - _ENDING.setdefault(each, now) >= _ENDING_SECONDS or process.is_late(limits[each])
    ]
    for run_id in late:
        alive[run_id].kill()
    return late


def limit_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> float:
    """Seconds that a run may take, as Dagster's run monitor counts them; 0 is no limit."""
    usual = float(instance.run_monitoring_max_runtime_seconds)
    try:
        return float(run.tags.get(MAX_RUNTIME_SECONDS_TAG, usual))
    except ValueError:  # a person launched it with this tag
        return usual


def fail_overdue(instance: dg.DagsterInstance, run: dg.DagsterRun, process: RunProcess) -> None:
    """Kill the process of a run whose time is over, and fail the run with a record that says so.

    The process is killed first: it may hold the lock of a database that the records go to.
    """
    process.kill()
    now = instance.get_run_by_id(run.run_id)
    if now is None or now.status in (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.CANCELED):
        return
    # A run server or a code server may be faster to call it failed; the latter does not say why.
    message = report_overdue(instance, now, process)
    if not now.is_finished:
        instance.report_run_failed(now, message)


def report_end(instance: dg.DagsterInstance, run: dg.DagsterRun, exit_code: int) -> bool:
    """Mark a run whose process has ended as canceled or as failed; whether it failed."""
    process = recorded_process(run)
    is_killed = exit_code == -signal.SIGKILL
    if process is not None and is_killed and process.is_late(limit_of(instance, run)):
        instance.report_run_failed(run, report_overdue(instance, run, process))
        return True
    if run.status is dg.DagsterRunStatus.CANCELING:
        instance.report_run_canceled(run)
        return False
    text = get_run_crash_explanation(f"Run execution process for {run.run_id}", exit_code)
    instance.report_engine_event(text, run)
    instance.report_run_failed(run)
    return True


def report_overdue(instance: dg.DagsterInstance, run: dg.DagsterRun, process: RunProcess) -> str:
    """Record that the time of a run was over, unless that is known; the message of the record."""
    known = record_of_run(instance, run.run_id)
    if known is not None:
        return known.message
    minutes = limit_of(instance, run) / 60
    name = f"run {run.run_id[:8]} ({run.job_name})"
    message = f"{name} did not end within {minutes:.3g} min; its process {process.id} was killed"
    if process.is_alive():
        message = f"{message}, and ends when the disk answers that it waits for"
    at, cause = datetime.now(UTC).replace(microsecond=0), "a run did not end in time"
    report_of_run(instance, run, FailureRecord(None, run.job_name, RUN_OVERDUE, cause, message, at))
    return message


def end_and_report(instance: dg.DagsterInstance) -> None:
    """`end_dead_runs`, and a line for a terminal if there were any."""
    if ended := end_dead_runs(instance):
        sys.stdout.write(f"make up: marked {len(ended)} runs of killed processes as failed\n")
        sys.stdout.flush()


if __name__ == "__main__":
    with dg.DagsterInstance.get() as records:
        end_and_report(records)
    sys.exit()
