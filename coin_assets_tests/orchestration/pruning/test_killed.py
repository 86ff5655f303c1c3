"""A prune that is killed anywhere is finished by the next one, with the same result."""

import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from coin_assets.orchestration.records.prune import prune
from coin_assets_tests.orchestration.pruning.history import (
    DAY,
    MONTHS,
    NOW,
    Kind,
    Said,
    instance_in,
    record_run,
    record_without_run,
    statuses,
)

BEFORE = NOW - 30 * DAY
RUN = [
    Said(Kind.ASSET_MATERIALIZATION_PLANNED, month=MONTHS[0]),
    Said(Kind.ASSET_MATERIALIZATION, month=MONTHS[0]),
    Said(Kind.ASSET_CHECK_EVALUATION),
]


def contents(folder: Path) -> dict[str, Any]:
    """Rows of all tables that runs have, and files of runs."""
    found: dict[str, Any] = {
        "files": sorted(
            str(path.relative_to(folder))
            for path in folder.rglob("*")
            if path.is_file() and not path.name.endswith(("-wal", "-shm"))
        )
    }
    tables = ("runs", "run_tags"), ("event_logs", "asset_event_tags", "asset_check_executions")
    for name, chosen in zip(("runs.db", "runs/index.db"), tables, strict=True):
        with sqlite3.connect(folder / "history" / name) as connection:
            for table in chosen:
                query = f"SELECT * FROM {table} ORDER BY id"  # noqa: S608
                found[table] = connection.execute(query).fetchall()
    return found


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records of four runs to remove, one to keep, and events without a run."""
    folder = tmp_path_factory.mktemp("home") / "dagster"
    with instance_in(folder) as instance:
        for day in range(50, 34, -1):
            record_run(instance, NOW - day * DAY, RUN)
            record_without_run(instance, NOW - day * DAY, RUN[2])
        record_run(instance, NOW - DAY, [Said(Kind.ASSET_OBSERVATION)])
    return folder


def copied(home: Path, to: Path) -> Path:
    shutil.copytree(home, to)
    return to


@pytest.mark.parametrize("steps", [1, 2, 4, 5, 6, 7, 8, 9, 11, 30])
def test_the_next_prune_finishes_what_a_killed_one_began(
    home: Path, tmp_path: Path, steps: int
) -> None:
    whole, killed = copied(home, tmp_path / "whole"), copied(home, tmp_path / "killed")
    with instance_in(whole) as instance:
        before = statuses(instance)
        assert prune(instance, BEFORE, lambda _: None).runs == 5
    program = "coin_assets_tests.orchestration.pruning.killed"
    done = subprocess.run([sys.executable, "-m", program, str(killed), str(steps)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert contents(killed) != contents(whole)
    with instance_in(killed) as instance:
        prune(instance, BEFORE, lambda _: None)
        assert statuses(instance) == before
    assert contents(killed) == contents(whole)
