"""Runs that were lost on their way to a worker; imports nothing of Celery."""

from typing import Protocol, runtime_checkable

import dagster as dg


@runtime_checkable
class _SendsRuns(Protocol):
    """A launcher that sends runs to workers."""

    def resend_lost(self) -> list[str]: ...


def resend_lost_runs(instance: dg.DagsterInstance) -> list[str]:
    """Send runs again that have had no worker for long; return their ids.

    Raises:
        DagsterUserCodeUnreachableError: the broker is away.
        LockUnavailable: the database of the leases does not answer.
    """
    launcher = instance.run_launcher
    return launcher.resend_lost() if isinstance(launcher, _SendsRuns) else []
