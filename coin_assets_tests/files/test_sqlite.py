"""A damaged SQLite file is moved aside with all that belongs to it; a sound one never is."""

import contextlib
import resource
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from coin_assets.errors import MachineFault
from coin_assets.files import sqlite
from coin_assets.files.sqlite import (
    damage_of,
    fault_of,
    files_set_aside,
    is_passing,
    set_aside_if_damaged,
)

PAGE = 4096


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "book.sqlite"


def filled(path: Path, rows: int = 400, mode: str = "WAL", word: str = "row") -> Path:
    """A database of some twenty pages, with an index, whose log is empty."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode = {mode}")
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, word TEXT NOT NULL)")
        connection.execute("CREATE INDEX i ON t (word)")
        add(connection, rows, word)
    return path


def add(connection: sqlite3.Connection, rows: int, word: str = "more") -> None:
    with connection:
        values = [(f"{word} {number} {'x' * 60}",) for number in range(rows)]
        connection.executemany("INSERT INTO t (word) VALUES (?)", values)


def count(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        (rows,) = connection.execute("SELECT count(*) FROM t").fetchone()
    return int(rows)


@contextmanager
def with_log(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that keeps ten rows in the write-ahead log."""
    with closing(sqlite3.connect(path)) as connection:
        add(connection, 10)
        yield connection


def names(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


# ------------------------------------------------------------------------------ sound files stay


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_a_sound_file_stays(path: Path, mode: str) -> None:
    filled(path, mode=mode)
    assert set_aside_if_damaged(path) is None
    with with_log(path):
        assert set_aside_if_damaged(path) is None
        assert count(path) == 410
    assert files_set_aside(path) == []


def test_no_file_and_an_empty_one_are_not_damaged(path: Path) -> None:
    assert set_aside_if_damaged(path) is None
    assert names(path.parent) == set()
    path.touch()  # as SQLite leaves it before its first write
    assert set_aside_if_damaged(path) is None


def test_a_log_after_a_kill_is_read_with_its_file(path: Path, tmp_path: Path) -> None:
    filled(path)
    killed = tmp_path / "killed"
    killed.mkdir()
    with with_log(path):
        for each in (path, path.with_name(f"{path.name}-wal")):
            shutil.copy(each, killed)
    assert set_aside_if_damaged(killed / path.name) is None
    assert count(killed / path.name) == 410


def test_a_transaction_that_was_killed_is_rolled_back(path: Path, tmp_path: Path) -> None:
    filled(path, mode="DELETE")
    killed = tmp_path / "killed"
    killed.mkdir()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA cache_size = 2")  # so that pages are written before the commit
        connection.execute("BEGIN")
        connection.execute("UPDATE t SET word = 'changed'")
        for each in path.parent.glob(f"{path.name}*"):
            shutil.copy(each, killed)
        connection.execute("ROLLBACK")
    assert names(killed) == {path.name, f"{path.name}-journal"}
    assert set_aside_if_damaged(killed / path.name) is None
    with closing(sqlite3.connect(killed / path.name)) as connection:
        assert connection.execute("SELECT 1 FROM t WHERE word = 'changed'").fetchone() is None


def test_a_file_that_another_process_locks_stays(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_BUSY_SECONDS", 0.05)
    filled(path, mode="DELETE")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert set_aside_if_damaged(path) is None
    assert names(path.parent) == {path.name}


# ------------------------------------------------------------------------ damaged files are moved


def overwritten(path: Path) -> None:
    path.write_bytes(b"no database " * 1000)


def cut_short(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2 + 100])


def cut_to_a_stub(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:50])


def replaced_by_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "file").touch()


def with_another_log(path: Path) -> None:
    """Beside the file lies the log of another database, of the same page size."""
    other = filled(path.with_name("other"), 900, word="other")
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("DELETE FROM t WHERE id % 3 = 0")
        connection.commit()
        shutil.copy(f"{other}-wal", f"{path}-wal")
    for each in path.parent.glob("other*"):
        each.unlink()


def without_its_file(path: Path) -> None:
    with with_log(path):
        shutil.copy(f"{path}-wal", path.with_name("kept"))
    path.unlink()
    path.with_name("kept").rename(f"{path}-wal")


DAMAGES = (
    overwritten,
    cut_short,
    cut_to_a_stub,
    replaced_by_a_folder,
    with_another_log,
    without_its_file,
)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_moved_with_its_log(path: Path, damage: Callable[[Path], None]) -> None:
    filled(path)
    damage(path)
    found = {
        each.name: each.read_bytes() if each.is_file() else b"" for each in path.parent.iterdir()
    }
    before = datetime.now(UTC)
    aside = set_aside_if_damaged(path)
    assert aside is not None
    if f"{path.name}-wal" in found:
        assert Path(f"{aside}-wal").read_bytes() == found[f"{path.name}-wal"]
    if path.name in found and aside.is_file():
        assert aside.read_bytes() == found[path.name]
    ((listed, at),) = files_set_aside(path)
    assert listed == aside
    assert abs(at - before) < timedelta(seconds=5)
    filled(path)  # a new one can begin
    assert set_aside_if_damaged(path) is None
    assert count(path) == 400


def test_a_flipped_byte_at_the_head_of_any_page_is_found(path: Path) -> None:
    filled(path)
    content = path.read_bytes()
    pages = len(content) // PAGE
    assert pages > 10
    for page in range(pages):
        flipped = bytearray(content)
        flipped[page * PAGE] ^= 0xFF
        path.write_bytes(flipped)
        assert set_aside_if_damaged(path) is not None, page
    assert len(files_set_aside(path)) == pages


def test_of_two_that_find_the_damage_one_moves_the_file(path: Path) -> None:
    overwritten(path)
    start = threading.Barrier(8)

    def examine(_number: int) -> Path | None:
        start.wait()
        return set_aside_if_damaged(path)

    with ThreadPoolExecutor(8) as threads:
        moved = list(threads.map(examine, range(8)))
    assert len([each for each in moved if each is not None]) == 1


# ------------------------------------------------------------------- the machine is not the file


def test_a_full_disk_is_a_fault_of_the_machine(path: Path) -> None:
    filled(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA max_page_count = 1")  # SQLITE_FULL, as for ENOSPC (os_unix.c)
        with pytest.raises(sqlite3.OperationalError) as caught:
            add(connection, 1000)
    fault = fault_of(caught.value, path)
    assert isinstance(fault, MachineFault)
    assert (fault.errno_name, fault.path) == ("ENOSPC", str(path))
    assert set_aside_if_damaged(path) is None


def test_a_disk_that_takes_no_more_is_a_fault_of_the_machine(path: Path) -> None:
    filled(path, mode="DELETE")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with closing(sqlite3.connect(path)) as connection:
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size, limits[1]))
        try:
            with pytest.raises(sqlite3.OperationalError, match="disk I/O error") as caught:
                add(connection, 2000)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    fault = fault_of(caught.value, path)
    assert fault is not None
    assert fault.errno_name == "EIO"


def test_too_many_open_files_are_a_fault_of_the_machine(path: Path) -> None:
    filled(path)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, limits[0]), limits[1]))
    try:
        with contextlib.suppress(OSError):
            while True:
                held.append(path.open("rb"))
        with pytest.raises(MachineFault) as caught:
            set_aside_if_damaged(path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for each in held:
            each.close()
    assert caught.value.errno_name == "EMFILE"
    assert files_set_aside(path) == []
    assert damage_of(path) is None


def test_a_lock_is_nobodys_fault(path: Path) -> None:
    filled(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with (
            closing(sqlite3.connect(path, timeout=0)) as connection,
            pytest.raises(sqlite3.OperationalError) as caught,
        ):
            add(connection, 1)
    assert is_passing(caught.value)
    assert fault_of(caught.value, path) is None
