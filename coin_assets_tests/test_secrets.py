"""Secrets of the settings show in no file, record, snapshot, page, log line or representation.

Every setting that may carry one gets a word that nothing else contains; a platform works, and each
call to the outside fails. The receiver answers as proxies do that quote the request in the answer.
"""

import logging
import traceback
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from dagster._core.remote_representation.external_data import RepositorySnap
from dagster._serdes import serialize_value

from coin_assets.config.settings import Settings
from coin_assets.errors import CoinAssetsError
from coin_assets.market.combined import CombinedMarket
from coin_assets.market.downloads import ArchiveFiles
from coin_assets.market.sandbox import SandboxMarket
from coin_assets.orchestration.build import build_definitions, configured_resources
from coin_assets_tests.orchestration.records.homes import open_home
from coin_assets_tests.platform import BTC, Platform, failures, given

CANARY = "c4n4ry"
NOW = "2024-03-10T12:30"


class _Refusing(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status = self.server.status  # type: ignore[attr-defined]
        body = f"cannot serve {self.path} to {self.headers.get('Authorization')}".encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body)

    do_HEAD = do_POST = do_GET  # noqa: N815 (names of the standard library)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def refusing() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Refusing)
    server.status = 500  # type: ignore[attr-defined]
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def planted(port: int) -> dict[str, str]:
    """Values of all settings that may carry secrets."""
    host = f"127.0.0.1:{port}"
    return {
        "market": "ccxt:binance",
        "archive": f"http://me-{CANARY}:pw-{CANARY}@{host}/a-{CANARY}/?key=q-{CANARY}",
        "alert_webhooks": f"json+http://me-{CANARY}:pw-{CANARY}@{host}/w-{CANARY}?k={CANARY}",
        "heartbeat_url": f"http://me-{CANARY}:pw-{CANARY}@{host}/h-{CANARY}?k={CANARY}",
        "influxdb_v2_token": f"token-{CANARY}",
    }


def assert_absent(shown: str | bytes, where: object) -> None:
    text = shown if isinstance(shown, bytes) else shown.encode()
    at = text.find(CANARY.encode())
    assert at < 0, f"{where}: {text[max(0, at - 200) : at + 50]!r}"


def test_what_dagster_stores_and_shows_of_definitions_has_none(
    tmp_path: Path, refusing: ThreadingHTTPServer
) -> None:
    settings = Settings(home=tmp_path, symbols=BTC, **planted(refusing.server_port))
    definitions = build_definitions(settings)
    snapshot = serialize_value(RepositorySnap.from_def(definitions.get_repository_def()))
    assert "(hidden" in snapshot  # the archive is part of it
    assert_absent(snapshot, "the snapshot of the code location")
    for name in ("update", "backfill"):
        job = definitions.resolve_job_def(name)
        assert_absent(serialize_value(job.get_job_snapshot()), name)
    resources = configured_resources(settings)
    for shown in (settings, resources, resources.market, resources.market.client(), definitions):
        assert_absent(f"{shown!r} {shown}", type(shown))
    assert CANARY in resources.market.client()._archive._address  # type: ignore[attr-defined]


@pytest.mark.parametrize("status", [500, 401, 403, 302, None])
def test_errors_of_an_archive_have_none(
    tmp_path: Path, refusing: ThreadingHTTPServer, status: int | None
) -> None:
    if status is None:
        refusing.server_close()  # connections are refused
    refusing.status = status  # type: ignore[attr-defined]
    address = planted(refusing.server_port)["archive"]
    files = ArchiveFiles(address, tmp_path, lambda _seconds: None)
    with pytest.raises(CoinAssetsError) as caught:
        files.existing(["a.zip"])
    shown = "".join(traceback.format_exception(caught.value))
    assert f"http://127.0.0.1:{refusing.server_port}/..." in shown
    assert_absent(f"{shown} {files.base}", "an error")


def test_a_platform_whose_calls_fail_writes_and_logs_none(
    tmp_path: Path,
    refusing: ThreadingHTTPServer,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.INFO)
    home, values = tmp_path / "home", planted(refusing.server_port)
    platform = Platform(home, NOW, derived_timeframes="", **values)
    archive = ArchiveFiles(values["archive"], home / "downloads", lambda _seconds: None)
    platform.market = given(CombinedMarket(archive, SandboxMarket()))
    platform.retries = 0
    with open_home(home / "dagster") as instance:
        platform.instance = instance
        (failed, *_) = failures(platform.update("2024-01-01", "2024-02-01")).values()
        assert f"http://127.0.0.1:{refusing.server_port}/.../data/spot" in failed
        platform.tick("candles_due")
        platform.tick("health_alerts")
        for run in instance.get_runs():
            for entry in instance.all_logs(run.run_id):
                assert_absent(f"{entry!r} {serialize_value(entry)}", "an event")
    shown = caplog.text + "".join(capfd.readouterr())
    assert "did not accept the call" in shown
    assert_absent(shown, "the log")
    for file in home.rglob("*"):
        if file.is_file():
            assert_absent(file.read_bytes(), file)
    for folder in ("alerts", "dagster"):
        assert (home / folder).stat().st_mode & 0o077 == 0
    assert (home / "alerts/alerts.sqlite").stat().st_mode & 0o177 == 0
    assert (home / "market.json").stat().st_mode & 0o444 == 0o444
