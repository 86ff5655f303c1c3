"""Ends of runs whose time is over, with a record that says so."""

import signal
from datetime import UTC, datetime

import dagster as dg
from dagster._core.storage.tags import MAX_RUNTIME_SECONDS_TAG
from dagster._utils import get_run_crash_explanation

from coin_assets.domain.failures import RUN_OVERDUE, FailureRecord
from coin_assets.orchestration.failures import record_of_run, report_of_run
from coin_assets.orchestration.run_processes import RunProcess, recorded_process


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
