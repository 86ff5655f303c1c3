"""`WarmRunLauncher` with real processes: start, cancel, kills, failures, what a run inherits."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.reconstruct import ReconstructableRepository
from dagster._core.errors import DagsterLaunchFailedError
from dagster._core.launcher.base import WorkerStatus
from dagster._core.storage.dagster_run import DagsterRun

from coin_assets.orchestration import launcher as launcher_module
from coin_assets.orchestration.dead_runs import end_dead_runs, process_of
from coin_assets.orchestration.launcher import WarmRunLauncher
from coin_assets_tests.webui import ROOT

LOCATION = "coin_assets_tests.orchestration.launched"
INSTANCE = """
run_launcher:
  module: coin_assets.orchestration.launcher
  class: WarmRunLauncher
run_monitoring:
  enabled: true
telemetry:
  enabled: false
python_logs:
  python_log_level: INFO
"""
_WAIT_SECONDS = 90.0


class Daemon:
    """An instance with the launcher, in this process, and the location that it launches."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "dagster.yaml").write_text(INSTANCE)
        self.instance = dg.DagsterInstance.from_config(str(folder))

    @property
    def launcher(self) -> WarmRunLauncher:
        found = self.instance.run_launcher
        assert isinstance(found, WarmRunLauncher)
        return found

    @property
    def server(self) -> int:
        """Process id of the run server."""
        assert self.launcher._server is not None
        return self.launcher._server.process_id

    def create(self, job: str = "described") -> str:
        return created(self.instance, job)

    def launch(self, job: str = "described") -> str:
        run_id = self.create(job)
        self.instance.launch_run(run_id, None)  # type: ignore[arg-type]
        return run_id

    def run(self, run_id: str) -> DagsterRun:
        run = self.instance.get_run_by_id(run_id)
        assert run is not None
        return run

    def description(self, run_id: str) -> dict[str, Any]:
        """What the run tells about its process, as soon as it does."""
        file = self.folder / f"{run_id}.json"
        until(file.exists, lambda: self.messages(run_id))
        until(lambda: bool(file.read_text()))
        found: dict[str, Any] = json.loads(file.read_text())
        return found

    def end(self, run_id: str) -> str:
        """Status of the run when it has ended."""
        until(lambda: self.run(run_id).is_finished, lambda: self.messages(run_id))
        return self.run(run_id).status.value

    def messages(self, run_id: str) -> str:
        """All that Dagster recorded of a run, with errors."""
        return "\n".join(
            f"{entry.message} {entry.get_dagster_event().event_specific_data}"
            for entry in self.instance.all_logs(run_id)
            if entry.is_dagster_event
        )

    def go(self) -> None:
        """Let the runs end."""
        (self.folder / "go").touch()


def created(instance: dg.DagsterInstance, job: str) -> str:
    """A run of the location, as a web server records it; returns its id."""
    repository = ReconstructableRepository.for_module(LOCATION, "defs", str(ROOT))
    origin = repository.get_reconstructable_job(job).get_python_origin()
    ops = {"described": "describe", "failing": "fail"}

    @dg.op(name=ops[job])
    def nothing() -> None: ...

    @dg.job(name=job)
    def same() -> None:
        nothing()

    return instance.create_run_for_job(same, job_code_origin=origin).run_id


def until(met: Callable[[], bool], told: Callable[[], object] = lambda: "") -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    while not met():
        assert time.monotonic() < deadline, told()
        time.sleep(0.02)


def lives(process_id: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        status = Path(f"/proc/{process_id}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def children(process_id: int) -> list[str]:
    """States of the children of a process; ``Z`` is a zombie."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = status.read_text().rpartition(")")[2].split()[:2]
            if int(parent) == process_id:
                found.append(state)
    return found


def handles(process_id: int) -> set[str]:
    """What the open files of a process are."""
    return {os.readlink(each) for each in Path(f"/proc/{process_id}/fd").iterdir()}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAUNCHED_FOLDER", str(tmp_path))
    monkeypatch.setenv("COIN_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return tmp_path


@pytest.fixture
def daemon(folder: Path) -> Iterator[Daemon]:
    daemon = Daemon(folder)
    try:
        yield daemon
    finally:
        daemon.go()
        server = daemon.launcher._server
        daemon.instance.dispose()
        if server is not None:
            until(lambda: not lives(server.process_id))


# ------------------------------------------------------------------------------------------ starts


def test_a_run_starts_in_a_process_like_a_new_one(daemon: Daemon) -> None:
    os.environ["LAUNCHED_WORD"] = "of the daemon"
    lock = (daemon.folder / ".up.lock").open("w")  # as make up leaves it to what it becomes
    os.set_inheritable(lock.fileno(), True)
    try:
        run_id = daemon.launch()
        process = daemon.description(run_id)
        assert Path(f"/proc/{daemon.server}/status").read_text().count("\nThreads:\t1\n") == 1
    finally:
        del os.environ["LAUNCHED_WORD"]
        lock.close()
    assert process["parent"] == daemon.server
    assert process["group"] == os.getpgrp()  # Ctrl-C in a terminal reaches it
    assert process["environment"]["LAUNCHED_WORD"] == "of the daemon"
    assert "JE_ARROW_MALLOC_CONF" not in process["environment"]
    assert process["directory"] == str(Path.cwd())
    assert process["threads"] == ["MainThread"]
    assert process["sklearn"]
    assert (process["blocked"], process["child_signal"]) == ([], True)
    assert not [name for name in process["handles"].values() if ".up.lock" in name]
    shared = handles(daemon.server) & set(process["handles"].values())  # stdin, stdout, stderr
    assert not [name for name in shared if name.startswith(("socket:", "anon_inode:"))]
    assert process_of(daemon.instance, run_id) == process["pid"]
    daemon.go()
    assert daemon.end(run_id) == "SUCCESS"
    until(lambda: children(daemon.server) == [])  # not even a zombie
    logs = daemon.folder.glob(f"storage/{run_id}/compute_logs/*.out")
    assert f"{run_id} speaks" in "".join(log.read_text() for log in logs)


def test_five_runs_at_once_have_processes_and_chance_of_their_own(daemon: Daemon) -> None:
    runs = [daemon.launch() for _ in range(5)]
    found = [daemon.description(run_id) for run_id in runs]
    assert len({each["pid"] for each in found}) == 5
    assert len({each["random"] for each in found}) == 5
    assert {each["parent"] for each in found} == {daemon.server}
    daemon.go()
    assert [daemon.end(run_id) for run_id in runs] == ["SUCCESS"] * 5
    until(lambda: children(daemon.server) == [])


def test_settings_are_read_when_a_run_starts(daemon: Daemon) -> None:
    daemon.go()
    first = daemon.description(daemon.launch())
    server = daemon.server
    (daemon.folder / "home" / "coin_assets.toml").write_text('symbols = "ADA/USDT"\n')
    second = daemon.description(daemon.launch())
    assert daemon.server == server
    assert "ADA/USDT" not in first["symbols"]
    assert second["symbols"] == ["ADA/USDT"]


def test_changed_code_is_imported_by_a_new_server(daemon: Daemon, tmp_path: Path) -> None:
    daemon.go()
    first = daemon.launch()
    server = daemon.server
    assert daemon.end(first) == "SUCCESS"
    file = ROOT / "coin_assets" / "orchestration" / "run_server.py"
    before = file.stat()
    try:
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
        second = daemon.launch()
    finally:
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert daemon.server != server
    assert daemon.end(second) == "SUCCESS"
    until(lambda: not lives(server))


# ---------------------------------------------------------------------------------------- failures


def test_a_location_that_does_not_load_fails_the_run_with_the_cause(daemon: Daemon) -> None:
    (daemon.folder / "broken").touch()
    run_id = daemon.launch()
    assert daemon.end(run_id) == "FAILURE"
    assert "Could not load job definition" in daemon.messages(run_id)
    assert "this location cannot be loaded" in daemon.messages(run_id)
    (daemon.folder / "broken").unlink()
    daemon.go()
    assert daemon.end(daemon.launch()) == "SUCCESS"


def test_a_failing_run_fails(daemon: Daemon) -> None:
    run_id = daemon.launch("failing")
    assert daemon.end(run_id) == "FAILURE"
    assert "the run fails" in daemon.messages(run_id)
    assert "unexpectedly exited" not in daemon.messages(run_id)


def test_a_server_that_cannot_start_fails_the_launch(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = daemon.folder / "sklearn"
    broken.mkdir()
    (broken / "__init__.py").write_text("raise RuntimeError('sklearn is broken')")
    with monkeypatch.context() as patched:
        patched.setenv("PYTHONPATH", f"{daemon.folder}{os.pathsep}{ROOT}")
        run_id = daemon.create()
        with pytest.raises(DagsterLaunchFailedError, match="sklearn is broken"):
            daemon.instance.launch_run(run_id, None)  # type: ignore[arg-type]
    assert daemon.run(run_id).status is dg.DagsterRunStatus.FAILURE
    assert "sklearn is broken" in daemon.messages(run_id)
    daemon.go()
    assert daemon.end(daemon.launch()) == "SUCCESS"


def test_code_of_another_interpreter_is_refused(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = daemon.create()
    monkeypatch.setattr(launcher_module.sys, "executable", "/elsewhere/python")
    with pytest.raises(DagsterLaunchFailedError, match="Remove run_launcher from dagster.yaml"):
        daemon.instance.launch_run(run_id, None)  # type: ignore[arg-type]


# -------------------------------------------------------------------------------- cancel and kill


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
    monkeypatch.setattr(launcher_module, "_FORK_SECONDS", 1.0)
    server, run_id = daemon.server, daemon.create()
    os.kill(server, signal.SIGSTOP)
    with pytest.raises(DagsterLaunchFailedError, match="TimeoutError"):
        daemon.instance.launch_run(run_id, None)  # type: ignore[arg-type]
    assert not lives(server)
    monkeypatch.undo()
    os.environ["LAUNCHED_FOLDER"] = str(daemon.folder)
    assert daemon.end(daemon.launch()) == "SUCCESS"
    assert daemon.run(run_id).status is dg.DagsterRunStatus.FAILURE
    assert not (daemon.folder / f"{run_id}.json").exists()  # it never executed


DAEMON = """
import sys, time
import dagster as dg
from coin_assets_tests.orchestration.test_launcher import created
instance = dg.DagsterInstance.from_config(sys.argv[1])
run_id = created(instance, "described")
instance.launch_run(run_id, None)
print(run_id, instance.run_launcher._server.process_id, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("is_run_killed", [False, True])
def test_runs_survive_the_daemon_and_are_watched_to_their_end(
    folder: Path, is_run_killed: bool
) -> None:
    (folder / "dagster.yaml").write_text(INSTANCE)
    command = [sys.executable, "-c", DAEMON, str(folder)]
    here = Daemon(folder)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as daemon:
        assert daemon.stdout is not None
        run_id, server = daemon.stdout.readline().split()
        process = here.description(run_id)
        daemon.kill()
    time.sleep(random.random() / 2)
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
    server = daemon.launcher._server
    assert server is not None
    order = launcher_module.Order(run_id, "")  # the launcher dies before it confirms
    ours, theirs = launcher_module.socket.socketpair()
    message = json.dumps(vars(order)).encode() + b"\n"
    launcher_module.socket.send_fds(server._control, [message], [theirs.fileno()])
    theirs.close()
    process = int(ours.recv(100))
    ours.close()
    until(lambda: not lives(process))
    until(lambda: children(daemon.server) == [])
    assert daemon.run(run_id).status is dg.DagsterRunStatus.NOT_STARTED
