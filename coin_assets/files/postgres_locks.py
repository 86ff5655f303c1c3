"""Locks of several machines: advisory locks of PostgreSQL, held as leases.

A lock belongs to a session of the server, so it ends with its connection. The session ends by
itself when the server hears nothing for the time of the lease: of a process that is stopped, or
cut off. A thread of the holder speaks a few times in that time. Whoever was silent for too long
finds the session gone at its next check, and writes nothing (`coin_assets.files.leases`).

The driver is imported, and the server contacted, with the first lock.
"""

import hashlib
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from coin_assets.errors import LockLost
from coin_assets.files.atomic import make_folder
from coin_assets.files.leases import holding
from coin_assets.files.postgres_session import Session, SessionLost

LEASE_SECONDS, PATIENCE_SECONDS = 30.0, 120.0
_WAIT_SECONDS = 5.0  # at a time, so that a run can be cancelled meanwhile
_BEATS = 4  # in the time of a lease
_KEPT = 2  # sessions without locks


def key_of(name: str) -> int:
    """The 64 bits by which the server knows the lock of a name, the same in all releases."""
    digest = hashlib.sha256(f"coin_assets {name}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


class PostgresLocks:
    """`Locks` in the database of Dagster's records.

    Args:
        parameters: of a connection, as for libpq.
        home: folders in it have the same lock whatever its path is on a machine.
        lease_seconds: silence after which the server gives a lock to others.
        patience_seconds: how long a thread waits for a lock.
    """

    def __init__(
        self,
        parameters: Mapping[str, str],
        home: Path,
        lease_seconds: float = LEASE_SECONDS,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._parameters = dict(parameters)
        self._home = home
        self._lease = lease_seconds
        self._patience = patience_seconds
        self._free: list[Session] = []
        self._heart: threading.Thread | None = None
        self._begin()

    def is_same(self, parameters: Mapping[str, str], home: Path) -> bool:
        """Whether these are the locks of a database and a home."""
        return (self._parameters, self._home) == (dict(parameters), home)

    def close(self) -> None:
        """End the sessions that hold no locks; others are opened when they are needed."""
        with self._lock:
            idle, self._free = self._free, []
        for session in idle:
            session.close()

    @contextmanager
    def held(self, folder: Path, *, outside: bool = False) -> Iterator[None]:
        """See `Locks.held`; the locks of one thread share a session."""
        if not outside:
            make_folder(folder)
        name = self._name(folder)
        with self._session(name) as session:
            lease = _PostgresLease(session, name)
            session.take(name, key_of(name), self._patience)
            try:
                with holding(lease):
                    yield
            finally:
                session.give_back(key_of(name))

    def _name(self, folder: Path) -> str:
        """``candles/symbol=BTC_USDT/timeframe=1h``; the whole path of a folder elsewhere."""
        inside = folder.is_relative_to(self._home)
        return str(folder.relative_to(self._home) if inside else folder.absolute())

    @contextmanager
    def _session(self, name: str) -> Iterator[Session]:
        """The session of this thread."""
        if self._pid != os.getpid():  # a forked process must not talk over its parent's sockets
            self._begin()
        if (own := getattr(self._of_thread, "session", None)) is not None:
            yield own
            return
        session = self._of_thread.session = self._free_session(name)
        try:
            yield session
        finally:
            self._of_thread.session = None
            with self._lock:
                self._in_use.discard(session)
                keep = session.is_usable and len(self._free) < _KEPT
                session.free_since = time.monotonic()
                if keep:
                    self._free.append(session)
            if not keep:
                session.close()

    def _free_session(self, name: str) -> Session:
        session = None
        while session is None and self._free:
            with self._lock:
                session = self._free.pop() if self._free else None
            if session is not None and not session.beats():  # it was idle for too long
                session.close()
                session = None
        session = session or Session(
            self._parameters, self._lease, min(_WAIT_SECONDS, self._patience), name
        )
        with self._lock:
            self._in_use.add(session)
            if self._heart is None:
                self._heart = threading.Thread(target=self._beat, name="leases", daemon=True)
                self._heart.start()
        return session

    def _begin(self) -> None:
        """Begin without sessions, as a new process does."""
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._free = []
        self._in_use: set[Session] = set()
        self._heart = None
        self._of_thread = threading.local()

    def _beat(self) -> None:
        """Let the server hear of the sessions in use, and close the others, until none is left."""
        while True:
            time.sleep(self._lease / _BEATS)
            with self._lock:
                if not (self._in_use or self._free):  # the next session starts another thread
                    self._heart = None
                    return
                in_use, since = tuple(self._in_use), time.monotonic() - self._lease / 2
                idle = [each for each in self._free if each.free_since < since]
                self._free = [each for each in self._free if each not in idle]
            for session in in_use:
                session.beats()
            for session in idle:
                session.close()


class _PostgresLease:
    def __init__(self, session: Session, name: str) -> None:
        self._session = session
        self._name = name

    def require(self) -> None:
        try:
            if self._session.holds(key_of(self._name)):
                return
            cause = "another session of the server answers; connect without a pooler"
        except SessionLost as error:
            cause = str(error)
        raise LockLost(
            f"The lock of {self._name} was lost: {cause}. Nothing was written. The task is "
            "repeated; if it happens often, look at the network to PostgreSQL and the load of this "
            "machine (docs/operations/scale.md)."
        )
