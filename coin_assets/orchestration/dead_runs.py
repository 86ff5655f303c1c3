"""Ends runs whose process is gone, and runs that hang.

The run of a killed process stays "started" in Dagster's records, and so does one whose process has
stopped (SIGSTOP, a lock, a stuck disk). Until the time limit of the run monitor it would hold its
slots in the queue and in the training pool, and its tasks would count as in flight. So would a run
that was being launched when its daemon was killed. The run monitor asks a process to cancel, which
a stopped one never does, and leaves it with all its locks.
"""

import sys
import time
from datetime import UTC, datetime, timedelta
from functools import partial

import dagster as dg

from coin_assets.orchestration.launcher import WarmRunLauncher
from coin_assets.orchestration.overdue_runs import fail_overdue, limit_of
from coin_assets.orchestration.records.files import RunFiles
from coin_assets.orchestration.run_processes import process_of, recorded_process

_STARTING = dg.DagsterRunStatus.STARTING
_STARTED = [_STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
_ENDED = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
# A canceled run has this long to end by itself; Dagster then calls it canceled in any case.
_ENDING_SECONDS = 60.0
_ENDED_LATELY = timedelta(hours=1)
_MOST_ENDED = 100
# When this process saw first that a run had a process left, by the id of the run.
_ENDING: dict[str, float] = {}


def end_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark started runs whose process is gone as failed; return their ids."""
    ended = []
    for run in instance.get_runs(dg.RunsFilter(statuses=_STARTED)):
        process = process_of(instance, run)
        if process is None or process.is_alive():
            continue
        text = f"Process {process.id} of this run is gone: it was killed. Launch it again."
        if _is_failed(instance, run, text):
            ended.append(run.run_id)
    return ended


def end_cut_off_launches(instance: dg.DagsterInstance) -> list[str]:
    """Mark runs as failed that were launched but have no process; return their ids.

    Call it while no daemon runs on this home: the process that launched them was killed, and a
    process that is not recorded never executes. With other launchers than this machine's own, a
    worker or another machine may still start them.
    """
    if not isinstance(instance.run_launcher, WarmRunLauncher):
        return []
    text = (
        "The daemon was killed while it launched this run, which has no process. Launch it again."
    )
    return [
        run.run_id
        for run in instance.get_runs(dg.RunsFilter(statuses=[_STARTING]))
        if process_of(instance, run) is None and _is_failed(instance, run, text)
    ]


def _is_failed(instance: dg.DagsterInstance, run: dg.DagsterRun, text: str) -> bool:
    """Mark a run as failed; False if it has ended meanwhile."""
    now = instance.get_run_by_id(run.run_id)
    if now is None or now.status not in _STARTED:
        return False
    RunFiles(instance).mended(run.run_id, partial(instance.report_run_failed, run, text))
    return True


def end_hung_runs(instance: dg.DagsterInstance) -> list[str]:
    """Kill the processes of runs that should have ended; return the ids of these runs.

    A run is failed when its time is over. A run that was canceled, or that Dagster calls failed, is
    left as it is; its process has a minute to end, and none once the time of the run is over.
    """
    killed = []
    for run in instance.get_runs(dg.RunsFilter(statuses=[_STARTING, dg.DagsterRunStatus.STARTED])):
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


def end_and_report(instance: dg.DagsterInstance) -> None:
    """End dead runs and launches that were cut off; a line for a terminal if there were any.

    Call it while no daemon runs on this home.
    """
    if ended := end_dead_runs(instance) + end_cut_off_launches(instance):
        sys.stdout.write(f"make up: marked {len(ended)} runs of killed processes as failed\n")
        sys.stdout.flush()


if __name__ == "__main__":
    with dg.DagsterInstance.get() as records:
        end_and_report(records)
    sys.exit()
