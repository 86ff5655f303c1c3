"""The lock of a home: one ``make up`` a home, and the address of its web UI.

Code servers of shards, in containers, share the lock, and each holds that of its shard.

The kernel frees the lock when the process ends, however it ends.
"""

import fcntl
import os
import time
from pathlib import Path

from coin_assets.errors import ConfigurationError

FILE, _FILE_OF_SHARD = ".up.lock", ".up.shard-{}.lock"
# `address_of` holds the lock for an instant.
_ATTEMPTS, _PAUSE_SECONDS = 10, 0.05


def hold(home: Path) -> int:
    """Lock ``home``; the handle that holds the lock, and survives an ``exec``.

    Raises:
        ConfigurationError: another ``make up`` serves the home.
    """
    handle = _locked(home, FILE, fcntl.LOCK_EX)
    os.ftruncate(handle, 0)
    return handle


def hold_shard(home: Path, number: int) -> tuple[int, int]:
    """Lock ``home`` for the code server of one shard, beside those of others; as `hold`.

    Raises:
        ConfigurationError: another ``make up`` serves the home, or the shard.
    """
    shared = _locked(home, FILE, fcntl.LOCK_SH)
    try:
        return shared, _locked(home, _FILE_OF_SHARD.format(number), fcntl.LOCK_EX)
    except ConfigurationError:
        os.close(shared)
        raise


def note_address(handle: int, address: str) -> None:
    """Write the address of the web UI into the lock file."""
    os.pwrite(handle, f"{address}\n".encode(), 0)


def address_of(home: Path) -> str | None:
    """Address of the web UI of the ``make up`` that serves ``home``.

    None if none does, empty text if it has no web UI (a code server) or is only starting.
    """
    shards = (_content_if_held(path) for path in home.glob(_FILE_OF_SHARD.format("*")))
    found = _content_if_held(home / FILE)
    return found if found is not None else next((each for each in shards if each is not None), None)


def _content_if_held(path: Path) -> str | None:
    """Content of a lock file; None if nobody holds it."""
    try:
        handle = os.open(path, os.O_RDONLY)
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


def _locked(home: Path, name: str, kind: int) -> int:
    handle = os.open(home / name, os.O_RDWR | os.O_CREAT, 0o644)
    for _ in range(_ATTEMPTS):
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_PAUSE_SECONDS)
        else:
            os.set_inheritable(handle, True)
            return handle
    os.close(handle)
    raise ConfigurationError(
        f"COIN_HOME: {str(home)!r} is being served by another make up; stop that one, or "
        "choose another COIN_HOME."
    )
