"""The lock of a home: one ``make up`` a home, and the address of its web UI.

The kernel frees the lock when the process ends, however it ends.
"""

import fcntl
import os
import time
from pathlib import Path

from coin_assets.errors import ConfigurationError

FILE = ".up.lock"
# `address_of` holds the lock for an instant.
_ATTEMPTS, _PAUSE_SECONDS = 10, 0.05


def hold(home: Path) -> int:
    """Lock ``home``; the handle that holds the lock, and survives an ``exec``.

    Raises:
        ConfigurationError: another ``make up`` serves the home.
    """
    handle = os.open(home / FILE, os.O_RDWR | os.O_CREAT, 0o644)
    for _ in range(_ATTEMPTS):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_PAUSE_SECONDS)
        else:
            os.ftruncate(handle, 0)
            os.set_inheritable(handle, True)
            return handle
    os.close(handle)
    raise ConfigurationError(
        f"COIN_HOME: {str(home)!r} is being served by another make up; stop that one, or "
        "choose another COIN_HOME."
    )


def note_address(handle: int, address: str) -> None:
    """Write the address of the web UI into the lock file."""
    os.pwrite(handle, f"{address}\n".encode(), 0)


def address_of(home: Path) -> str | None:
    """Address of the web UI of the ``make up`` that serves ``home``.

    None if none does, empty text if it has no web UI (a code server) or is only starting.
    """
    try:
        handle = os.open(home / FILE, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return os.read(handle, 1024).decode(errors="replace").strip()
        return None
    finally:
        os.close(handle)
