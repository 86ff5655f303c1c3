"""A Celery worker of one queue: it executes each run in a process that has imported everything.

The processes come from the run server that executes runs on one machine as well
(`coin_assets.orchestration.run_server`), so a run starts as fast and is as separate from others.
The worker holds the run's lease, interrupts the run when it is canceled, kills it when its time is
over or when it does not end, and takes its runs with it when it is killed itself.
"""

import logging
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any, TypeVar

import dagster as dg
from celery import Celery
from celery.signals import setup_logging, worker_shutting_down
from dagster._core.errors import DagsterLaunchFailedError
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import serialize_value, unpack_value
from dagster_celery.config import TASK_EXECUTE_JOB_NAME

from coin_assets.errors import ConfigurationError
from coin_assets.orchestration.dead_runs import fail_overdue, limit_of
from coin_assets.orchestration.launcher import RunServers
from coin_assets.orchestration.run_processes import RunProcess
from coin_assets.orchestration.run_server import Order
from coin_assets.orchestration.workers.launcher import WorkerRunLauncher
from coin_assets.orchestration.workers.run_leases import RunLease

T = TypeVar("T")
_WAITING = (dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING)
_POLL_SECONDS, _LOOK_SECONDS = 0.1, 3.0
_ENDING_SECONDS = 60.0  # of a run that was interrupted, as `dead_runs` has it
_GRACE_SECONDS = 20.0  # of runs, when the worker is stopped
_PRELOADED = ("coin_assets.orchestration.records.postgres",)
_LOG = logging.getLogger("coin_assets.worker")


class Worker:
    """Executes the runs of a queue, some at a time.

    Args:
        instance: its launcher names the broker.

    Raises:
        ConfigurationError: the instance sends its runs elsewhere.
    """

    def __init__(self, instance: dg.DagsterInstance) -> None:
        launcher = instance.run_launcher
        if not isinstance(launcher, WorkerRunLauncher):
            raise ConfigurationError(
                f"DAGSTER_HOME: its dagster.yaml has the run launcher {type(launcher).__name__}, "
                "which sends nothing to workers; use deploy/dagster.celery.yaml."
            )
        self._instance = instance
        self._leases = launcher.leases
        self._servers = RunServers(_PRELOADED, tied=True)
        self._order = serialize_value(instance.get_ref())
        self._stopping: float | None = None
        self.app = self._with_task(launcher.celery)

    def serve(self, queue: str, slots: int) -> None:
        """Take runs until a signal ends this process: SIGTERM lets its runs end."""
        worker_shutting_down.connect(self._stop, weak=False)
        setup_logging.connect(_keep_logging, weak=False)
        self._servers.prepare()
        self.app.worker_main(
            [
                *(
                    "worker",
                    "--queues",
                    queue,
                    "--hostname",
                    f"{queue}@%h",
                    "--loglevel",
                    "WARNING",
                ),
                *("--pool", "threads", "--concurrency", str(slots)),
                *("--without-gossip", "--without-mingle", "--without-heartbeat"),
            ]
        )

    def execute(self, run_id: str) -> None:
        """Execute a run to its end, unless another worker does, or it is not to start any more."""
        if not self._is_waiting(run_id):
            _LOG.info("%s is delivered again", run_id[:8])
            return
        with closing(RunLease(self._leases, run_id)) as lease:
            if _patiently(lease.is_taken) and self._is_waiting(run_id):
                self._execute(run_id, lease)

    def _execute(self, run_id: str, lease: RunLease) -> None:
        noted: list[RunProcess] = []
        try:
            self._servers.start(
                Order(run_id, self._order), lambda pid: noted.append(RunProcess.recorded(pid))
            )
        except DagsterLaunchFailedError as error:
            run = self._run(run_id)
            if run is not None:
                self._instance.report_run_failed(run, str(error))
            return
        process, looked, ending = noted[-1], time.monotonic(), None
        while process.is_alive():
            time.sleep(_POLL_SECONDS)
            now = time.monotonic()
            if now - looked < _LOOK_SECONDS:
                continue
            looked = now
            if not lease.keeps():
                _LOG.warning("%s has another worker by now", run_id[:8])
                process.kill()
                return
            if self._is_to_end(run_id, process, now):
                ending = now if ending is None else ending
                process.interrupt() if now - ending < _ENDING_SECONDS else process.kill()
        self._settled(run_id)

    def _is_to_end(self, run_id: str, process: RunProcess, now: float) -> bool:
        """Whether the run is over for Dagster, was canceled, or has to make way."""
        if self._stopping is not None and now - self._stopping > _GRACE_SECONDS:
            return True
        try:
            run = self._instance.get_run_by_id(run_id)
            if run is None:
                return True
            if process.is_overdue(limit_of(self._instance, run)):
                fail_overdue(self._instance, run, process)
        except Exception:  # noqa: BLE001 (the records are away; the run goes on as long as it can)
            return False
        return run.is_finished or run.status is dg.DagsterRunStatus.CANCELING

    def _settled(self, run_id: str) -> None:
        """Wait a moment until the run server has reported how the process ended."""
        until = time.monotonic() + _LOOK_SECONDS
        while time.monotonic() < until:
            run = self._run(run_id)
            if run is None or run.is_finished:
                return
            time.sleep(_POLL_SECONDS)

    def _run(self, run_id: str) -> dg.DagsterRun | None:
        return _patiently(lambda: self._instance.get_run_by_id(run_id))

    def _is_waiting(self, run_id: str) -> bool:
        run = self._run(run_id)
        return run is not None and run.status in _WAITING

    def _stop(self, **_: Any) -> None:
        self._stopping = time.monotonic()

    def _with_task(self, app: Celery) -> Celery:
        @app.task(name=TASK_EXECUTE_JOB_NAME)
        def _execute_job(execute_job_args_packed: Any) -> None:
            self.execute(unpack_value(execute_job_args_packed, ExecuteRunArgs).run_id)

        return app


def _patiently(attempt: Callable[[], T]) -> T:
    """The result of ``attempt``, repeated while the records are away: no run can go on then."""
    while True:
        try:
            return attempt()
        except Exception as error:  # noqa: BLE001 (of a driver, of SQLAlchemy, of Dagster)
            _LOG.warning("the records are away: %s", str(error).partition("\n")[0])
            time.sleep(1)


def _keep_logging(**_: Any) -> None:
    """Celery leaves the logging of this process alone."""


def is_answering(app: Celery, queue: str, seconds: float = 10.0) -> bool:
    """Whether the worker of a queue on this machine answers."""
    name = f"{queue}@{_node()}"
    return any(name in each for each in app.control.ping([name], timeout=seconds))


def _node() -> str:
    from celery.utils.nodenames import gethostname

    return str(gethostname())
