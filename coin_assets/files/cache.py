"""What was read from files, remembered in this process for as long as the files stay as they are.

Sensors ask the same of thousands of files every few seconds, each time through new objects.
"""

import os
import time
from collections.abc import Callable, Iterable
from threading import Lock
from typing import Generic, TypeVar

SETTLED_SECONDS = 2.0

Identity = tuple[int, int, int, int]
T = TypeVar("T")


def identity_of(status: os.stat_result) -> Identity:
    """Changes whenever a file, or the list of names in a folder, does.

    Replacing a file gives another inode. Writing into it changes its times, of which nobody can
    set the second one: copying tools that keep the first do not deceive.
    """
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def are_settled(identities: Iterable[Identity], seconds: float = SETTLED_SECONDS) -> bool:
    """Whether files changed long enough ago for their identities to tell every later change."""
    changed = max((max(each[2:]) for each in identities), default=0)
    return time.time_ns() - changed >= int(seconds * 1e9)


class FileCache(Generic[T]):
    """Values made of files, by path; given again while the file's identity is the same.

    Times are coarse: milliseconds on most file systems, two seconds on the coarsest. Two versions
    of a file within one step of that clock can look the same, even when each was a new file, for
    the inode of the one before the last is free again. So nothing is remembered of a file that was
    changed less than ``settled`` seconds ago, nor of one from the future.

    Args:
        most: values at once. The one remembered last makes room, so that whoever goes round more
            files than that still finds most of them.
        settled: seconds; another value is for tests.
    """

    def __init__(self, most: int, settled: float = SETTLED_SECONDS) -> None:
        self._most = most
        self._settled = settled
        self._known: dict[str, tuple[tuple[Identity, ...], T]] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._known)

    def of(self, path: str, make: Callable[[str], T]) -> T:
        """What ``make`` returns for ``path``, or has returned.

        Nothing is remembered of an attempt that raised.

        Raises:
            FileNotFoundError: there is no such file.
            As ``make``.
        """
        identities = (identity_of(os.stat(path)),)  # noqa: PTH116 (a Path takes four times as long)
        known = self._known.get(path)
        if known is not None and known[0] == identities:
            return known[1]
        value = make(path)
        self.put(path, identities, value)
        return value

    def get(self, path: str, identities: tuple[Identity, ...]) -> T | None:
        """What was `put` under the same identities; None if nothing was."""
        known = self._known.get(path)
        return known[1] if known is not None and known[0] == identities else None

    def put(self, path: str, identities: tuple[Identity, ...], value: T) -> None:
        """Remember ``value``, made of the files of these identities, or of newer ones.

        The identities are to be taken before the files are read: then a file that is replaced
        meanwhile is read once more, and is never taken for the older one.
        """
        if not are_settled(identities, self._settled):
            return
        with self._lock:
            if path not in self._known and len(self._known) >= self._most:
                self._known.popitem()
            self._known[path] = identities, value
