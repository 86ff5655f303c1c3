"""Damaged databases of Dagster's records: set aside at the start, so that new ones can begin.

The store is the truth. Records hold the history of runs and of ticks, and which sensors people have
switched off; without them the platform goes on.
"""

import sys
import time
from datetime import datetime
from pathlib import Path

import dagster as dg

from coin_assets.config.records import records_of
from coin_assets.files.sqlite import all_set_aside, set_aside, set_aside_if_damaged
from coin_assets.orchestration.records.files import RunFiles

_RUNS, _INDEX = Path("history", "runs.db"), Path("history", "runs", "index.db")
_TICKS = Path("schedules", "schedules.db")
# A damaged database of one run harms only who reads that run, which are mostly new ones.
_RUN_SECONDS = 10.0


def set_damaged_aside(home: Path) -> list[Path]:
    """Set aside the SQLite databases below Dagster's home that cannot be read; their new places.

    Call it before anything opens them. Runs and the index of their events belong together: if one
    of the two is gone, the other is set aside as well.

    Raises:
        MachineFault: a file cannot be examined or moved.
    """
    paths = [home / each for each in (_RUNS, _INDEX, _TICKS)]
    found = [aside for path in paths if (aside := set_aside_if_damaged(path)) is not None]
    pair = [home / each for each in (_RUNS, _INDEX)]
    left = [path for path in pair if path.exists() and path.stat().st_size]
    if len(left) == 1:
        found.append(set_aside(left[0]))
    end = time.monotonic() + _RUN_SECONDS
    for path in _newest_first(home / _INDEX.parent):
        if time.monotonic() > end:
            break
        if (aside := set_aside_if_damaged(path)) is not None:
            found.append(aside)
    return found


def set_aside_and_report(home: Path, command: str) -> None:
    """`set_damaged_aside` for an installation, and a line for a terminal for each file.

    Args:
        home: of the installation.

    Raises:
        MachineFault: a file cannot be examined or moved.
    """
    for path in set_damaged_aside(records_of(home).folder):
        sys.stdout.write(
            f"{command}: a database of Dagster's records was damaged, or its counterpart gone; it "
            f"is now {path}, and a new one begins\n"
        )
        sys.stdout.flush()


def records_set_aside(instance: dg.DagsterInstance) -> list[tuple[Path, datetime]]:
    """Databases that were set aside and are still there, those of runs too, each with its time."""
    databases = RunFiles(instance).databases
    if databases is None:
        return []
    history = databases.parent
    folders = (history, databases, history.with_name(_TICKS.parent.name))
    return [found for folder in folders for found in all_set_aside(folder)]


def _newest_first(folder: Path) -> list[Path]:
    """Databases of runs; the index is examined before."""
    found = [path for path in folder.glob("*.db") if path.name != _INDEX.name]
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)
