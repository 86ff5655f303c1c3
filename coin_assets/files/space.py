"""Free space of file systems, in bytes and in inodes, and whether they can be written."""

import errno
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Space:
    """Space of the file system that holds a folder.

    Attributes:
        bytes_percent: bytes in use, of those that this user could use, as ``df`` counts them.
        inodes_percent: likewise; 0 if the file system does not limit their number.
        free_inodes: None if the file system does not limit their number.
    """

    folder: str
    bytes_percent: float
    free_bytes: int
    inodes_percent: float
    free_inodes: int | None

    @property
    def percent(self) -> float:
        """Percent in use of what is shorter, bytes or inodes."""
        return max(self.bytes_percent, self.inodes_percent)

    def __str__(self) -> str:
        inodes = "" if self.free_inodes is None else f" and {self.free_inodes} inodes"
        what = "inodes" if self.inodes_percent > self.bytes_percent else "bytes"
        return (
            f"the file system of {self.folder} has {self.percent:.1f}% of its {what} in use; "
            f"{self.free_bytes / 1e6:.0f} MB{inodes} are free"
        )


def space_of(folder: str | Path) -> Space:
    """The space that a folder has, or will have once it exists.

    Raises:
        OSError: the file system does not answer, or gives this user no access.
    """
    found = os.statvfs(existing_part(folder))
    used, used_inodes = found.f_blocks - found.f_bfree, found.f_files - found.f_ffree
    return Space(
        str(folder),
        _percent(used, found.f_bavail),
        found.f_bavail * found.f_frsize,
        _percent(used_inodes, found.f_favail) if found.f_files else 0.0,
        found.f_favail if found.f_files else None,
    )


def spaces_of(folders: Iterable[str | Path]) -> list[Space]:
    """The space of each file system among ``folders``, under the first folder on it.

    Raises:
        OSError: as `space_of`.
    """
    first: dict[int, str | Path] = {}
    for folder in folders:
        first.setdefault(existing_part(folder).stat().st_dev, folder)
    return [space_of(folder) for folder in first.values()]


def require_writable(folder: str | Path) -> None:
    """Check flags and permissions, without a write.

    Raises:
        OSError: EROFS or EACCES, or the file system does not answer.
    """
    part = existing_part(folder)
    if os.statvfs(part).f_flag & os.ST_RDONLY:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(folder))
    if not os.access(part, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))


def existing_part(folder: str | Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    path = Path(folder).absolute()
    return next(each for each in (path, *path.parents) if each.exists())


def _percent(used: int, free: int) -> float:
    return 100 * used / (used + free) if used + free else 100.0
