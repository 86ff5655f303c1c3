"""Backups of a home in use, and what their examination finds."""

import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from coin_assets.domain.series import Series
from coin_assets.errors import ConfigurationError, MachineFault
from coin_assets.pipeline.backup import RECORD, Backup, back_up, read_backup
from coin_assets.pipeline.restore_check import examined
from coin_assets.store.base import Finding
from coin_assets.store.parquet import ParquetStore
from coin_assets_tests.platform import series, utc
from coin_assets_tests.test_release_home import RELEASE_HOME

SERIES = [series("4h"), series("1d")]
NOW = utc("2026-11-28T12:00")
# Writes until it is killed: candles and ledger of one series, a row of a database at each turn.
WRITER = """
import sqlite3, sys
from datetime import timedelta
from pathlib import Path
from coin_assets.store.parquet import ParquetStore
from coin_assets_tests.pipeline.test_backup import SERIES
from coin_assets_tests.platform import utc
home = Path(sys.argv[1])
store, series = ParquetStore(home), SERIES[0]
start = store.extent(series).first
candles = store.read_candles(series, start, start + timedelta(days=20))
database = sqlite3.connect(home / "alerts" / "alerts.sqlite", isolation_level=None)
database.execute("PRAGMA journal_mode = WAL")
database.execute("CREATE TABLE IF NOT EXISTS turns (turn INTEGER)")
turn = 0
while True:
    turn += 1
    candles["volume"] = float(turn)
    store.write_candles(series, candles, start, start + timedelta(days=20))
    database.execute("INSERT INTO turns VALUES (?)", (turn,))
    if turn == 2:
        print("writing", flush=True)
"""


def ignored(_line: str) -> None:
    """No progress is shown."""


def saved(home: Path, target: Path) -> Backup:
    return back_up(home, target, ParquetStore(home), SERIES, NOW, ignored)


def checked(backup: Path, into: Path, series_list: list[Series] = SERIES) -> dict[str, Finding]:
    return {each.about: each for each in examined(backup, into, series_list, ignored)}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    copy = Path(shutil.copytree(RELEASE_HOME, tmp_path / "home"))
    (copy / "alerts").mkdir(exist_ok=True)
    return copy


def test_a_backup_restores_the_home_that_was_saved(home: Path, tmp_path: Path) -> None:
    made = saved(home, tmp_path / "backup")
    findings = checked(tmp_path / "backup", tmp_path / "restored")
    assert all(each.is_fine for each in findings.values()), findings
    assert set(findings) == {
        *("home", "files", "candles", "forecasts", "revisions", "models", "databases")
    }
    (candles,) = [each for each in made.tables if (each.timeframe, each.table) == ("4h", "candles")]
    assert candles.rows == ParquetStore(home).extent(SERIES[0]).rows > 0  # type: ignore[union-attr]
    for each in made.files:
        if each.path.endswith((".db", ".sqlite")):
            continue  # SQLite's backup counts itself in the header
        assert (tmp_path / "restored" / each.path).read_bytes() == (home / each.path).read_bytes()
    assert not list((tmp_path / "backup").rglob(".*"))
    assert not (tmp_path / "backup" / "published").exists()
    assert (tmp_path / "backup").stat().st_mode & 0o077 == 0  # it can hold texts of errors


def file_of(backup: Path, part: str) -> Path:
    return min(path for path in (backup / part).rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("part", "about"),
    [
        ("candles", {"files", "store"}),
        ("forecasts", {"files", "store"}),
        ("models", {"files", "models"}),
        ("ledger", {"files"}),
        ("market.json", {"files"}),
    ],
)
def test_a_file_that_changed_in_the_backup_is_found(
    home: Path, tmp_path: Path, part: str, about: set[str]
) -> None:
    saved(home, tmp_path / "backup")
    path = tmp_path / "backup" / part
    path = path if path.is_file() else file_of(tmp_path / "backup", part)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x55
    path.write_bytes(content)
    findings = checked(tmp_path / "backup", tmp_path / "restored")
    wrong = {each.about for each in findings.values() if not each.is_fine}
    assert path.name in findings["files"].detail
    assert wrong >= about


def test_a_file_that_is_gone_from_the_backup_is_found(home: Path, tmp_path: Path) -> None:
    saved(home, tmp_path / "backup")
    file_of(tmp_path / "backup", "candles").unlink()
    findings = checked(tmp_path / "backup", tmp_path / "restored")
    assert "is missing" in findings["files"].detail
    assert not findings["candles"].is_fine


def test_a_home_that_is_damaged_is_saved_as_it_is_and_says_so(home: Path, tmp_path: Path) -> None:
    damaged = file_of(home, "candles")
    damaged.write_bytes(b"no candles")
    made = saved(home, tmp_path / "backup")
    assert str(damaged) in made.damaged[0]
    assert (tmp_path / "backup" / damaged.relative_to(home)).read_bytes() == b"no candles"
    assert not checked(tmp_path / "backup", tmp_path / "restored")["home"].is_fine


def test_a_damaged_database_is_saved_as_it_is_and_said(home: Path, tmp_path: Path) -> None:
    path = home / "alerts" / "alerts.sqlite"
    content = bytearray(path.read_bytes())
    content[16:60] = b"x" * 44
    path.write_bytes(content)
    made = saved(home, tmp_path / "backup")
    assert len(made.damaged) == 1
    assert f"{path} is a damaged database" in made.damaged[0]
    assert (tmp_path / "backup/alerts/alerts.sqlite").read_bytes() == bytes(content)
    findings = checked(tmp_path / "backup", tmp_path / "restored")
    assert {each.about for each in findings.values() if not each.is_fine} == {"home", "databases"}


def test_a_full_disk_leaves_no_folder_that_looks_like_a_backup(home: Path, tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))  # write(2) fails with EFBIG
    try:
        with pytest.raises(MachineFault, match="Free space"):
            saved(home, tmp_path / "backup")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not (tmp_path / "backup").exists()
    assert saved(home, tmp_path / "backup").files


def test_backups_of_a_home_that_is_being_written_are_consistent(home: Path, tmp_path: Path) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(home)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    try:
        assert writer.stdout.readline() == "writing\n"
        volumes = set()
        for number in range(4):
            backup, restored = tmp_path / f"backup{number}", tmp_path / f"restored{number}"
            saved(home, backup)
            findings = checked(backup, restored)
            assert all(each.is_fine for each in findings.values()), findings
            store = ParquetStore(restored)
            first = store.extent(SERIES[0]).first  # type: ignore[union-attr]
            rows = store.read_candles(SERIES[0], first, first + timedelta(days=20))
            assert rows["volume"].nunique() == 1  # all months of one write
            volumes.add(rows["volume"].iloc[0])
            with closing(sqlite3.connect(restored / "alerts" / "alerts.sqlite")) as database:
                turns = [turn for (turn,) in database.execute("SELECT turn FROM turns")]
            assert turns == list(range(1, len(turns) + 1))
        assert writer.poll() is None
        assert len(volumes) > 1  # the home did change meanwhile
    finally:
        writer.kill()
        writer.wait()


def test_a_killed_backup_leaves_no_folder_that_looks_like_one(home: Path, tmp_path: Path) -> None:
    target, code = tmp_path / "backup", "from coin_assets_tests.pipeline import test_backup as t;"
    code += "import sys, time; from pathlib import Path; t.ignored = lambda _: time.sleep(60);"
    code += "t.saved(Path(sys.argv[1]), Path(sys.argv[2]))"
    process = subprocess.Popen([sys.executable, "-c", code, str(home), str(target)])
    partial, deadline = tmp_path / ".backup.partial", time.monotonic() + 60
    while not list(partial.rglob("*.parquet")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert partial.exists()
    assert not target.exists()
    saved(home, target)
    assert not partial.exists()
    assert len(read_backup(target).files) > 0


@pytest.mark.parametrize("inside", [True, False], ids=["in_the_home", "not_empty"])
def test_a_folder_that_cannot_be_used_is_refused(home: Path, tmp_path: Path, inside: bool) -> None:
    target = home / "backup" if inside else tmp_path / "other"
    if not inside:
        target.mkdir()
        (target / "kept").touch()
    before = sorted(target.parent.iterdir())
    with pytest.raises(ConfigurationError, match="TO: "):
        saved(home, target)
    assert sorted(target.parent.iterdir()) == before


def test_a_folder_that_is_no_backup_is_refused(home: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no complete backup"):
        checked(home, tmp_path / "restored")


def test_what_the_record_names_is_what_is_there(home: Path, tmp_path: Path) -> None:
    saved(home, tmp_path / "backup")
    document = json.loads((tmp_path / "backup" / RECORD).read_bytes())
    listed = {each["path"] for each in document["files"]}
    there = {
        str(path.relative_to(tmp_path / "backup"))
        for path in (tmp_path / "backup").rglob("*")
        if path.is_file()
    }
    assert there == listed | {RECORD}
