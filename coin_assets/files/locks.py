"""Locks of the writers of a folder: files on one machine, a server's locks on several.

A process uses one kind for everything, chosen once (`coin_assets.config.locks`): a writer with a
lock of the other kind would see nobody. Databases of one process keep locks of files
(`coin_assets.files.atomic`) always.
"""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from coin_assets.files import atomic
from coin_assets.files.leases import holds_leases


class Locks(Protocol):
    """Exclusive locks, each named by a folder that need not exist."""

    def held(self, folder: Path, *, outside: bool = False) -> AbstractContextManager[None]:
        """Hold the lock of ``folder`` until the end of the block.

        Args:
            outside: the folder is not the platform's own: nothing is left in it, and the lock may
                be missing, so that another one is held as well.

        Raises:
            LockUnavailable: it was not to be had in time.
            OSError: the folder cannot be used.
        """


class FileLocks:
    """Locks of files, for the processes of one machine. The kernel frees those of killed ones."""

    def held(self, folder: Path, *, outside: bool = False) -> AbstractContextManager[None]:
        """See `Locks.held`."""
        return atomic.folder_locked(folder) if outside else atomic.locked(folder)


_chosen: Locks = FileLocks()


def chosen_locks() -> Locks:
    """The locks of this process."""
    return _chosen


def use_locks(locks: Locks) -> None:
    """Choose the locks of this process, before it writes."""
    global _chosen
    _chosen = locks


def locked(folder: Path) -> AbstractContextManager[None]:
    """Hold the lock of a folder of the home; see `Locks.held`."""
    return _chosen.held(folder)


def folder_locked(folder: Path) -> AbstractContextManager[None]:
    """Hold the lock of a folder outside of the home; see `Locks.held`."""
    return _chosen.held(folder, outside=True)


def fence(folder: Path) -> None:
    """Keep former holders of a lost lock from replacing files in ``folder``, which is locked.

    A process that is stopped between its last check and the rename would rename what it has
    written beside the file. That is removed here, so its rename fails. Call it before the files are
    read: then a rename came before, and is read, or it never comes.
    """
    if holds_leases():
        atomic.remove_partials(folder)
