"""Runs as in containers: processes of a code server, which record themselves, and which hang.

The code server is a process of its own. This one does what the others do: launch, as the daemon;
look for hung runs, as `health_alerts` does in the code server, in whose container the runs are.
"""

import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
import pytest
from dagster._core.remote_origin import (
    GrpcServerCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._daemon.monitoring.run_monitoring import check_run_timeout
from dagster._grpc.client import DagsterGrpcClient
from filelock import FileLock, Timeout

from coin_assets.domain.failures import RUN_OVERDUE
from coin_assets.orchestration.dead_runs import end_hung_runs
from coin_assets.orchestration.remote_launcher import RemoteRunLauncher
from coin_assets.orchestration.run_processes import recorded_process
from coin_assets.orchestration.sensors.failed_steps import failed_steps
from coin_assets_tests.orchestration.launcher.launching import (
    LOCATION,
    Daemon,
    created,
    lives,
    until,
)
from coin_assets_tests.webui import ROOT

LAUNCHER = """
run_launcher:
  module: coin_assets.orchestration.remote_launcher
  class: RemoteRunLauncher
run_monitoring:
  enabled: true
telemetry:
  enabled: false
"""


class Remote(Daemon):
    """A daemon whose runs a code server executes."""

    def __init__(self, folder: Path, socket: Path) -> None:
        super().__init__(folder, LAUNCHER)
        origin = GrpcServerCodeLocationOrigin("localhost", socket=str(socket), location_name="code")
        self._repository = RemoteRepositoryOrigin(origin, "__repository__")
        self._client = DagsterGrpcClient(socket=str(socket))

    def launch(self, job: str = "described", **tags: str) -> str:
        """As `DefaultRunLauncher.launch_run` does, which needs a workspace for its client."""
        run_id = created(self.instance, job, tags, RemoteJobOrigin(self._repository, job))
        RemoteRunLauncher.launch_run_from_grpc_client(self.instance, self.run(run_id), self._client)
        return run_id


def is_up(client: Any) -> bool:
    return bool(client.health_check_query() == "SERVING")


@contextmanager
def code_server(folder: Path, socket: Path) -> Iterator[subprocess.Popen[bytes]]:
    words = ["-m", "dagster", "api", "grpc", "--socket", str(socket), "--module-name", LOCATION]
    with subprocess.Popen([sys.executable, *words], cwd=folder) as process:
        try:
            client = DagsterGrpcClient(socket=str(socket))
            until(lambda: is_up(client) or process.poll() is not None)
            yield process
        finally:
            for each in psutil.Process(process.pid).children(recursive=True):
                each.kill()
            process.kill()


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Remote, int]]:
    """The daemon, and the process of the code server."""
    folder = tmp_path_factory.mktemp("remote")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("LAUNCHED_FOLDER", str(folder))
        patched.setenv("COIN_HOME", str(folder / "home"))
        patched.setenv("PYTHONPATH", str(ROOT))
        with code_server(folder, folder / "socket") as process:
            yield Remote(folder, folder / "socket"), process.pid


@pytest.mark.slow
@pytest.mark.parametrize("first", ["health_alerts", "monitor"])
def test_a_run_of_a_code_server_that_hangs_is_killed_and_told(
    code: tuple[Remote, int], first: str
) -> None:
    daemon, server = code
    run_id = daemon.launch("hanging", **{"dagster/max_runtime": "2"})
    process = daemon.description(run_id)["pid"]
    until(lambda: psutil.Process(process).status() == psutil.STATUS_STOPPED)
    noted = recorded_process(daemon.run(run_id))
    assert noted is not None
    assert (noted.id, noted.start is None) == (process, False)
    lock = FileLock(daemon.folder / "lock")
    with pytest.raises(Timeout):
        lock.acquire(timeout=0)
    if first == "monitor":  # which works in the daemon's container, and sees no process
        record = daemon.instance.get_run_record_by_id(run_id)
        assert record is not None
        time.sleep(2)
        check_run_timeout(daemon.instance, record, logging.getLogger(), 0.0)
        assert daemon.run(run_id).status is dg.DagsterRunStatus.FAILURE
        assert lives(process)
    until(lambda: end_hung_runs(daemon.instance) == [run_id])
    assert not lives(process)
    lock.acquire(timeout=1)
    lock.release()
    assert daemon.end(run_id) == "FAILURE"
    (found,) = failed_steps(daemon.instance, run_id).values()
    assert found.code == RUN_OVERDUE
    assert f"run {run_id[:8]} (hanging) did not end within" in found.message
    daemon.go()
    again = daemon.launch()
    assert daemon.end(again) == "SUCCESS"
    assert daemon.description(again)["parent"] == server
    (daemon.folder / "go").unlink()
