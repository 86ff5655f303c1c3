"""Commands of the documentation on files: run by bash on a copy of a release's home."""

import os
import shutil
from pathlib import Path

import pytest

from coin_assets_tests.documented_commands import bash, script_of
from coin_assets_tests.platform import files_of
from coin_assets_tests.test_release_home import RELEASE_HOME

ALERTS, BACKUP, INFLUXDB, STORAGE, SYMBOLS = (
    f"docs/operations/{name}.md" for name in ("alerts", "backup", "influxdb", "storage", "symbols")
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The files of a release, under the names of the documentation, without revisions."""
    made = Path(shutil.copytree(RELEASE_HOME, tmp_path / "home"))
    shutil.rmtree(made / "revisions")
    for part in ("candles", "ledger"):
        symbol = made / part / "symbol=BTC_USDT"
        (symbol / "timeframe=4h").rename(symbol / "timeframe=1h")
    return made


def test_a_copy_of_a_home_is_restored(home: Path, tmp_path: Path) -> None:
    for page in (BACKUP, INFLUXDB):
        script = script_of(page, "test_a_copy_of_a_home_is_restored").splitlines()
        lines = [line for line in script if not line.startswith("rsync") or shutil.which("rsync")]
        split = next((at for at, line in enumerate(lines) if "backup/. " in line), len(lines))
        (tmp_path / "backup").mkdir(exist_ok=True)
        bash("\n".join(lines[:split]), home, tmp_path)
        if lines[split:]:
            bash("\n".join(lines[split:]), tmp_path / "restored", tmp_path)
    kept = ("candles", "ledger", "forecasts", "models", "names")
    assert all(files_of(tmp_path / "restored" / part) == files_of(home / part) for part in kept)
    assert (tmp_path / "restored/market.json").read_bytes() == (home / "market.json").read_bytes()


def test_secrets_are_copied_and_restored(tmp_path: Path) -> None:
    secrets = tmp_path / "deploy/secrets"
    secrets.mkdir(parents=True)
    (secrets / "token").write_text("secret")
    (tmp_path / "deploy/.env").write_text("A=1\n")
    (tmp_path / "backup").mkdir()
    script = script_of(BACKUP, "test_secrets_are_copied_and_restored")
    copied, restored = script.split("\ntar -xzf")
    bash(copied, tmp_path, tmp_path)
    assert (tmp_path / "backup/secrets.tar.gz").stat().st_mode & 0o077 == 0
    before = files_of(tmp_path / "deploy")
    shutil.rmtree(secrets)
    (tmp_path / "deploy/.env").unlink()
    bash(f"tar -xzf{restored}", tmp_path, tmp_path)
    assert files_of(tmp_path / "deploy") == before
    assert (tmp_path / "deploy/.env").read_text() == "A=1\n"


def test_files_of_a_home_are_shown_and_set_aside(home: Path, tmp_path: Path) -> None:
    (home / "dagster/history/runs").mkdir(parents=True)
    script = script_of(STORAGE, "test_files_of_a_home_are_shown_and_set_aside").splitlines()
    lines = [line for line in script if not line.startswith("sqlite3") or shutil.which("sqlite3")]
    assert '"absences"' in bash("\n".join(lines), home, tmp_path)
    month = home / "candles/symbol=BTC_USDT/timeframe=1h/month=2026-10"
    assert [path.name for path in month.iterdir()] == [".damaged"]


def test_a_symbol_is_deleted(home: Path, tmp_path: Path) -> None:
    before = files_of(home)
    for path in [*home.glob("*/symbol=BTC_USDT"), *(home / "published").glob("*_BTC_USDT_*")]:
        copy = path.with_name(path.name.replace("BTC", "XRP"))
        shutil.copytree(path, copy) if path.is_dir() else shutil.copy(path, copy)
    assert len(files_of(home)) > len(before)
    bash(script_of(SYMBOLS, "test_a_symbol_is_deleted"), home, tmp_path, COIN_PUBLISH_DIR="")
    assert files_of(home) == before


def test_an_old_heartbeat_is_reported(home: Path, tmp_path: Path) -> None:
    script = script_of(ALERTS, "test_an_old_heartbeat_is_reported")
    (home / "alerts/heartbeat.json").touch()
    assert bash(script, home, tmp_path) == ""
    os.utime(home / "alerts/heartbeat.json", (1, 1))
    assert "is dead" in bash(script, home, tmp_path)
