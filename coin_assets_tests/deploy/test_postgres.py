"""Dagster's own records in PostgreSQL, by deploy/dagster.yaml, and the containers' processes on it.

- All of the platform that reads Dagster's records works there: the update job, what is in flight,
  failures, success after them.
- Code location, daemon and web UI as the containers start them, entrypoint and secret files
  included: history comes in by itself, and no secret is ever printed or stored.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml  # type: ignore[import-untyped]

from coin_assets.domain.layers import CANDLES, Task
from coin_assets.errors import SymbolUnavailable
from coin_assets.orchestration.build import series_specs
from coin_assets.orchestration.records.sizes import record_sizes
from coin_assets.orchestration.sensors.runs import runs_of
from coin_assets_tests.deploy.postgres import Postgres, requires_postgres, running
from coin_assets_tests.influx.server import InfluxServer
from coin_assets_tests.orchestration.pruning.whole import assert_pruned
from coin_assets_tests.orchestration.sensors.failing import FailingMarket
from coin_assets_tests.platform import BTC, ETH, Platform, files_of, given, series, utc
from coin_assets_tests.webui import ROOT, WebUi, environment, free_port

DEPLOY = ROOT / "deploy"
pytestmark = requires_postgres


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    """One for each test: what runs one test made would be taken for those of the other."""
    with running() as server:
        yield server


def test_all_sections_but_storage_and_launcher_are_those_of_the_default_instance() -> None:
    ours, default = (
        yaml.safe_load((folder / "dagster.yaml").read_text()) for folder in (DEPLOY, ROOT)
    )
    classes = [each.pop("storage")["custom"]["class"] for each in (ours, default)]
    assert classes == ["PostgresRecords", "SqliteRecords"]
    # The daemon of the containers cannot fork a process of the code's container.
    assert ours.pop("run_launcher")["class"] == "RemoteRunLauncher"
    assert default.pop("run_launcher")["class"] == "WarmRunLauncher"
    assert ours == default


# ------------------------------------------------------------------------------ in this process


@pytest.fixture
def platform(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Platform]:
    """Two symbols whose Dagster instance is that of deploy/dagster.yaml."""
    for name, value in postgres.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DAGSTER_POSTGRES_PASSWORD", postgres.password)
    monkeypatch.setenv("COIN_DAGSTER_HOME", str(tmp_path / "dagster"))
    with dg.DagsterInstance.from_config(str(DEPLOY)) as instance:
        platform = Platform(
            tmp_path / "home",
            now="2024-02-10T12:30",
            symbols=f"{BTC},{ETH}",
            derived_timeframes="4h",
        )
        platform.instance = instance
        yield platform


def updates_due(platform: Platform) -> list[dg.RunRequest]:
    found = platform.tick("candles_due").run_requests or []
    return [request for request in found if request.job_name == "update"]


def test_the_update_job_and_the_sensors_work_on_it(platform: Platform, postgres: Postgres) -> None:
    assert platform.update("2024-01-01", "2024-02-01").success
    assert postgres.count("runs", "status = 'SUCCESS' and pipeline_name = 'update'") == 1
    assert platform.metadata("BTC_USDT/ohlcv_1h", "2024-01-01")["dagster/partition_row_count"] > 700
    assert postgres.count("event_logs", "dagster_event_type = 'ASSET_MATERIALIZATION'") > 20
    assert platform.entry("1h")["status"] == "fresh"

    platform.settle("candles_due")
    specs = series_specs(platform.settings)
    platform.now = "2024-02-10T13:30"
    (request,) = updates_due(platform)
    run = platform.begin(request)
    busy = runs_of(platform.instance, specs, utc(platform.now), utc("2024-02-01")).in_flight
    assert (Task(series("1h"), CANDLES), utc("2024-02-01")) in busy
    assert updates_due(platform) == []
    platform.instance.report_run_failed(run, "its process is gone")

    platform.market = given(FailingMarket([ETH], SymbolUnavailable))
    platform.launch(request)
    machine = datetime.now(UTC)
    failures = runs_of(platform.instance, specs, machine, utc("2024-02-01")).failures
    failed = failures[Task(series("1h", ETH), CANDLES)]
    assert "ETH/USDT 1h does not answer" in failed.message
    assert Task(series("1h"), CANDLES) not in failures

    platform.market = None
    platform.launch(request)
    assert (
        Task(series("1h", ETH), CANDLES)
        not in runs_of(platform.instance, specs, machine, utc("2024-02-01")).failures
    )
    assert {platform.entry("1h", symbol)["as_of"] for symbol in (BTC, ETH)} == {
        "2024-02-10T13:00:00Z"
    }


def test_old_records_are_removed_and_statuses_stay(platform: Platform, postgres: Postgres) -> None:
    assert_pruned(platform)
    unknown = "run_id <> '' and run_id not in (select run_id from runs)"
    for table in ("event_logs", "asset_check_executions", "run_tags"):
        assert postgres.count(table) > postgres.count(table, unknown) == 0
    assert min(each.size for each in record_sizes(platform.instance, datetime.now(UTC))) > 0


# ------------------------------------------------------------------- as the containers start it


def composed(service: str) -> list[str]:
    """The command of a service of compose.yaml, to be run here."""
    return [str(word) for word in services()[service]["command"]]


def services() -> dict[str, Any]:
    """All of compose.yaml."""
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    return found


@contextmanager
def started(service: str, env: dict[str, str], log: Path, **changes: str) -> Iterator[None]:
    """A service as its container starts it, through the entrypoint; ``changes`` replace words."""
    names = {f"--{name.replace('_', '-')}": new for name, new in changes.items()}
    command = [names.get(word.split("=")[0], word) for word in composed(service)]
    command[0] = str(Path(sys.executable).with_name(command[0]))
    with log.open("w") as output:
        process = subprocess.Popen(
            [str(DEPLOY / "entrypoint.sh"), *command],
            cwd=log.parent,
            env=env,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield
        assert process.poll() is None, f"{service} ended: {log.read_text()}"
    finally:
        process.terminate()
        try:
            process.wait(30)
        finally:
            _end_session(process.pid)


def _end_session(session: int) -> None:
    """Kill what a service left behind; it started a session of its own."""
    try:
        os.killpg(session, 9)
    except ProcessLookupError:
        return


@pytest.fixture
def influx() -> Iterator[InfluxServer]:
    with InfluxServer() as server:
        yield server


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_services_bring_in_history_by_themselves(
    postgres: Postgres, influx: InfluxServer, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text(postgres.password + "\n")
    (tmp_path / "token").write_text(influx.token)
    code, web = free_port(), free_port()
    now = datetime.now(UTC)
    months = now.year * 12 + now.month - 1 - 2  # enough 4h candles for a model, on any day
    env = environment(
        tmp_path / "home",
        DAGSTER_HOME=str(DEPLOY),
        DAGSTER_CODE_HOST="127.0.0.1",
        DAGSTER_CODE_PORT=str(code),
        DAGSTER_POSTGRES_PASSWORD_FILE=str(tmp_path / "password"),
        INFLUXDB_V2_URL=influx.url,
        INFLUXDB_V2_ORG=influx.org,
        INFLUXDB_V2_TOKEN_FILE=str(tmp_path / "token"),
        COIN_STORE="influxdb",
        COIN_INFLUXDB_BUCKET=influx.bucket,
        COIN_DAGSTER_HOME=str(tmp_path / "dagster"),
        COIN_PUBLISH_DIR=str(tmp_path / "published"),
        COIN_SYMBOLS=BTC,
        COIN_DERIVED_TIMEFRAMES="4h",
        COIN_HISTORY_START=f"{months // 12:04d}-{months % 12 + 1:02d}-01",
        PYTHONPATH=str(ROOT),
        **postgres.environment,
    )
    # Of the settings a container of the daemon knows only those that compose.yaml gives it.
    secret = {"DAGSTER_POSTGRES_PASSWORD_FILE", "DAGSTER_HOME"}
    given_to_daemon = {*services()["daemon"]["environment"], *secret}
    of_daemon = {
        name: value
        for name, value in env.items()
        if name in given_to_daemon or not name.startswith(("COIN_", "INFLUXDB_", "DAGSTER_"))
    }
    before = files_of(DEPLOY)
    workspace = f"--workspace={DEPLOY}/workspace.yaml"
    with ExitStack() as stack:
        log = {name: tmp_path / f"{name}.log" for name in ("code", "daemon", "web")}
        stack.enter_context(
            started("code", env, log["code"], host="--host=127.0.0.1", port=f"--port={code}")
        )
        wait_for_code(code, env)
        stack.enter_context(started("daemon", env, log["daemon"], workspace=workspace))
        stack.enter_context(
            started(
                *("web", env, log["web"]),
                host="--host=127.0.0.1",
                port=f"--port={web}",
                workspace=workspace,
                ui_hosts="--ui-hosts=",
            )
        )
        deadline = time.monotonic() + 400
        while not fresh(tmp_path / "published"):
            assert time.monotonic() < deadline, "\n".join(each.read_text() for each in log.values())
            time.sleep(1)
        launched = subprocess.run(
            documented_launch(), cwd=DEPLOY, env=of_daemon, capture_output=True, check=False
        )
        assert launched.returncode == 0, launched.stderr
        (doctor,) = WebUi(web).wait_for_runs(1)
        assert (doctor["jobName"], doctor["status"]) == ("doctor", "SUCCESS")
        nodes = WebUi(web).query("{ assetNodes { id } }")["assetNodes"]
        assert len(nodes) == 3 * 5 + 1 - 5
        for service in ("daemon", "web"):
            check = [word.replace(":3000", f":{web}") for word in healthcheck(service)]
            subprocess.run(check, env=env, check=True, capture_output=True)
    assert postgres.count("runs", "status = 'SUCCESS' and pipeline_name = 'update'") >= 1
    assert influx.asked("/api/v2/write", status=204)
    assert not (tmp_path / "home" / "candles").exists()
    assert files_of(DEPLOY) == before  # the folder of dagster.yaml is read-only in the image
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.name not in ("password", "token"):
            content = path.read_bytes()
            assert postgres.password.encode() not in content, path
            assert influx.token.encode() not in content, path


def healthcheck(service: str) -> list[str]:
    """The check of a service of compose.yaml, to be run here."""
    words = [str(word) for word in services()[service]["healthcheck"]["test"]]
    assert words.pop(0) == "CMD"
    return here(words)


def documented_launch() -> list[str]:
    """What the guide runs in the container of the daemon to launch a job, to be run here."""
    guide = (ROOT / "docs" / "operations" / "influxdb.md").read_text()
    (command,) = re.findall(
        "exec daemon (/app/entrypoint.sh dagster job launch -j doctor)$", guide, re.MULTILINE
    )
    return here(command.split())


def here(words: list[str]) -> list[str]:
    """Words of a command in a container, as they are on this machine."""
    programs = Path(sys.executable).parent
    return [
        str(programs / word) if word in ("dagster", "dagster-daemon", "python") else word
        for word in [word.replace("/app", str(DEPLOY)) for word in words]
    ]


def wait_for_code(port: int, env: dict[str, str]) -> None:
    """Until the check of the code location passes."""
    check = [word.replace("=4000", f"={port}") for word in healthcheck("code")]
    deadline = time.monotonic() + 120
    while subprocess.run(check, env=env, capture_output=True, check=False).returncode:
        assert time.monotonic() < deadline, "the code location does not answer"


def fresh(published: Path) -> bool:
    """Whether the manifest lets readers have every forecast."""
    manifest = published / "manifest.json"
    if not manifest.exists():
        return False
    entries = json.loads(manifest.read_bytes())["public"]["entries"]
    return bool(entries) and all(entry["status"] == "fresh" for entry in entries)
