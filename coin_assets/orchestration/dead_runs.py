"""Fails runs whose process is gone.

The run of a killed process stays "started" in Dagster's records. Until the time limit of the run
monitor it would hold its slots in the queue and in the training pool, and its tasks would count as
in flight.
"""

import os
import signal
import sys

import dagster as dg
import psutil

_CLOCK_STEP_SECONDS = 30.0
_STARTED = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


def end_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark started runs without a process as failed; return their ids."""
    ended = []
    for record in instance.get_run_records(dg.RunsFilter(statuses=_STARTED)):
        run = record.dagster_run
        process_id = process_of(instance, run.run_id)
        if process_id is None or is_alive(process_id, record.start_time or 0.0):
            continue
        now = instance.get_run_by_id(run.run_id)  # it may have ended meanwhile
        if now is not None and now.status in _STARTED:
            instance.report_run_failed(
                run, f"Process {process_id} of this run is gone: it was killed. Launch it again."
            )
            ended.append(run.run_id)
    return ended


def end_and_report(instance: dg.DagsterInstance) -> None:
    """`end_dead_runs`, and a line for a terminal if there were any."""
    if ended := end_dead_runs(instance):
        sys.stdout.write(f"make up: marked {len(ended)} runs of killed processes as failed\n")
        sys.stdout.flush()


def process_of(instance: dg.DagsterInstance, run_id: str) -> int | None:
    """Id of the process that executes a run, from the executor's event."""
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
        recorded = entry.get_dagster_event().engine_event_data.metadata.get("pid")
        if recorded is not None:
            return int(str(recorded.value))
    return None


def interrupt(process_id: int, run_started: float) -> bool:
    """Ask the process of a run to cancel it; False if the process is gone."""
    if not is_alive(process_id, run_started):
        return False
    try:
        os.kill(process_id, signal.SIGTERM)
    except ProcessLookupError:
        return False
    return True


def is_alive(process_id: int, run_started: float) -> bool:
    """Whether the process exists, and began before the run (ids are reused)."""
    try:
        process = psutil.Process(process_id)
        began: float = process.create_time()
        if process.status() == psutil.STATUS_ZOMBIE:
            return False  # it ended, and its parent does not care
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True  # it exists, and belongs to another user
    # A clock that is set forward moves the start of every process with it.
    return began <= run_started + _CLOCK_STEP_SECONDS


if __name__ == "__main__":
    with dg.DagsterInstance.get() as records:
        end_and_report(records)
    sys.exit()
