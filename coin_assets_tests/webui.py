"""A whole installation as its operator runs it: ``make up`` in a process group of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
_START_SECONDS = 120
OWN, DAGSTERS = "coin_assets.web", "dagster_webserver"  # programs that serve the web UI


def environment(home: Path, **variables: str) -> dict[str, str]:
    """The shell environment of an operator; nothing of this machine's settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COIN_")}
    kept.pop("DAGSTER_HOME", None)
    # Tests at the same time would share the page's port.
    return kept | {"COIN_HOME": str(home), "COIN_SITE_PORT": "0"} | variables


def run(
    command: str, env: dict[str, str], timeout: float = 240
) -> subprocess.CompletedProcess[str]:
    """Run a shell command at the checkout's root."""
    return subprocess.run(
        ["/bin/bash", "-c", command],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def free_port() -> int:
    """A port of loopback that nobody uses at the moment."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


class WebUi:
    """The running web server, asked in its own language."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def query(self, text: str, **variables: Any) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310 (loopback)
            f"{self.url}/graphql",
            data=json.dumps({"query": text, "variables": variables}).encode(),
            headers={"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as reply:  # noqa: S310
            answer: dict[str, Any] = json.load(reply)
        assert "errors" not in answer, answer["errors"]
        data: dict[str, Any] = answer["data"]
        return data

    def runs(self) -> list[dict[str, Any]]:
        """Runs that a person launched, newest first; the sensors launch theirs meanwhile."""
        found = self.query(
            "{ runsOrError { ... on Runs { results { runId jobName status tags { key } } } } }"
        )
        runs: list[dict[str, Any]] = found["runsOrError"]["results"]
        automatic = {"dagster/sensor_name", "dagster/schedule_name"}
        return [run for run in runs if automatic.isdisjoint(tag["key"] for tag in run["tags"])]

    def wait_for_runs(self, count: int, seconds: float = 120) -> list[dict[str, Any]]:
        """Wait until ``count`` runs have ended."""
        deadline = time.monotonic() + seconds
        while True:
            ended = [run for run in self.runs() if run["status"] in ("SUCCESS", "FAILURE")]
            if len(ended) >= count:
                return ended
            assert time.monotonic() < deadline, f"runs did not end: {self.runs()}"
            time.sleep(0.5)


def started(command: list[str], env: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    """A command at the checkout's root, in a process group of its own; it speaks to ``log``."""
    with log.open("w") as output:
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env=env,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


@contextmanager
def up(env: dict[str, str], log: Path) -> Iterator[WebUi]:
    """``make up`` until the end of the block; then its whole process group is stopped."""
    port = free_port()
    process = started(["make", "up", f"PORT={port}"], env, log)
    try:
        yield wait_until_loaded(WebUi(port), process, log)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)


def wait_until_loaded(ui: WebUi, process: subprocess.Popen[bytes], log: Path) -> WebUi:
    """The UI of ``process`` when it shows the assets."""
    deadline = time.monotonic() + _START_SECONDS
    while True:
        assert process.poll() is None, f"make up ended: {log.read_text()}"
        assert time.monotonic() < deadline, f"make up is not there: {log.read_text()}"
        try:
            loaded = ui.query("{ assetNodes { id } }")["assetNodes"]
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            loaded = []
        if loaded:
            return ui
        time.sleep(0.5)


@contextmanager
def web_server(home: Path, log: Path, *words: str, program: str = OWN) -> Iterator[WebUi]:
    """The web server alone on the Dagster instance ``home``, without any code location."""
    port = free_port()
    command = [sys.executable, "-m", program, "--empty-workspace", f"--port={port}", *words]
    env = environment(home, DAGSTER_HOME=str(home), PYTHONPATH=str(ROOT))
    process = started(command, env, log)
    deadline = time.monotonic() + _START_SECONDS
    try:
        while True:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            try:
                WebUi(port).query("{ version }")
                break
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.1)
        yield WebUi(port)
    finally:
        process.terminate()
        process.wait(30)
