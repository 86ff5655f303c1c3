"""The execution of one run by a worker.

The worker holds the lease of the run, interrupts the run when it is canceled, and kills its process
when its time is over or when it does not end. While Dagster's records are away the run goes on.
"""

import logging
import time
from collections.abc import Callable
from contextlib import closing

import dagster as dg
from dagster._core.errors import DagsterLaunchFailedError
from dagster_postgres.utils import DagsterPostgresException
from sqlalchemy.exc import SQLAlchemyError

from coin_assets.errors import LockUnavailable
from coin_assets.orchestration.overdue_runs import fail_overdue, limit_of
from coin_assets.orchestration.run_processes import RunProcess
from coin_assets.orchestration.run_server import Order
from coin_assets.orchestration.run_server_client import RunServers
from coin_assets.orchestration.workers.run_leases import RunLease, RunLeases

_WAITING = (dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING)
_POLL_SECONDS, _LOOK_SECONDS = 0.1, 3.0
_ENDING_SECONDS = 60.0  # of a run that was interrupted, as `dead_runs` has it
_AWAY = (SQLAlchemyError, DagsterPostgresException, LockUnavailable)  # the records
_LOG = logging.getLogger("coin_assets.worker")


class Execution:
    """One run on this worker.

    Args:
        is_to_leave: whether the worker ends, and all runs with it.
    """

    def __init__(
        self,
        instance: dg.DagsterInstance,
        leases: RunLeases,
        is_to_leave: Callable[[], bool],
        order: Order,
    ) -> None:
        self._instance = instance
        self._is_to_leave = is_to_leave
        self._order = order
        self._lease = RunLease(leases, order.run_id)

    def execute(self, servers: RunServers) -> None:
        """Execute the run to its end, unless another worker does or it is not to start any more.

        While the records are away the run is not started; `resend_lost` sends it again.
        """
        with closing(self._lease):
            try:
                # A second delivery does not even try to take the lease of a run that has begun.
                is_ours = self._is_waiting() and self._lease.takes() and self._is_waiting()
            except _AWAY as error:
                self._log("the records are away, so it is not started", error)
                return
            if is_ours and (process := self._start(servers)):
                try:
                    self._watch(process)
                    self._settle()
                finally:
                    process.kill()  # after an error here nobody would watch it

    def _start(self, servers: RunServers) -> RunProcess | None:
        """The process of the run; a run that cannot have one is failed."""
        started: list[RunProcess] = []
        try:
            servers.start(self._order, lambda pid: started.append(RunProcess.recorded(pid)))
        except DagsterLaunchFailedError as error:
            run = self._run()
            if run is not None:
                self._instance.report_run_failed(run, str(error))
            return None
        return started[-1]

    def _watch(self, process: RunProcess) -> None:
        """Wait for the end of the process, and see to it that it ends when it has to."""
        looked, interrupted = time.monotonic(), None
        while process.is_alive():
            time.sleep(_POLL_SECONDS)
            now = time.monotonic()
            if now - looked < _LOOK_SECONDS:
                continue
            looked = now
            if not self._lease.keeps():
                self._log("another worker has it by now, so it is killed")
                process.kill()
            elif interrupted is None and (self._is_to_leave() or self._is_to_end(process)):
                process.interrupt()
                interrupted = now
            elif interrupted is not None and now - interrupted > _ENDING_SECONDS:
                process.kill()

    def _is_to_end(self, process: RunProcess) -> bool:
        """Whether the run is over or was canceled for Dagster; fails it when its time is over."""
        try:
            run = self._run()
            if run is not None and process.is_overdue(limit_of(self._instance, run)):
                fail_overdue(self._instance, run, process)
        except _AWAY as error:
            self._log("the records are away", error)
            return False
        return run is None or run.is_finished or run.status is dg.DagsterRunStatus.CANCELING

    def _settle(self) -> None:
        """Keep the lease for a moment: the run server reports how the process ended."""
        until = time.monotonic() + _LOOK_SECONDS
        while time.monotonic() < until:
            try:
                run = self._run()
            except _AWAY:
                return
            if run is None or run.is_finished:
                return
            time.sleep(_POLL_SECONDS)

    def _is_waiting(self) -> bool:
        run = self._run()
        return run is not None and run.status in _WAITING

    def _run(self) -> dg.DagsterRun | None:
        return self._instance.get_run_by_id(self._order.run_id)

    def _log(self, what: str, error: Exception | None = None) -> None:
        cause = f": {str(error).partition(chr(10))[0]}" if error else ""
        _LOG.warning("run %s: %s%s", self._order.run_id[:8], what, cause)
