"""A session of PostgreSQL that holds advisory locks."""

import os
import socket
import threading
import time
from collections.abc import Mapping
from typing import Any

from coin_assets.errors import LockUnavailable

_CONNECT_SECONDS = 10
_STATEMENT_SECONDS = 15.0
_MOST_NAME = 63  # characters of application_name
# The number of a lock as pg_locks shows it: 2 x 32 bits.
_NUMBER = "(classid::int8 << 32 | objid::int8)"
_OWN = f"""SELECT EXISTS (
    SELECT FROM pg_locks
    WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted
    AND objsubid = 1 AND {_NUMBER} = %s
)"""  # noqa: S608 (fixed text)
_ANY = f"""SELECT EXISTS (
    SELECT FROM pg_locks
    WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND {_NUMBER} = %s
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
)"""  # noqa: S608
_HOLDER = f"""SELECT a.application_name, host(a.client_addr), a.pid,
    round(extract(epoch FROM clock_timestamp() - a.state_change))
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND {_NUMBER} = %s
AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"""  # noqa: S608


class SessionLost(Exception):
    """The server does not know the session any more, or does not answer."""


class Session:
    """One connection, of one thread at a time; its heartbeat is another's.

    Args:
        parameters: of the connection, as for libpq.
        lease: seconds of silence after which the server ends the session.
        wait: most seconds of one request for a lock.
        name: of the lock that needs it, for the message.

    Raises:
        LockUnavailable: the server does not answer, refuses, or is too old.
    """

    def __init__(self, parameters: Mapping[str, str], lease: float, wait: float, name: str) -> None:
        import psycopg2  # type: ignore[import-untyped]  # of several machines only

        self._error: type[Exception] = psycopg2.Error
        self._where = f"PostgreSQL at {parameters['host']}:{parameters.get('port') or 5432}"
        self._guard = threading.Lock()
        self.is_usable = True
        self.free_since = 0.0  # time.monotonic()
        milliseconds = int(lease * 1000)
        try:
            self._connection = psycopg2.connect(
                **{key: text for key, text in parameters.items() if text},
                connect_timeout=_CONNECT_SECONDS,
                application_name=f"coin_assets {socket.gethostname()} {os.getpid()}"[:_MOST_NAME],
                # A dead network is noticed within the lease, on both sides.
                keepalives_idle=max(1, int(lease / 3)),
                keepalives_interval=max(1, int(lease / 6)),
                keepalives_count=3,
                tcp_user_timeout=milliseconds,
                options=f"-c idle_session_timeout={milliseconds} "
                f"-c lock_timeout={int(wait * 1000)} "
                f"-c statement_timeout={int((wait + _STATEMENT_SECONDS) * 1000)} "
                "-c client_connection_check_interval=5000",
            )
        except psycopg2.Error as error:
            raise LockUnavailable(
                f"The lock of {name} is not to be had: {self._where} cannot be used "
                f"({_reason(error)}). It must be PostgreSQL 14 or newer; the task is repeated."
            ) from None
        self._connection.autocommit = True

    def take(self, name: str, key: int, patience: float) -> None:
        """Wait for a lock.

        Raises:
            LockUnavailable: it is held by another session for ``patience`` seconds, or the server
                is away.
        """
        from psycopg2 import errors

        until = time.monotonic() + patience
        while True:
            try:
                self._value("SELECT pg_advisory_lock(%s)", key)
            except errors.LockNotAvailable:
                if time.monotonic() < until:
                    continue
                raise LockUnavailable(
                    f"The lock of {name} was not to be had within {patience:.0f} s. "
                    f"{self._holder(key)} The task is repeated."
                ) from None
            except self._error as error:
                self.is_usable = False
                raise LockUnavailable(
                    f"The lock of {name} is not to be had: {self._where}: {_reason(error)}. The "
                    "task is repeated."
                ) from None
            return

    def takes(self, key: int) -> bool:
        """Take a lock at once, if nobody else holds it.

        Raises:
            LockUnavailable: the server is away.
        """
        return self._answer("SELECT pg_try_advisory_lock(%s)", key)

    def is_held(self, key: int) -> bool:
        """Whether any session holds a lock.

        Raises:
            LockUnavailable: the server is away.
        """
        return self._answer(_ANY, key)

    def holds(self, key: int) -> bool:
        """Whether the server says that this session holds a lock.

        Raises:
            SessionLost: there is no session any more, or no answer.
        """
        try:
            return bool(self._value(_OWN, key)[0])
        except self._error as error:
            self.is_usable = False
            raise SessionLost(f"{self._where}: {_reason(error)}") from None

    def give_back(self, key: int) -> None:
        """Release a lock; of a session that is gone there is nothing left to release."""
        try:
            self._value("SELECT pg_advisory_unlock(%s)", key)
        except self._error:
            self.is_usable = False

    def beats(self) -> bool:
        """Let the server hear of the session; False if that is gone.

        A session that is waiting or checking is heard already.
        """
        if not self._guard.acquire(blocking=False):
            return True
        try:
            self._fetched("SELECT 1")
        except self._error:  # the owner finds out at its next check
            self.is_usable = False
            return False
        finally:
            self._guard.release()
        return True

    def close(self) -> None:
        """End the session, and with it its locks."""
        with self._guard:
            self.is_usable = False
            self._connection.close()

    def _answer(self, statement: str, key: int) -> bool:
        try:
            return bool(self._value(statement, key)[0])
        except self._error as error:
            self.is_usable = False
            raise LockUnavailable(f"{self._where}: {_reason(error)}. It is tried again.") from None

    def _value(self, statement: str, key: int) -> Any:
        with self._guard:
            return self._fetched(statement, key)

    def _fetched(self, statement: str, *values: int) -> Any:
        with self._connection.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchone()

    def _holder(self, key: int) -> str:
        try:
            found = self._value(_HOLDER, key)
        except self._error:
            found = None
        if found is None:
            return "Nobody holds it now."
        name, address, process, silent = found
        where = f" from {address}" if address else ""
        return (
            f"It is held by {name!r}{where} (backend {process}, last heard {silent:.0f} s ago); "
            f"if that hangs, end it, or its session with pg_terminate_backend({process})."
        )


def _reason(error: Exception) -> str:
    """The first line of an error of the driver."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
