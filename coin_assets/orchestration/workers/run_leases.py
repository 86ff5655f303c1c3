"""Leases of runs: which run has a worker, whatever machine that is on.

A worker holds an advisory lock of PostgreSQL for each of its runs. The lock ends with the worker:
at once when it is killed, within the lease when its machine is gone. So one question to the
database tells whether a run lives, and a task that Redis delivers twice finds the run taken.
"""

from collections.abc import Mapping
from contextlib import closing

from coin_assets.errors import LockUnavailable
from coin_assets.files.postgres_locks import LEASE_SECONDS, key_of
from coin_assets.files.postgres_session import Session

_WAIT_SECONDS = 5.0


class RunLeases:
    """Leases in the database of Dagster's records.

    Args:
        parameters: of a connection, as for libpq.
    """

    def __init__(self, parameters: Mapping[str, str], lease_seconds: float = LEASE_SECONDS) -> None:
        self._parameters = dict(parameters)
        self._lease = lease_seconds

    def is_held(self, run_id: str) -> bool:
        """Whether a worker has the run.

        Raises:
            LockUnavailable: the database does not answer.
        """
        with closing(self.session(run_id)) as session:
            return session.is_held(key_of(_name(run_id)))

    def session(self, run_id: str) -> Session:
        """A new session of the database."""
        return Session(self._parameters, self._lease, _WAIT_SECONDS, _name(run_id))


class RunLease:
    """The lease of one run, from the worker's side."""

    def __init__(self, leases: RunLeases, run_id: str) -> None:
        self._leases = leases
        self._run_id = run_id
        self._session: Session | None = None

    def takes(self) -> bool:
        """Take the run; False if another worker has it.

        Raises:
            LockUnavailable: the database does not answer.
        """
        self.close()
        self._session = self._leases.session(self._run_id)
        return self._session.takes(key_of(_name(self._run_id)))

    def keeps(self) -> bool:
        """Renew the lease; False if another worker has the run by now.

        A lease that was lost, because the database was restarted for example, is taken again. While
        the database is away nobody else can take it.
        """
        if self._session is not None and self._session.beats():
            return True
        try:
            return self.takes()
        except LockUnavailable:
            return True

    def close(self) -> None:
        """Give the run back."""
        if self._session is not None:
            self._session.close()
            self._session = None


def _name(run_id: str) -> str:
    return f"run {run_id}"
