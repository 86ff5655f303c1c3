"""Errors of the operating system that are the machine's, told apart from damaged files."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from coin_assets.errors import MachineFault

_SPACE = "Free space or inodes on that file system, or use a larger one."
_DEVICE = "Check the disk and the mount (dmesg, fsck); the file may be intact, do not remove it."
_FILES = "Raise the limit of open files (ulimit -n) or find what holds them; the file is intact."
_ACCESS = "Let the platform's user read and write there; the file is intact, do not remove it."
_MEMORY = "Free memory, or use a larger machine; the file is intact."
# No access to this file, or a bad sector in it.
_OF_ONE_FILE = ("EACCES", "EPERM", "EIO")
_REMEDIES = {
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE,
    errno.EFBIG: _SPACE,
    errno.EIO: _DEVICE,
    errno.EROFS: _DEVICE,
    errno.ENXIO: _DEVICE,
    errno.ENODEV: _DEVICE,
    errno.ESTALE: _DEVICE,
    errno.ETIMEDOUT: _DEVICE,
    errno.EMFILE: _FILES,
    errno.ENFILE: _FILES,
    errno.EACCES: _ACCESS,
    errno.EPERM: _ACCESS,
    errno.ENOMEM: _MEMORY,
}


def machine_fault(error: BaseException, path: Path | str | None = None) -> MachineFault | None:
    """The fault behind ``error``; None if the machine is not to blame.

    Args:
        path: where it happened, if the error does not name it.
    """
    if isinstance(error, MachineFault):
        return error
    if isinstance(error, MemoryError):
        number, remedy = errno.ENOMEM, _MEMORY
    elif isinstance(error, OSError) and error.errno in _REMEDIES:
        number, remedy = error.errno, _REMEDIES[error.errno]
    else:
        return None
    named = getattr(error, "filename", None) or path
    where = None if named is None else str(named)
    name = errno.errorcode[number]
    return MachineFault(
        f"{where or 'the machine'}: {_words(error)} ({name}). {remedy}", name, where
    )


@contextmanager
def machine_faults_named(path: Path | str | None = None) -> Iterator[None]:
    """Raise `MachineFault` in place of the operating system's error.

    Raises:
        MachineFault: the machine failed; other errors pass as they are.
    """
    try:
        yield
    except (OSError, MemoryError) as error:
        fault = machine_fault(error, path)
        if fault is None:
            raise
        raise fault from error


@contextmanager
def faults_of_one_file(found: list[MachineFault]) -> Iterator[None]:
    """Add a fault that concerns one file to ``found`` instead of raising it.

    Raises:
        MachineFault: other files are likely to meet it, too: no space, no memory, no descriptors.
    """
    try:
        yield
    except MachineFault as fault:
        if fault.errno_name not in _OF_ONE_FILE:
            raise
        found.append(fault)


def _words(error: BaseException) -> str:
    text = error.strerror if isinstance(error, OSError) else str(error)
    return (text or type(error).__name__).lower()
