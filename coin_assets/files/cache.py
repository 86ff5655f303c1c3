"""File cache: values read from files, kept in this process until the files change.

Sensors read the same thousands of files every few seconds, each time through new objects.
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
    """Value that changes with a file, or with the list of names in a folder.

    Replacing a file gives another inode; writing into it changes its times. Programs that preserve
    the modification time cannot set the change time.
    """
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def are_settled(identities: Iterable[Identity], seconds: float = SETTLED_SECONDS) -> bool:
    """Whether the last change is at least ``seconds`` ago, so identities show every later one."""
    changed = max((max(each[2:]) for each in identities), default=0)
    return time.time_ns() - changed >= int(seconds * 1e9)


class FileCache(Generic[T]):
    """Cached values by path, valid while the identities of their files are unchanged.

    File times are coarse: milliseconds on most file systems, two seconds on the coarsest. Two
    versions of a file within one tick can have one identity, even as new files, because inodes are
    reused. So values of a file changed less than ``settled`` seconds ago, or in the future, are not
    cached.

    Args:
        most: capacity. The newest value is evicted first, so a loop over more files than that still
            hits the cache for most of them.
        settled: seconds; 0 for values that this process wrote itself.
    """

    def __init__(self, most: int, settled: float = SETTLED_SECONDS) -> None:
        self._most = most
        self._settled = settled
        self._known: dict[str, tuple[tuple[Identity, ...], T]] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._known)

    def of(self, path: str, make: Callable[[str], T]) -> T:
        """Cached value of ``path``, or the result of ``make(path)``.

        Nothing is cached if ``make`` raises.

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
        """Value stored by `put` under the same identities; None without one."""
        known = self._known.get(path)
        return known[1] if known is not None and known[0] == identities else None

    def put(self, path: str, identities: tuple[Identity, ...], value: T) -> None:
        """Cache ``value`` under the identities of its files.

        Take the identities before reading the files: a file replaced in between is then read again
        and never mistaken for the older one.
        """
        if not are_settled(identities, self._settled):
            return
        with self._lock:
            if path not in self._known and len(self._known) >= self._most:
                self._known.popitem()
            self._known[path] = identities, value


class LargeFileCache(FileCache[T]):
    """A file cache of large values, bounded by their size; the value unused for longest goes first.

    Args:
        most: capacity, in the unit of ``size_of``. A larger value is not cached.
        size_of: size of a value.
        settled: as in `FileCache`.
    """

    def __init__(
        self, most: int, size_of: Callable[[T], int], settled: float = SETTLED_SECONDS
    ) -> None:
        super().__init__(most, settled)
        self._size_of = size_of
        self._size = 0

    def get(self, path: str, identities: tuple[Identity, ...]) -> T | None:
        """As `FileCache.get`."""
        value = super().get(path, identities)
        if value is not None:
            with self._lock:  # a dict is ordered: the last is the one used last
                known = self._known.pop(path, None)
                if known is not None:
                    self._known[path] = known
        return value

    def put(self, path: str, identities: tuple[Identity, ...], value: T) -> None:
        """As `FileCache.put`."""
        size = self._size_of(value)
        if size > self._most or not are_settled(identities, self._settled):
            return
        with self._lock:
            if (replaced := self._known.pop(path, None)) is not None:
                self._size -= self._size_of(replaced[1])
            while self._known and self._size + size > self._most:
                oldest = next(iter(self._known))
                self._size -= self._size_of(self._known.pop(oldest)[1])
            self._known[path] = identities, value
            self._size += size
