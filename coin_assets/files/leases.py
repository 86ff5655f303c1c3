"""Leases of the locks that a thread holds: what every write checks before it takes effect.

A lock in a file ends with its process, so nothing is checked. A lock on a server is a lease: the
server may have given it to somebody else while this process was stopped or cut off.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Lease(Protocol):
    """A lock that its holder can lose."""

    def require(self) -> None:
        """Ask the server whether the lock is still held.

        Raises:
            LockLost: it is not, or nobody knows.
        """


class _Held(threading.local):
    def __init__(self) -> None:
        self.leases: list[Lease] = []


_HELD = _Held()


@contextmanager
def holding(lease: Lease) -> Iterator[None]:
    """Let writes of this thread check ``lease`` until the end of the block."""
    _HELD.leases.append(lease)
    try:
        yield
    finally:
        _HELD.leases.remove(lease)


def holds_leases() -> bool:
    """Whether this thread holds a lock that it can lose."""
    return bool(_HELD.leases)


def require_leases() -> None:
    """Check every lease of this thread, directly before what must not happen without them.

    Raises:
        LockLost: one is lost.
    """
    for lease in tuple(_HELD.leases):
        lease.require()
