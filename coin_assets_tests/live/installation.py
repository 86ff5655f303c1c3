"""A real installation in a temporary home: web server, daemon and code server of ``make up``.

It is started as ``make up`` starts it (`coin_assets.up`), in a process group of its own and in a
folder whose workspace names the code location of the live test.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import dagster as dg

from coin_assets_tests.live.waiting import until
from coin_assets_tests.webui import ROOT, WebUi

_FOREIGN = ("COIN_", "DAGSTER_", "INFLUXDB_", "LIVE_")
_START_SECONDS, _STOP_SECONDS = 180, 30
_WORKSPACE = """load_from:
  - python_module:
      module_name: coin_assets_tests.live.definitions
"""
_READY = """{
  repositoriesOrError {
    ... on RepositoryConnection { nodes { name location { name } } }
    ... on PythonError { message }
  }
  instance { daemonHealth { allDaemonStatuses { daemonType required healthy } } }
}"""
_RELOAD = """mutation($name: String!) {
  reloadRepositoryLocation(repositoryLocationName: $name) {
    __typename
    ... on WorkspaceLocationEntry { loadStatus locationOrLoadError { __typename } }
  }
}"""
_TICKS = """query($sensor: SensorSelector!, $since: Float!) {
  sensorOrError(sensorSelector: $sensor) {
    __typename
    ... on Sensor { sensorState { ticks(limit: 200, afterTimestamp: $since) {
      timestamp status runIds error { message }
    } } }
  }
}"""
_LAUNCH = """mutation($params: ExecutionParams!) {
  launchPipelineExecution(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}"""


class Installation:
    """The processes over ``folder``; they can be killed and started again over the same home.

    Args:
        locations: number of code locations, one a shard.
    """

    def __init__(self, folder: Path, variables: Mapping[str, str], locations: int = 1) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.log = folder / "dagster.log"
        self.environment = _kept() | {
            "COIN_HOME": str(self.home),
            "COIN_DAGSTER_HOME": str(self.home / "dagster"),
            "DAGSTER_HOME": str(ROOT),
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "FRESHNESS_DAEMON_INTERVAL_SECONDS": "5",
            "LIVE_CONTROL": str(folder / "market.json"),
            **variables,
        }
        (self.home / "dagster").mkdir(parents=True)
        (folder / "workspace.yaml").write_text(_WORKSPACE)
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._location = ("", "")
        self._locations = locations

    @property
    def ui(self) -> WebUi:
        return WebUi(self._port)

    def start(self) -> None:
        """Start, and wait until the code location is loaded and every daemon has been seen."""
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "coin_assets.up", "--port", str(self._port)],
                cwd=self.folder,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        until("make up is up", self._is_ready, _START_SECONDS)

    def stop(self) -> None:
        """End every process, in order if that is possible."""
        process = self._process
        if process is None:
            return
        family = self._family(process.pid)
        process.send_signal(signal.SIGINT)
        try:
            with suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_SECONDS)
        finally:
            self._kill(process, family)

    def kill_everything(self) -> None:
        """SIGKILL to the daemon and all other processes at once, runs included: a power cut."""
        process = self._running()
        self._kill(process, self._family(process.pid))

    def kill_daemon(self) -> None:
        """SIGKILL to the daemon alone; ``make up`` notices and starts another one."""
        killed = self._daemons()
        assert killed, f"no daemon among the processes {self._family(self._running().pid)}"
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        until(
            "make up has started another daemon",
            lambda: bool(set(self._daemons()) - set(killed)),
            _START_SECONDS,
        )

    def kill_location(self, name: str) -> None:
        """SIGKILL to a code location of several; ``make up`` starts it again."""
        killed = self._of_location(name)
        assert killed, f"no process of {name}"
        for pid in killed:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        until(
            f"make up has started {name} again",
            lambda: bool(set(self._of_location(name)) - set(killed)),
            _START_SECONDS,
        )

    def _of_location(self, name: str) -> list[int]:
        family = self._family(self._running().pid)
        return [pid for pid in family if f"\0{name}\0".encode() in _read(pid, "cmdline")]

    def _daemons(self) -> list[int]:
        family = self._family(self._running().pid)
        return [pid for pid in family if b"dagster._daemon" in _read(pid, "cmdline")]

    def reload(self) -> None:
        """Reload the code location, as the button in the web UI does."""
        answer = self.ui.query(_RELOAD, name=self._location[1])["reloadRepositoryLocation"]
        loaded = answer.get("locationOrLoadError", {}).get("__typename")
        assert loaded == "RepositoryLocation", f"the code location did not reload: {answer}"

    def launch(self, job: str, partition: str, checks: Mapping[dg.AssetKey, Sequence[str]]) -> str:
        """Materialise a month of assets as the web UI does; returns the run's id.

        Args:
            checks: names of the checks that each of the assets records itself.
        """
        chosen = [
            {"assetKey": {"path": list(asset.path)}, "name": name}
            for asset, names in checks.items()
            for name in names
        ]
        params = {
            "selector": {
                "repositoryName": self._location[0],
                "repositoryLocationName": self._location[1],
                "pipelineName": job,
                "assetSelection": [{"path": list(asset.path)} for asset in checks],
                "assetCheckSelection": chosen,
            },
            "mode": "default",
            "runConfigData": {},
            "executionMetadata": {"tags": [{"key": "dagster/partition", "value": partition}]},
        }
        answer = self.ui.query(_LAUNCH, params=params)["launchPipelineExecution"]
        assert answer["__typename"] == "LaunchRunSuccess", f"{job} was not launched: {answer}"
        run_id: str = answer["run"]["runId"]
        return run_id

    def ticks(self, sensor: str, since: float) -> list[dict[str, Any]]:
        """Ticks of a sensor that began after ``since``, oldest first."""
        selector = {
            "repositoryName": self._location[0],
            "repositoryLocationName": self._location[1],
            "sensorName": sensor,
        }
        answer = self.ui.query(_TICKS, sensor=selector, since=since)["sensorOrError"]
        assert answer["__typename"] == "Sensor", f"no sensor {sensor}: {answer}"
        return sorted(answer["sensorState"]["ticks"], key=lambda tick: tick["timestamp"])

    def log_tail(self, lines: int = 60) -> str:
        """The end of what the processes printed, without what runs say in detail."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        plain = re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()
        return "\n".join([line for line in plain if " - DEBUG - " not in line][-lines:])

    def _running(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None, "the installation is not running"
        return self._process

    def _family(self, leader: int) -> list[int]:
        """A process and all that descend from it, parents first."""
        children: dict[int, list[int]] = {}
        for folder in Path("/proc").glob("[0-9]*"):
            if len(fields := _stat(int(folder.name))) > 1:
                children.setdefault(int(fields[1]), []).append(int(folder.name))
        found = [leader]
        for pid in found:
            found += children.get(pid, [])
        return found

    def _kill(self, process: "subprocess.Popen[bytes]", family: list[int]) -> None:
        """SIGKILL to the process group, and to those of the family that have left the group."""
        self._process = None
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        for pid in family[1:]:
            if self._is_ours(pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        process.wait()
        until("killed processes are gone", lambda: not any(map(self._is_ours, family)), 30)

    def _is_ours(self, pid: int) -> bool:
        """Whether it lives and works in this folder: numbers of processes are used again."""
        return str(self.folder).encode() in _read(pid, "environ") and _stat(pid)[:1] != ["Z"]

    def _is_ready(self) -> bool:
        process = self._running()
        assert process.poll() is None, f"make up ended:\n{self.log_tail()}"
        try:
            answer = self.ui.query(_READY)
        except (OSError, json.JSONDecodeError):
            return False
        nodes = answer["repositoriesOrError"].get("nodes", [])
        daemons = answer["instance"]["daemonHealth"]["allDaemonStatuses"]
        is_healthy = all(each["healthy"] for each in daemons if each["required"])
        if len(nodes) < self._locations or not is_healthy:
            return False
        self._location = nodes[0]["name"], nodes[0]["location"]["name"]
        return True


@contextmanager
def installation(
    prefix: str, variables: Mapping[str, str], locations: int = 1
) -> Iterator[Installation]:
    """An installation that is not started yet; in the end its processes are stopped.

    Its folder is removed unless the block fails.
    """
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    made = Installation(folder, variables, locations)
    try:
        yield made
    except BaseException:
        made.stop()
        raise
    made.stop()
    shutil.rmtree(folder)


def _kept() -> dict[str, str]:
    """The environment without what would reach into the installation."""
    return {name: text for name, text in os.environ.items() if not name.startswith(_FOREIGN)}


def _read(pid: int, what: str) -> bytes:
    """A file of ``/proc``; empty if the process is gone."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/{what}").read_bytes()
    return b""


def _stat(pid: int) -> list[str]:
    """State, parent and so on."""
    return _read(pid, "stat").decode(errors="replace").rpartition(")")[2].split()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
