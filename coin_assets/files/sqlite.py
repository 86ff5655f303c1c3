"""SQLite files: what an error means, and damaged files that are set aside."""

import errno
import os
import sqlite3
import tempfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from coin_assets.errors import MachineFault
from coin_assets.files.atomic import folder_locked, sync_folder
from coin_assets.files.faults import machine_fault, machine_faults_named
from coin_assets.foreign_text import shortened

_BESIDE = ("-wal", "-shm", "-journal")
_MARK, _STAMP = ".damaged-", "%Y%m%dT%H%M%SZ"
_BUSY_SECONDS = 10.0
_MOST_REASON = 200
# Result codes: https://www.sqlite.org/rescode.html
_MACHINE = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_IOERR: errno.EIO,
    sqlite3.SQLITE_PERM: errno.EACCES,
    sqlite3.SQLITE_CANTOPEN: errno.EMFILE,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_NOMEM: errno.ENOMEM,
}
# SQLite reports these for files too, so the machine is examined before it is blamed.
_AMBIGUOUS = (sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
_OPENING = "Check its folder, its permissions and the limit of open files (ulimit -n)."
_PASSING = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_SCHEMA,
}
# A hot journal that a read-only connection cannot roll back; a file that was moved meanwhile.
_PASSING_EXTENDED = {sqlite3.SQLITE_READONLY_ROLLBACK, sqlite3.SQLITE_READONLY_DBMOVED}


def is_passing(error: sqlite3.Error) -> bool:
    """Whether the error says nothing about the file, such as a lock of another process."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK)
    return code & 0xFF in _PASSING or code in _PASSING_EXTENDED


def fault_of(error: sqlite3.Error, path: Path | None = None) -> MachineFault | None:
    """The fault of the machine behind an error at ``path``; None if the machine is not to blame.

    Without a path, the machine is blamed for what it may have caused.

    An error that neither is one nor `is_passing` means a damaged file, if the SQL is right.
    """
    # Python's own errors have no code, for example of text that is not UTF-8.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK)
    primary = code & 0xFF
    is_short = code == sqlite3.SQLITE_IOERR_SHORT_READ  # a truncated file
    if primary not in _MACHINE or is_short or is_passing(error):
        return None
    if path is None:
        if primary == sqlite3.SQLITE_CANTOPEN:
            return MachineFault(f"a database: {error}. {_OPENING}", "SQLITE_CANTOPEN")
        return machine_fault(OSError(_MACHINE[primary], str(error)))
    if path.is_dir():
        return None
    if primary in _AMBIGUOUS:
        found = _fault_at(path)
        if found is not None or code == sqlite3.SQLITE_READONLY:
            return found  # a header can forbid what the machine allows
    return machine_fault(OSError(_MACHINE[primary], str(error), str(path)))


def damage_of(path: Path) -> str | None:
    """What is damaged in the SQLite file at ``path``, its write-ahead log included.

    None if nothing is, if there is no file, and if another process keeps it locked.

    Raises:
        MachineFault: the file cannot be examined.
    """
    with machine_faults_named(path):
        if not path.exists():
            left = [each.name for each in _all_of(path) if each.exists()]
            return f"only {', '.join(left)} is there" if left else None
        if not path.is_file():
            return "it is no file"
        # A hot journal is rolled back; else nothing is written, so that evidence stays as it is.
        mode = "rw" if path.with_name(f"{path.name}-journal").exists() else "ro"
    address = f"{path.absolute().as_uri()}?mode={mode}"
    try:
        with closing(sqlite3.connect(address, timeout=_BUSY_SECONDS, uri=True)) as connection:
            connection.text_factory = _any_text
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        if is_passing(error) or not path.exists():  # another process has moved it meanwhile
            return None
        fault = fault_of(error, path)
        if fault is not None:
            raise fault from error
        return shortened(str(error), _MOST_REASON)
    return None if found == "ok" else shortened(found, _MOST_REASON)


def set_aside_if_damaged(path: Path) -> Path | None:
    """Move a damaged SQLite file aside, so that a new one can begin; None if it is not damaged.

    Call it before the file is opened. Nothing is deleted: the result is the new place.

    Raises:
        MachineFault: the file cannot be examined or moved.
    """
    if damage_of(path) is None:
        return None
    with machine_faults_named(path), folder_locked(path.parent):
        # Another process may have moved it meanwhile, and begun a new one.
        return None if damage_of(path) is None else set_aside(path)


def set_aside(path: Path) -> Path:
    """Move the file at ``path``, and what belongs to it, to a new name beside it.

    Raises:
        MachineFault: it cannot be moved.
    """
    aside = _free_name(path)
    with machine_faults_named(path):
        for each in _all_of(path):
            if each.exists() or each.is_symlink():
                each.rename(path.with_name(aside.name + each.name.removeprefix(path.name)))
        sync_folder(path.parent)
    return aside


def files_set_aside(path: Path) -> list[tuple[Path, datetime]]:
    """Files that were moved aside from ``path`` and are still there, each with its time."""
    found = {}
    for each in path.parent.glob(f"{path.name}{_MARK}*"):
        stamp = each.name.removeprefix(path.name + _MARK).partition("-")[0].partition(".")[0]
        try:
            at = datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC)
        except ValueError:
            continue  # a name that somebody else gave
        name = each.name
        for suffix in _BESIDE:
            name = name.removesuffix(suffix)
        found[each.with_name(name)] = at
    return sorted(found.items())


def all_set_aside(folder: Path) -> list[tuple[Path, datetime]]:
    """`files_set_aside` of every name in a folder."""
    names = {each.name.partition(_MARK)[0] for each in folder.glob(f"*{_MARK}*")}
    return [found for name in sorted(names) for found in files_set_aside(folder / name)]


def _all_of(path: Path) -> list[Path]:
    """The database first: what is left after a crash in between is damaged too."""
    return [path, *(path.with_name(path.name + suffix) for suffix in _BESIDE)]


def _free_name(path: Path) -> Path:
    first = path.with_name(f"{path.name}{_MARK}{datetime.now(UTC):{_STAMP}}")
    free, number = first, 1
    while any(each.exists() for each in _all_of(free)):
        number += 1
        free = first.with_name(f"{first.name}.{number}")
    return free


def _fault_at(path: Path) -> MachineFault | None:
    """Fault that keeps this process from files beside ``path``, or from ``path`` itself.

    The file itself is not opened: closing it would end the locks of this process on it.
    """
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        return machine_fault(error, path.parent)
    if path.exists() and not os.access(path, os.R_OK | os.W_OK):
        return machine_fault(PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path)))
    return None


def _any_text(raw: bytes) -> str:
    return raw.decode(errors="replace")
