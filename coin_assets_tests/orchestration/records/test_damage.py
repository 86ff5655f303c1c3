"""Damaged and lost databases of Dagster's records: the instance starts with new ones."""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from coin_assets.orchestration.records.damage import (
    records_set_aside,
    set_aside_and_report,
    set_damaged_aside,
)
from coin_assets_tests.orchestration.records.homes import open_home

RUNS, INDEX, TICKS = "history/runs.db", "history/runs/index.db", "schedules/schedules.db"


@dg.asset
def number() -> int:
    return 1


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one run, as a killed process leaves it: part of it in the write-ahead logs."""
    home, killed = (tmp_path_factory.mktemp("records") / name for name in ("home", "killed"))
    with open_home(home) as instance:
        assert dg.materialize([number], instance=instance).success
        shutil.copytree(home, killed)
    return killed


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "home"))


def works(home: Path) -> int:
    """Run once more; the number of runs that the records then hold."""
    with open_home(home) as instance:
        result = dg.materialize([number], instance=instance)
        assert result.success
        assert instance.all_logs(result.run_id)
        assert instance.get_latest_materialization_event(number.key) is not None
        assert list(instance.all_instigator_state()) == []
        return len(instance.get_runs())


def zeroed(path: Path) -> None:
    """As a file system without journalled data leaves a file after a power cut."""
    path.write_bytes(bytes(path.stat().st_size))


def torn(path: Path) -> None:
    """A page in the middle is not what was written."""
    content = bytearray(path.read_bytes())
    content[4096:12288] = b"\xa5" * 8192
    path.write_bytes(bytes(content))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def gone(path: Path) -> None:
    """Its write-ahead log is left, which a new database must not take for its own."""
    path.unlink()


def test_sound_records_stay(home: Path) -> None:
    assert set_damaged_aside(home) == []
    assert works(home) == 2


def test_a_home_without_records_is_none_of_its_business(tmp_path: Path) -> None:
    assert set_damaged_aside(tmp_path / "nothing") == []


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        *((name, damage) for name in (RUNS, INDEX) for damage in (zeroed, torn, cut, gone)),
        (TICKS, cut),
    ],
)
def test_records_that_cannot_be_read_are_set_aside_and_begin_anew(
    home: Path, name: str, damage: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    if damage is torn:  # what is in the write-ahead log would hide the page
        with sqlite3.connect(home / name) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = (home / name).read_bytes()
    damage(home / name)
    damaged = (home / name).read_bytes() if (home / name).exists() else b""
    aside = set_damaged_aside(home)
    names = [str(path.relative_to(home)).partition(".damaged-")[0] for path in aside]
    # Runs and the index of their events begin anew together.
    assert sorted(names) == ([TICKS] if name == TICKS else [RUNS, INDEX])
    kept = {path for path in aside if path.exists()}
    assert damaged == b"" or damaged in {path.read_bytes() for path in kept}
    assert before != damaged
    assert works(home) == (2 if name == TICKS else 1)
    assert set_damaged_aside(home) == []
    with open_home(home) as instance:
        told = {path for path, _ in records_set_aside(instance)}
    assert told >= kept
    set_aside_and_report(home, "make up")
    assert capsys.readouterr().out == ""


def test_a_database_that_is_gone_without_a_trace_begins_anew(home: Path) -> None:
    for path in (home / TICKS).parent.glob("*.db*"):
        path.unlink()
    assert set_damaged_aside(home) == []
    assert works(home) == 2


def test_a_damaged_database_of_one_run_leaves_the_others(home: Path) -> None:
    with open_home(home) as instance:
        (run,) = instance.get_runs()
    path = home / "history" / "runs" / f"{run.run_id}.db"
    zeroed(path)
    (aside,) = set_damaged_aside(home)
    assert aside.name.startswith(f"{run.run_id}.db.damaged-")
    with open_home(home) as instance:
        assert list(instance.all_logs(run.run_id)) == []
    assert works(home) == 2


def test_each_file_that_was_set_aside_is_a_line_at_the_start(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    zeroed(home / TICKS)
    monkeypatch.setenv("COIN_DAGSTER_HOME", str(home))
    set_aside_and_report(home.parent, "make up")
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("make up: a database of Dagster's records was damaged")
    assert f"{home / TICKS}.damaged-" in line
