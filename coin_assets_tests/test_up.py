"""``make up`` as a process that a shell started in the background: what it prints, how it ends."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
import pytest
from dagster._core.events import EngineEventData

from coin_assets.config.settings import Settings
from coin_assets.domain.timeframes import month_start
from coin_assets.up import _page_address, main
from coin_assets_tests.webui import ROOT, WebUi, environment, free_port, started, wait_until_loaded

# What `&` does in a script: the process and all its children ignore Ctrl-C.
IN_BACKGROUND = ["/bin/sh", "-c", 'trap "" INT; exec "$@"', "sh"]
WAIT_SECONDS = 120
DAEMON, WEB, PROXY = "dagster._daemon", "coin_assets.web", "code-server"
METRICS, PAGE = "coin_assets.metrics", "coin_assets.commands.site"
SECRET = "c4n4ry"  # noqa: S105 (part of each secret, so that a test can look for it)
RESOURCES = """{ instance { info } allTopLevelResourceDetailsOrError(repositorySelector: {
  repositoryName: "__repository__", repositoryLocationName: "coin_assets.definitions"
}) { ... on ResourceDetailsList { results { name configuredValues { key value } } } } }"""
RUNS = "coin_assets.orchestration.run_server"


@dataclass
class Up:
    """A ``make up`` that is loaded."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def ui(self) -> WebUi:
        return WebUi(self.port)

    def family(self) -> list[psutil.Process]:
        """All processes that descend from it."""
        found: list[psutil.Process] = psutil.Process(self.process.pid).children(recursive=True)
        return found

    def part(self, word: str) -> psutil.Process:
        """The server with this word in its command."""
        found: list[psutil.Process] = []

        def is_there() -> bool:
            children = psutil.Process(self.process.pid).children()
            found[:] = [each for each in children if word in command_of(each)]
            return bool(found)

        self.until(is_there)
        return found[0]

    def ticks(self) -> float:
        """Time of the newest tick of a sensor that did its work."""
        (sensor,) = self.ui.query(
            """{ sensorsOrError(repositorySelector: {
              repositoryName: "__repository__",
              repositoryLocationName: "coin_assets.definitions"
            }) { ... on Sensors { results { name sensorState {
              ticks(limit: 1, statuses: [SUCCESS, SKIPPED]) { timestamp } } } } } }"""
        )["sensorsOrError"]["results"][:1]
        times = [each["timestamp"] for each in sensor["sensorState"]["ticks"]]
        return float(max(times, default=0.0))

    def until(self, met: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            with contextlib.suppress(OSError, psutil.NoSuchProcess):
                if met():
                    return
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.2)

    def works(self) -> None:
        """Wait until the web server answers and a sensor has ticked since now."""
        now = time.time()
        self.until(lambda: self.ticks() > now)


def command_of(process: psutil.Process) -> list[str]:
    words: list[str] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        words += process.cmdline()
    return words


def gone(processes: list[psutil.Process]) -> bool:
    """Whether all have ended, within a while."""
    _, alive = psutil.wait_procs(processes, timeout=WAIT_SECONDS)
    return not [each for each in alive if each.status() != psutil.STATUS_ZOMBIE]


def environment_of(folder: Path) -> dict[str, str]:
    """Settings of one series, with the home in ``folder``."""
    return environment(
        folder / "home",
        DAGSTER_HOME=str(ROOT),
        COIN_DAGSTER_HOME=str(folder / "home" / "dagster"),
        COIN_SYMBOLS="BTC/USDT",
        COIN_DERIVED_TIMEFRAMES="",
        COIN_HISTORY_START=f"{month_start(datetime.now(UTC)):%Y-%m-%d}",
        PYTHONPATH=str(ROOT),
    )


@contextmanager
def up(folder: Path, *words: str, **settings: str) -> Iterator[Up]:
    """``make up`` over the home in ``folder``, until the end of the block."""
    port, log = free_port(), folder / "up.log"
    env = environment_of(folder) | settings
    command = [sys.executable, "-m", "coin_assets.up", "--port", str(port), *words]
    process = started([*IN_BACKGROUND, *command], env, log)
    made = Up(process, port, log)
    try:
        wait_until_loaded(made.ui, process, log)
        yield made
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            for each in made.family():
                each.kill()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_the_log_is_short_and_an_interrupt_ends_everything(tmp_path: Path) -> None:
    with up(tmp_path) as made:
        made.until(lambda: succeeded(made.ui))
        family = made.family()
        assert {DAEMON, WEB, PROXY} <= {word for each in family for word in command_of(each)}
        made.until(lambda: "success after" in made.log.read_text())
        before = len(made.log.read_text().splitlines())
        made.process.send_signal(signal.SIGINT)
        assert made.process.wait(60) == 0
        assert gone(family)
    text = made.log.read_text()
    *_, last = text.splitlines()
    assert last.startswith("make up: stopped")
    # A run may end meanwhile; nothing else is printed.
    others = [line for line in text.splitlines()[before:-1] if "coin_assets.runs" not in line]
    assert others == []
    for word in ("DEBUG", "SensorDaemon", "supersed", "Traceback"):
        assert word not in text
    assert "coin_assets.runs - INFO - update" in text
    assert text.count(f"web UI ready: http://127.0.0.1:{made.port}\n") == 1
    assert free_again(made.port)


@pytest.mark.slow  # `supervision` shows it with stand-ins of the servers
def test_all_lines_are_shown_on_request_and_a_second_interrupt_kills(tmp_path: Path) -> None:
    with up(tmp_path, "--verbose") as made:
        made.until(lambda: "SensorDaemon - " in plain(made.log))
        family = made.family()
        made.process.send_signal(signal.SIGTERM)
        made.until(lambda: "shutting down" in made.log.read_text().lower())
        made.process.send_signal(signal.SIGINT)
        assert made.process.wait(60) in (0, 130)  # 0 if it was faster
        assert gone(family)


def test_servers_that_are_killed_start_again_and_no_secret_shows(tmp_path: Path) -> None:
    address = f"http://me-{SECRET}:pw-{SECRET}@127.0.0.1:1/p-{SECRET}?k={SECRET}"
    secrets = {
        "COIN_ALERT_WEBHOOKS": f"json+{address}",
        "COIN_HEARTBEAT_URL": address,  # nobody listens there: each call is an error
        "INFLUXDB_V2_TOKEN": SECRET,
    }
    port, page = free_port(), free_port()
    ports = {"COIN_METRICS_PORT": str(port), "COIN_SITE_PORT": str(page)}
    with up(tmp_path, COIN_ALERT_CYCLE_SECONDS="5", **ports, **secrets) as made:
        made.works()
        assert f"make up: page http://127.0.0.1:{page}\n" in made.log.read_text()
        made.until(lambda: manifest(page)["version"] == 2)
        for word in (DAEMON, WEB, PROXY, METRICS, PAGE):
            assert_secret_kept(made.part(word), secrets)
        made.until(lambda: 'source_up{source="heartbeat"} 1.0' in metrics(port))
        made.until(lambda: "did not accept the call" in made.log.read_text())
        gone_run = recorded_run(made)
        for word, name in (
            (DAEMON, "daemon"),
            (WEB, "web server"),
            (PROXY, "code server"),
            (PAGE, "page server"),
        ):
            killed = made.part(word)
            killed.kill()
            assert gone([killed])
            made.works()
            assert made.part(word).pid != killed.pid
            assert f"make up: the {name}" in made.log.read_text()
        assert status_of(made.ui, gone_run) == "FAILURE"
        # The code server lives, but the process below it, which holds the code, is killed.
        proxy = made.part(PROXY)
        for each in proxy.children():
            each.kill()
        assert gone([proxy])
        made.works()
        assert "holds the code has ended" in made.log.read_text()
        assert made.process.poll() is None
        assert SECRET not in str(made.ui.query(RESOURCES))
    assert SECRET not in made.log.read_text()
    for file in (tmp_path / "home").rglob("*"):
        assert not file.is_file() or SECRET.encode() not in file.read_bytes(), file


@pytest.mark.slow  # `supervision` shows it with stand-ins of the servers
def test_no_server_outlives_a_killed_supervisor_and_the_home_starts_again(tmp_path: Path) -> None:
    with up(tmp_path) as made:
        made.works()
        servers = [made.part(word) for word in (DAEMON, WEB, PROXY)]
        family = made.family()
        made.process.kill()
        assert gone(servers)
        assert free_again(made.port)
        with up(tmp_path):
            assert gone(family)  # the code ends without its server, runs by themselves


def assert_secret_kept(process: psutil.Process, secrets: dict[str, str]) -> None:
    """Whoever lists processes sees no secret, and only the variables that were given hold one."""
    assert SECRET not in " ".join(command_of(process))
    holding = {name for name, value in process.environ().items() if SECRET in value}
    assert holding == secrets.keys()


def manifest(port: int) -> dict[str, Any]:
    """The manifest as the page gets it."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/manifest.json", timeout=30) as answer:
        found: dict[str, Any] = json.loads(answer.read())
        return found


def metrics(port: int) -> str:
    """What Prometheus gets."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        text: str = answer.read().decode()
        return text


def recorded_run(made: Up) -> str:
    """A run that Dagster's records call started, of a process that does not exist."""
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    folder = made.log.parent / "home" / "dagster"
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("COIN_DAGSTER_HOME", str(folder))
        with dg.DagsterInstance.from_config(str(ROOT)) as instance:
            run = instance.create_run_for_job(nothing)
            instance.report_engine_event(
                "begun", run, EngineEventData({"pid": dg.MetadataValue.text(str(ended.pid))})
            )
            instance.report_dagster_event(
                dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, run.job_name), run.run_id
            )
            return run.run_id


@dg.op
def wait() -> None: ...


@dg.job
def nothing() -> None:
    wait()


def status_of(ui: WebUi, run_id: str) -> str:
    query = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
    status: str = ui.query(query, id=run_id)["runOrError"]["status"]
    return status


def succeeded(ui: WebUi) -> bool:
    """Whether a run has ended well, of those that the sensors launch."""
    found = ui.query("{ runsOrError { ... on Runs { results { status } } } }")
    return {"status": "SUCCESS"} in found["runsOrError"]["results"]


def plain(log: Path) -> str:
    """The text without colours."""
    return log.read_text().replace("\x1b[32m", "").replace("\x1b[34m", "").replace("\x1b[0m", "")


def free_again(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
    return True


@pytest.mark.parametrize("port", ["abc", "0", "65536", ""])
def test_a_port_that_is_none_is_told_with_its_variable(
    port: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--port", port]) == 2
    expected = f"make up: PORT: {port!r} is no port; write a number up to 65535, as in 3000.\n"
    assert capsys.readouterr().err == expected


def test_a_page_on_the_port_of_the_web_ui_is_not_served(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(home=tmp_path, site_port=3999)
    assert _page_address(settings, 3999) is None
    assert "COIN_SITE_PORT: 3999 is the port of the web UI" in capsys.readouterr().out
