"""``make up`` on a temporary home: web server, daemon and code server, spoken to by GraphQL."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from benchmarks.harness import ROOT, BenchmarkFailed, Home

_LOCALHOST = "127.0.0.1"
_START_SECONDS = 120
_STOP_SECONDS = 15
_POLL_SECONDS = 0.1

_LOCATION = """{
  repositoriesOrError { ... on RepositoryConnection { nodes {
    name location { name }
    sensors { sensorState { id status } }
    schedules { scheduleState { id status } }
  } } }
  instance { daemonHealth { daemonStatus(daemonType: "QUEUED_RUN_COORDINATOR") { healthy } } }
}"""
_STOP_SENSOR = "mutation($id: String!) { stopSensor(id: $id) { __typename } }"
_STOP_SCHEDULE = "mutation($id: String!) { stopRunningSchedule(id: $id) { __typename } }"
_LAUNCH = """mutation($params: ExecutionParams!) {
  launchPipelineExecution(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
    ... on InvalidSubsetError { message }
    ... on RunConfigValidationInvalid { errors { message } }
  }
}"""


class Services:
    """A client of running services."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._repository: dict[str, Any] = {}

    def is_ready(self) -> bool:
        """Whether the code location is loaded and the daemon takes runs from the queue."""
        try:
            answer = self._ask(_LOCATION)
        except (OSError, HTTPException):
            return False
        nodes = answer["repositoriesOrError"].get("nodes", [])
        if not nodes or not answer["instance"]["daemonHealth"]["daemonStatus"]["healthy"]:
            return False
        self._repository = nodes[0]
        return True

    def stop_automation(self) -> None:
        """Stop every sensor and schedule, so that only the benchmark launches runs."""
        for mutation, instigators, state in (
            (_STOP_SENSOR, "sensors", "sensorState"),
            (_STOP_SCHEDULE, "schedules", "scheduleState"),
        ):
            for instigator in self._repository[instigators]:
                if instigator[state]["status"] == "RUNNING":
                    self._ask(mutation, id=instigator[state]["id"])

    def launch(
        self,
        job: str,
        partition: str,
        assets: Sequence[Sequence[str]] | None = None,
        checks: Sequence[tuple[Sequence[str], str]] = (),
    ) -> str:
        """Launch a run as the UI does; returns its id.

        Args:
            assets: key paths to materialise; None is all of the job.
            checks: of these assets, by key path and name; only with ``assets``.
        """
        selector: dict[str, Any] = {
            "repositoryName": self._repository["name"],
            "repositoryLocationName": self._repository["location"]["name"],
            "pipelineName": job,
        }
        if assets is not None:
            selector["assetSelection"] = [{"path": list(path)} for path in assets]
            selector["assetCheckSelection"] = [
                {"assetKey": {"path": list(path)}, "name": name} for path, name in checks
            ]
        tags = [{"key": "dagster/partition", "value": partition}]
        params = {
            "selector": selector,
            "mode": "default",
            "runConfigData": {},
            "executionMetadata": {"tags": tags},
        }
        answer = self._ask(_LAUNCH, params=params)["launchPipelineExecution"]
        if answer["__typename"] != "LaunchRunSuccess":
            raise BenchmarkFailed(f"{job} could not be launched: {answer}")
        run_id: str = answer["run"]["runId"]
        return run_id

    def _ask(self, query: str, **variables: Any) -> dict[str, Any]:
        connection = HTTPConnection(_LOCALHOST, self._port, timeout=60)
        try:
            body = json.dumps({"query": query, "variables": variables})
            connection.request("POST", "/graphql", body, {"Content-Type": "application/json"})
            answer = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        if answer.get("errors"):
            raise BenchmarkFailed(f"GraphQL refused: {answer['errors']}")
        data: dict[str, Any] = answer["data"]
        return data


@contextmanager
def running_services(home: Home) -> Iterator[Services]:
    """Start ``make up`` on loopback, yield when it takes runs, and end every process of it.

    Raises:
        BenchmarkFailed: it did not become ready; the end of its output is in the message.
    """
    log = home.folder / "services.log"
    with make_up(home, log) as (process, port):
        services = Services(port)
        _await_ready(services, process, log)
        yield services


@contextmanager
def make_up(home: Home, log: Path) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """``make up`` without the installation, and its port; ends every process of it."""
    port = _free_port()
    with log.open("w") as output:
        process = subprocess.Popen(
            (sys.executable, "-m", "coin_assets.up", "--host", _LOCALHOST, "--port", str(port)),
            env=home.environment,
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that all its processes make one group
        )
    try:
        yield process, port
    finally:
        _end_group(process)


def _await_ready(services: Services, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not services.is_ready():
        if process.poll() is not None or time.monotonic() > deadline:
            tail = "\n".join(log.read_text().splitlines()[-20:])
            raise BenchmarkFailed(f"make up did not become ready:\n{tail}")
        time.sleep(_POLL_SECONDS)


def _end_group(process: "subprocess.Popen[bytes]") -> None:
    """Ask the leader to stop, then kill what is left of its process group, runs included."""
    try:
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=_STOP_SECONDS)
    finally:
        with suppress(ProcessLookupError):  # nothing is left
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_LOCALHOST, 0))
        port: int = probe.getsockname()[1]
        return port
