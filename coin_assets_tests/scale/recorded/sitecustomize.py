"""Imported by each interpreter of a simulated host: writes down which files are locked.

`HOST_LOCKS` is the file that it appends to. Locks that C code takes (SQLite) are not seen here.
"""

import fcntl
import os
from typing import Any

_LIST = os.environ.get("HOST_LOCKS")


def _recording(lock: Any) -> Any:
    def recorded(handle: Any, *arguments: Any) -> Any:
        number = handle if isinstance(handle, int) else handle.fileno()
        path = os.readlink(f"/proc/self/fd/{number}")  # noqa: PTH115 (before anything is imported)
        with open(str(_LIST), "a") as listed:  # noqa: PTH123
            listed.write(f"{path}\n")
        return lock(handle, *arguments)

    return recorded


if _LIST:
    fcntl.flock, fcntl.lockf = _recording(fcntl.flock), _recording(fcntl.lockf)
