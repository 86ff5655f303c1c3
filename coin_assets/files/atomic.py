"""Files that are either the old or the new version, never something in between."""

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

_SUFFIX = ".partial"


def write_atomically(path: Path, content: bytes) -> None:
    """Replace ``path`` by ``content``, durable against SIGKILL and power loss.

    The file gets the permissions of the umask, so that another user's web server can read it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}{_SUFFIX}")
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames in ``folder`` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_partials(folder: Path) -> None:
    """Remove what killed writers left in ``folder``; call it under the folder's lock only."""
    for partial in folder.glob(f".*{_SUFFIX}"):
        with contextlib.suppress(FileNotFoundError):
            partial.unlink()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the one writer's lock of ``folder``; the kernel frees it when a process dies."""
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        yield
