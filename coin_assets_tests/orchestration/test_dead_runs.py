"""Runs whose process is gone end as failed, those of living ones go on, hung ones are killed."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import psutil
import pytest
from dagster._core.events import EngineEventData
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._core.test_utils import create_run_for_test
from filelock import FileLock, Timeout

from coin_assets.domain.failures import RUN_OVERDUE
from coin_assets.orchestration import dead_runs
from coin_assets.orchestration.dead_runs import end_and_report, end_dead_runs, end_hung_runs
from coin_assets.orchestration.failures import record_of_run
from coin_assets.orchestration.records.damage import records_set_aside
from coin_assets.orchestration.run_processes import (
    RunProcess,
    note_own_process,
    recorded_process,
)
from coin_assets_tests.orchestration.records.homes import open_home
from coin_assets_tests.webui import ROOT

CANCELED = dg.DagsterRunStatus.CANCELED
FAILED, STARTED = dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.STARTED
LIMIT = "dagster/max_runtime"

# It holds a lock, has a child, and stops as a process does that is traced, or out of luck.
STOPS = """
import os, signal, subprocess, sys
from filelock import FileLock
lock = FileLock(sys.argv[1])
lock.acquire()
print(subprocess.Popen(["sleep", "600"]).pid, flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
"""


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def started_run(
    instance: dg.DagsterInstance, process: RunProcess | int | None, **tags: str
) -> dg.DagsterRun:
    """A run that started now in the process, whose launcher recorded it, or only its executor."""
    own = process.tag if isinstance(process, RunProcess) else {}
    starting = dg.DagsterRunStatus.STARTING
    run: dg.DagsterRun = create_run_for_test(
        instance, "update", status=starting, tags={**own, **tags}
    )
    if isinstance(process, int):
        data = EngineEventData(metadata={"pid": dg.MetadataValue.text(str(process))})
        instance.report_engine_event("executing steps", run, data)
    event = dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, "update")
    instance.report_dagster_event(event, run.run_id)
    return run


def status_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    now = instance.get_run_by_id(run.run_id)
    assert now is not None
    return now.status


@contextmanager
def living(*command: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def ended_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


# -------------------------------------------------------------------------------------------- dead


def test_a_run_ends_with_its_process(instance: dg.DagsterInstance) -> None:
    dead = started_run(instance, ended_process())
    assert end_dead_runs(instance) == [dead.run_id]
    assert status_of(instance, dead) is FAILED
    assert end_dead_runs(instance) == []


@pytest.mark.parametrize(
    "process",
    [os.getpid(), RunProcess.recorded(os.getpid()), None],
    ids=["lives", "recorded", "unknown"],
)
def test_a_run_whose_process_lives_or_is_unknown_goes_on(
    instance: dg.DagsterInstance, process: RunProcess | int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = started_run(instance, process)
    # psutil adds the start of a process to the time of the boot, which is the machine's clock less
    # the time since: a clock that is set forward moves the start of every process (proc_stat(5)).
    hours_later = time.time() + 7200
    monkeypatch.setattr(psutil.Process, "create_time", lambda _process: hours_later)
    assert end_dead_runs(instance) == []
    assert status_of(instance, run) is STARTED


def test_another_process_with_the_same_id_is_not_that_of_the_run(
    instance: dg.DagsterInstance,
) -> None:
    with living("sleep", "600") as other:
        now = RunProcess.recorded(other.pid)
        assert now.start is not None
        boot, _, ticks = now.start.partition(" ")
        earlier = RunProcess(other.pid, f"{boot} {int(ticks) - 1}")
        before_the_boot = RunProcess(other.pid, f"another-boot {ticks}")
        runs = [started_run(instance, each) for each in (other.pid, earlier, before_the_boot)]
        same = started_run(instance, now)
        assert set(end_dead_runs(instance)) == {run.run_id for run in runs}
        assert status_of(instance, same) is STARTED


def test_a_process_of_another_user_lives(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(process: psutil.Process) -> list[str]:
        raise psutil.AccessDenied(process.pid)

    run = started_run(instance, os.getpid())
    monkeypatch.setattr(psutil.Process, "cmdline", refuse)
    assert end_dead_runs(instance) == []
    assert status_of(instance, run) is STARTED


def test_a_run_whose_process_was_killed_before_it_executed_ends(
    instance: dg.DagsterInstance,
) -> None:
    starting = dg.DagsterRunStatus.STARTING
    gone, own = RunProcess(ended_process(), "another-boot 1"), RunProcess.recorded(os.getpid())
    dead, living_, unknown = (
        create_run_for_test(instance, "update", status=starting, tags=tags)
        for tags in (gone.tag, own.tag, {})
    )
    assert end_dead_runs(instance) == [dead.run_id]
    assert status_of(instance, dead) is FAILED
    assert {status_of(instance, each) for each in (living_, unknown)} == {starting}


@pytest.mark.parametrize("is_own", [True, False], ids=["warm launcher", "Dagster's"])
def test_a_launch_that_was_cut_off_ends_with_the_next_start(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    is_own: bool,
) -> None:
    """Another launcher may have sent the run to a machine that starts it later."""
    starting, new = dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.NOT_STARTED
    own = RunProcess.recorded(os.getpid())
    monkeypatch.setenv("COIN_DAGSTER_HOME", str(tmp_path))
    with dg.DagsterInstance.from_config(str(ROOT)) if is_own else open_home(tmp_path) as instance:
        cut_off, begun, waiting = (
            create_run_for_test(instance, "update", status=status, tags=tags)
            for status, tags in ((starting, {}), (starting, own.tag), (new, {}))
        )
        end_and_report(instance)
        assert status_of(instance, cut_off) is (FAILED if is_own else starting)
        assert status_of(instance, begun) is starting
        assert status_of(instance, waiting) is new
    printed = "make up: marked 1 runs of killed processes as failed\n"
    assert capsys.readouterr().out == (printed if is_own else "")


def test_damaged_events_of_a_dead_run_keep_no_other_from_its_end(tmp_path: Path) -> None:
    gone = RunProcess(ended_process(), "another-boot 1")
    with open_home(tmp_path) as instance:
        runs = [started_run(instance, gone) for _ in range(3)]
    path = tmp_path / "history" / "runs" / f"{runs[1].run_id}.db"
    path.write_bytes(bytes(path.stat().st_size))
    with open_home(tmp_path) as instance:
        assert set(end_dead_runs(instance)) == {run.run_id for run in runs}
        assert {status_of(instance, run) for run in runs} == {FAILED}
        ((aside, _),) = records_set_aside(instance)
        assert aside.name.startswith(f"{path.name}.damaged-")
        assert end_dead_runs(instance) == []


# -------------------------------------------------------------------------------------------- hung


@pytest.mark.parametrize("of_code_server", [True, False])
def test_a_run_of_a_code_server_alone_records_its_own_process(
    instance: dg.DagsterInstance, of_code_server: bool
) -> None:
    run = started_run(instance, None, **({GRPC_INFO_TAG: "{}"} if of_code_server else {}))
    note_own_process(instance, run)
    now = instance.get_run_by_id(run.run_id)
    assert now is not None
    found = recorded_process(now)
    own = RunProcess.recorded(os.getpid())
    assert (found and (found.id, found.start)) == ((own.id, own.start) if of_code_server else None)


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[tuple[RunProcess, psutil.Process, FileLock]]:
    """A process that has stopped, its child, and the lock that it holds."""
    file = tmp_path / "lock"
    with living(sys.executable, "-c", STOPS, str(file)) as process:
        assert process.stdout is not None
        child = psutil.Process(int(process.stdout.readline()))
        while psutil.Process(process.pid).status() != psutil.STATUS_STOPPED:
            time.sleep(0.01)
        lock = FileLock(file)
        with pytest.raises(Timeout):
            lock.acquire(timeout=0)
        yield RunProcess.recorded(process.pid), child, lock


def test_a_run_whose_time_is_over_ends_with_its_process_and_what_this_started(
    instance: dg.DagsterInstance, stopped: tuple[RunProcess, psutil.Process, FileLock]
) -> None:
    process, child, lock = stopped
    run = started_run(instance, process, **{LIMIT: "0.5"})
    patient = started_run(instance, RunProcess.recorded(os.getpid()), **{LIMIT: "600"})
    assert end_hung_runs(instance) == []
    time.sleep(0.5)
    assert end_hung_runs(instance) == [run.run_id]
    assert not process.is_alive()
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
    lock.acquire(timeout=1)
    assert status_of(instance, run) is FAILED
    assert status_of(instance, patient) is STARTED
    record = record_of_run(instance, run.run_id)
    assert record is not None
    assert (record.code, record.task) == (RUN_OVERDUE, "update")
    assert record.message == (
        f"run {run.run_id[:8]} (update) did not end within 0.00833 min; its process {process.id} "
        "was killed"
    )
    assert end_hung_runs(instance) == []


@pytest.mark.parametrize("status", [FAILED, CANCELED])
def test_a_process_that_outlives_its_run_is_killed_after_a_while(
    instance: dg.DagsterInstance,
    stopped: tuple[RunProcess, psutil.Process, FileLock],
    status: dg.DagsterRunStatus,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As Dagster's monitor leaves it: it marks the run, and only asks the process."""
    process, _, lock = stopped
    run = started_run(instance, process)
    instance.report_run_canceling(run)
    assert end_hung_runs(instance) == []
    (instance.report_run_failed if status is FAILED else instance.report_run_canceled)(run)
    assert end_hung_runs(instance) == []
    assert process.is_alive()
    monkeypatch.setattr(dead_runs, "_ENDING_SECONDS", 0.0)
    assert end_hung_runs(instance) == [run.run_id]
    assert not process.is_alive()
    lock.acquire(timeout=1)
    assert status_of(instance, run) is status
