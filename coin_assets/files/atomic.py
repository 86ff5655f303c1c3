"""Atomic file writes, and locks of one machine on folders."""

import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from coin_assets.errors import LockLost
from coin_assets.files.leases import holds_leases, require_leases

_SUFFIX = ".partial"


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file atomically, durable against SIGKILL and power loss.

    Readers see the old or the new content. The file gets the permissions of the umask, so a web
    server of another user can read it.

    Raises:
        LockLost: this thread lost a lock that it holds; the file stays as it is.
    """
    replace(write_partial(path, content), path)
    sync_folder(path.parent)


def replace(partial: Path, path: Path) -> None:
    """Let what `write_partial` wrote take its place, if this thread still holds its locks.

    Raises:
        LockLost: it does not; the file stays as it is.
    """
    try:
        require_leases()
    except LockLost:
        partial.unlink(missing_ok=True)
        raise
    partial.replace(path)


def write_partial(path: Path, content: bytes) -> Path:
    """The new content of ``path``, synced, in a file beside it that shall replace it.

    Under a lock of several machines its name is this write's alone: another machine may have a
    process of the same number.
    """
    make_folder(path.parent)
    own = f"{os.getpid()}-{secrets.token_hex(4)}" if holds_leases() else os.getpid()
    partial = path.with_name(f".{path.name}.{own}{_SUFFIX}")
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return partial


def make_folder(folder: Path) -> None:
    """Create a folder and its parents, each durable in its parent against power loss.

    Raises:
        FileExistsError: there is something else of that name, or of the name of a parent.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)  # another process may have been faster
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Flush renames in ``folder`` to disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_partials(folder: Path) -> None:
    """Remove partial files of killed writers; requires the lock of ``folder``."""
    for partial in folder.glob(f".*{_SUFFIX}"):
        with contextlib.suppress(FileNotFoundError):
            partial.unlink()


def private_folder(folder: Path) -> None:
    """Create a folder that only its owner may enter, or close an existing one to others.

    A folder of another owner, who shares it, is left as it is.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_mode & 0o077:
        with contextlib.suppress(PermissionError):
            folder.chmod(0o700)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the exclusive lock of ``folder``; the kernel releases it when a process ends.

    Of writers, `coin_assets.files.locks` decides which lock they hold.
    """
    make_folder(folder)
    with FileLock(folder / ".lock"):
        yield


@contextmanager
def folder_locked(folder: Path) -> Iterator[None]:
    """Hold the exclusive lock of ``folder`` itself, which leaves no file in it.

    It reaches every process on this machine that names the same folder. A file system that locks no
    folders (NFS) gives no lock; hold `locked` of another folder as well.
    """
    make_folder(folder)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # a forked process may hold a copy of it
        os.close(descriptor)
