"""A daemon with `WarmRunLauncher` in the process of a test, and what its runs tell."""

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.reconstruct import ReconstructableRepository
from dagster._core.remote_origin import RemoteJobOrigin
from dagster._core.storage.dagster_run import DagsterRun

from coin_assets.orchestration.launcher import WarmRunLauncher
from coin_assets_tests.webui import ROOT

LOCATION = "coin_assets_tests.orchestration.launcher.launched"
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
CODE = "sitecustomize.py"  # each interpreter imports it as it starts
_WAIT_SECONDS = 90.0
_IN_FLIGHT = [
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


class Daemon:
    """An instance with the launcher, in this process, and the location that it launches."""

    def __init__(self, folder: Path, instance: str = INSTANCE) -> None:
        self.folder = folder
        (folder / "dagster.yaml").write_text(instance)
        self.instance = dg.DagsterInstance.from_config(str(folder))

    @property
    def launcher(self) -> WarmRunLauncher:
        found = self.instance.run_launcher
        assert isinstance(found, WarmRunLauncher)
        return found

    @property
    def server(self) -> int:
        """Process id of the run server."""
        assert self.launcher.servers.current is not None
        return self.launcher.servers.current.process_id

    def create(self, job: str = "described", **tags: str) -> str:
        return created(self.instance, job, tags)

    def launch(self, job: str = "described", **tags: str) -> str:
        run_id = self.create(job, **tags)
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

    def end_all(self) -> None:
        """End all runs, and take back what a test has changed."""
        self.go()
        until(lambda: not self.instance.get_runs(dg.RunsFilter(statuses=_IN_FLIGHT)))
        for name in ("go", "broken", "coin_assets.toml"):
            (self.folder / name).unlink(missing_ok=True)

    def go(self) -> None:
        """Let the runs end."""
        (self.folder / "go").touch()


def created(
    instance: dg.DagsterInstance,
    job: str,
    tags: Mapping[str, str] | None = None,
    remote: RemoteJobOrigin | None = None,
) -> str:
    """A run of the location, as a web server records it; returns its id."""
    repository = ReconstructableRepository.for_module(LOCATION, "defs", str(ROOT))
    origin = repository.get_reconstructable_job(job).get_python_origin()
    ops = {"described": "describe", "failing": "fail", "hanging": "hang"}

    @dg.op(name=ops[job])
    def nothing() -> None: ...

    @dg.job(name=job)
    def same() -> None:
        nothing()

    return instance.create_run_for_job(
        same, remote_job_origin=remote, job_code_origin=origin, tags=tags
    ).run_id


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
    return {str(each.readlink()) for each in Path(f"/proc/{process_id}/fd").iterdir()}


@contextmanager
def launching(folder: Path) -> Iterator[Daemon]:
    """A daemon that works in ``folder``; in the end its server has ended too."""
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)  # the place of coin_assets.toml
        patched.setenv("LAUNCHED_FOLDER", str(folder))
        patched.setenv("COIN_HOME", str(folder / "home"))
        patched.setenv("PYTHONPATH", f"{folder}{os.pathsep}{ROOT}")
        (folder / "home").mkdir()
        (folder / CODE).write_text("word = 'old'")
        daemon = Daemon(folder)
        try:
            yield daemon
        finally:
            daemon.go()
            server = daemon.launcher.servers.current
            daemon.instance.dispose()
            if server is not None:
                until(lambda: not lives(server.process_id))
