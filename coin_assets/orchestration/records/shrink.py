"""Gives free pages of a SQLite database back to the disk, while others use it."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS

from coin_assets.orchestration.records.files import size_of, sqlite_files

_MIB = 2**20
# VACUUM blocks writers, who wait for 30 s. It takes about 10 s for this much.
_MOST_TO_VACUUM = 512 * _MIB
# A database of this size is prepared for shrinking in steps, whatever is free.
_SMALL = 32 * _MIB
_PAGES_A_STEP = 1000
_INCREMENTAL = 2


@dataclass(frozen=True)
class _Pages:
    size: int
    count: int
    free: int
    mode: int

    @property
    def used_bytes(self) -> int:
        return (self.count - self.free) * self.size

    @property
    def are_much_free(self) -> bool:
        """Whether more is free than the events of some days will need again."""
        return self.free * self.size >= _MIB and 4 * self.free >= self.count


def shrink(path: Path, log: Callable[[str], object]) -> int:
    """Shrink a database if a quarter or more of it is free; returns bytes given back.

    The first time, VACUUM prepares the file for incremental vacuum, which holds no other writer up.
    What cannot be done now is logged; the next call tries again.
    """
    before = sum(map(size_of, sqlite_files(path)))
    try:
        with closing(_opened(path)) as database:
            pages = _pages(database)
            if pages.mode == _INCREMENTAL:
                if pages.are_much_free:
                    _vacuum_in_steps(database)
            elif pages.are_much_free or pages.used_bytes <= _SMALL:
                if reason := _why_not(pages, path):
                    log(f"{path.name}: {pages.free * pages.size / _MIB:.0f} MiB free; {reason}")
                    return 0
                database.execute(f"PRAGMA auto_vacuum = {_INCREMENTAL}")
                database.execute("VACUUM")
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except sqlite3.OperationalError as error:
        log(f"{path.name} was not shrunk: {error}")
    return max(0, before - sum(map(size_of, sqlite_files(path))))


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=SQLITE_BUSY_TIMEOUT_SECONDS, isolation_level=None)


def _pages(database: sqlite3.Connection) -> _Pages:
    names = ("page_size", "page_count", "freelist_count", "auto_vacuum")
    return _Pages(*(database.execute(f"PRAGMA {name}").fetchone()[0] for name in names))


def _vacuum_in_steps(database: sqlite3.Connection) -> None:
    while True:
        before = _pages(database).free
        # It frees one page a row.
        database.execute(f"PRAGMA incremental_vacuum({_PAGES_A_STEP})").fetchall()
        after = _pages(database).free
        if after == 0 or after >= before:
            return


def _why_not(pages: _Pages, path: Path) -> str | None:
    if pages.used_bytes > _MOST_TO_VACUUM:
        return "VACUUM would block writers for too long; run it with the platform stopped"
    if shutil.disk_usage(path.parent).free < 3 * pages.used_bytes:
        return "VACUUM needs three times its size on the disk; free space"
    return None
