"""`WarmRunLauncher`: canceled runs, and kills of a run, the run server and the daemon."""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time

import dagster as dg
import psutil
import pytest
from dagster._core.errors import DagsterLaunchFailedError
from dagster._core.launcher.base import WorkerStatus
from dagster._daemon.monitoring.run_monitoring import check_run_timeout
from filelock import FileLock, Timeout

from coin_assets.domain.failures import RUN_OVERDUE
from coin_assets.orchestration import dead_runs, run_server_client
from coin_assets.orchestration.dead_runs import end_dead_runs, end_hung_runs
from coin_assets.orchestration.run_server import Order
from coin_assets.orchestration.sensors.failed_steps import failed_steps
from coin_assets_tests.orchestration.launcher.launching import Daemon, children, lives, until


def test_a_run_is_canceled_from_another_process(daemon: Daemon) -> None:
    run_id = daemon.launch()
    process = daemon.description(run_id)["pid"]
    with dg.DagsterInstance.from_config(str(daemon.folder)) as of_web_server:
        assert of_web_server.run_launcher.terminate(run_id)
    assert daemon.end(run_id) == "CANCELED"
    until(lambda: not lives(process))
    assert not daemon.launcher.terminate(run_id)


def test_a_run_that_is_canceled_as_it_starts_ends_soon(daemon: Daemon) -> None:
    run_id = daemon.launch()
    assert daemon.launcher.terminate(run_id)
    assert daemon.end(run_id) == "CANCELED"


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_run_but_not_the_server(daemon: Daemon, sent: signal.Signals) -> None:
    run_id = daemon.launch()
    process = daemon.description(run_id)["pid"]
    for each in (daemon.server, process):
        os.kill(each, sent)
    assert daemon.end(run_id) in ("FAILURE", "CANCELED")
    until(lambda: not lives(process))
    assert lives(daemon.server)


def test_a_killed_run_is_marked_as_failed_at_once(daemon: Daemon) -> None:
    run_id = daemon.launch()
    os.kill(daemon.description(run_id)["pid"], signal.SIGKILL)
    assert daemon.end(run_id) == "FAILURE"
    assert "was terminated by signal 9 (SIGKILL)" in daemon.messages(run_id)
    until(lambda: children(daemon.server) == [])


def test_runs_survive_the_server_and_the_next_launch_starts_another(daemon: Daemon) -> None:
    first = daemon.launch()
    process, server = daemon.description(first)["pid"], daemon.server
    os.kill(server, signal.SIGKILL)
    second = daemon.launch()
    assert daemon.server != server
    assert daemon.description(second)["parent"] == daemon.server
    assert daemon.launcher.check_run_worker_health(daemon.run(first)).status is WorkerStatus.RUNNING
    assert end_dead_runs(daemon.instance) == []
    os.kill(process, signal.SIGKILL)  # nobody is left to notice at once
    until(lambda: not lives(process))
    assert daemon.run(first).status is dg.DagsterRunStatus.STARTED
    health = daemon.launcher.check_run_worker_health(daemon.run(first))  # Dagster's run monitor
    assert health.status is WorkerStatus.NOT_FOUND
    assert end_dead_runs(daemon.instance) == [first]
    assert daemon.end(first) == "FAILURE"
    daemon.go()
    assert daemon.end(second) == "SUCCESS"


def test_a_stopped_server_fails_the_launch_and_is_replaced(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon.go()
    assert daemon.end(daemon.launch()) == "SUCCESS"
    monkeypatch.setattr(run_server_client, "_FORK_SECONDS", 1.0)
    server, run_id = daemon.server, daemon.create()
    os.kill(server, signal.SIGSTOP)
    with pytest.raises(DagsterLaunchFailedError, match="TimeoutError"):
        daemon.instance.launch_run(run_id, None)  # type: ignore[arg-type]
    assert not lives(server)
    monkeypatch.undo()
    assert daemon.end(daemon.launch()) == "SUCCESS"
    assert daemon.run(run_id).status is dg.DagsterRunStatus.FAILURE
    assert not (daemon.folder / f"{run_id}.json").exists()  # it never executed


def hung(daemon: Daemon, seconds: str, **tags: str) -> tuple[str, int]:
    """A run that has stopped while it holds the lock, and its process."""
    run_id = daemon.launch("hanging", **{"dagster/max_runtime": seconds}, **tags)
    process = daemon.description(run_id)["pid"]
    until(lambda: psutil.Process(process).status() == psutil.STATUS_STOPPED)
    return run_id, process


@pytest.mark.parametrize("notices", ["health_alerts", "run monitor"])
def test_a_run_that_hangs_ends_with_its_process_when_its_time_is_over(
    daemon: Daemon, notices: str
) -> None:
    # The run monitor writes before it ends a run, so a transaction of the run holds it up.
    tags = {"in_transaction": "yes"} if notices == "health_alerts" else {}
    run_id, process = hung(daemon, "2", **tags)
    lock = FileLock(daemon.folder / "lock")
    with pytest.raises(Timeout):
        lock.acquire(timeout=0)
    started = time.monotonic()
    if notices == "health_alerts":
        until(lambda: end_hung_runs(daemon.instance) == [run_id])
    else:
        record = daemon.instance.get_run_record_by_id(run_id)
        assert record is not None
        assert record.start_time is not None
        time.sleep(2)
        check_run_timeout(daemon.instance, record, logging.getLogger(), 0.0)
    assert time.monotonic() - started < 20
    assert not lives(process)
    lock.acquire(timeout=1)
    lock.release()
    assert daemon.end(run_id) == "FAILURE"
    (found,) = failed_steps(daemon.instance, run_id).values()
    assert found.code == RUN_OVERDUE
    assert f"run {run_id[:8]} (hanging) did not end within" in found.message
    until(lambda: children(daemon.server) == [])
    daemon.go()
    assert daemon.end(daemon.launch()) == "SUCCESS"


def test_a_hung_run_that_a_person_cancels_is_killed_after_a_while(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id, process = hung(daemon, "600")
    assert daemon.launcher.terminate(run_id)
    assert end_hung_runs(daemon.instance) == []
    assert lives(process)
    monkeypatch.setattr(dead_runs, "_ENDING_SECONDS", 0.0)
    assert end_hung_runs(daemon.instance) == [run_id]
    assert not lives(process)
    assert daemon.end(run_id) == "CANCELED"


DAEMON = """
import sys, time
import dagster as dg
from coin_assets_tests.orchestration.launcher.launching import created
instance = dg.DagsterInstance.from_config(sys.argv[1])
run_id = created(instance, "described")
instance.launch_run(run_id, None)
print(run_id, instance.run_launcher.servers.current.process_id, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("is_run_killed", [pytest.param(False, marks=pytest.mark.slow), True])
def test_runs_survive_the_daemon_and_are_watched_to_their_end(
    daemon: Daemon, is_run_killed: bool
) -> None:
    here = daemon  # another process is the daemon now
    command = [sys.executable, "-c", DAEMON, str(here.folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        run_id, server = other.stdout.readline().split()
        process = here.description(run_id)
        other.kill()
    assert here.run(run_id).status is dg.DagsterRunStatus.STARTED
    assert lives(int(server))
    assert end_dead_runs(here.instance) == []
    if is_run_killed:
        os.kill(process["pid"], signal.SIGKILL)
    here.go()
    assert here.end(run_id) == ("FAILURE" if is_run_killed else "SUCCESS")
    until(lambda: not lives(int(server)))  # its last run has ended


def test_an_unconfirmed_launch_never_executes(daemon: Daemon) -> None:
    daemon.go()
    assert daemon.end(daemon.launch()) == "SUCCESS"
    run_id = daemon.create()
    server = daemon.launcher.servers.current
    assert server is not None
    order = Order(run_id, "")  # the launcher dies before it confirms
    ours, theirs = socket.socketpair()
    message = json.dumps(vars(order)).encode() + b"\n"
    socket.send_fds(server._control, [message], [theirs.fileno()])
    theirs.close()
    process = int(ours.recv(100))
    ours.close()
    until(lambda: not lives(process))
    until(lambda: children(daemon.server) == [])
    assert daemon.run(run_id).status is dg.DagsterRunStatus.NOT_STARTED
