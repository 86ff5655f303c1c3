"""Errors of the operating system in the store: no file, the machine's fault, or a misfit."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from coin_assets.errors import CorruptArtefact
from coin_assets.files.faults import machine_faults_named

_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
_MISFITS = (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENOTEMPTY)


def is_absent(error: BaseException) -> bool:
    """Whether there is no such file: nothing of that name, or no folder on the way to it."""
    return isinstance(error, OSError) and error.errno in _ABSENT


def exists(path: str) -> bool:
    """Whether there is a file or folder.

    Raises:
        MachineFault: nobody can tell, for example without access to its folder.
    """
    try:
        os.stat(path)  # noqa: PTH116 (a Path takes four times as long)
    except OSError as error:
        if is_absent(error):
            return False
        with typed_errors(path):
            raise
    return True


@contextmanager
def typed_errors(path: Path | str) -> Iterator[None]:
    """Raise typed errors in place of the operating system's.

    Raises:
        MachineFault: the machine failed.
        CorruptArtefact: something else lies where a file or folder of the store belongs.
    """
    try:
        with machine_faults_named(path):
            yield
    except OSError as error:
        if error.errno not in _MISFITS:
            raise
        raise CorruptArtefact(
            f"{error.filename or path}: something else lies where the store keeps its files "
            f"({os.strerror(error.errno)}). Move it out of the store; what belongs there is made "
            "anew."
        ) from error
