"""A Celery worker of one queue: it executes each run in a process that has imported everything.

The processes come from the run server that executes runs on one machine as well
(`coin_assets.orchestration.run_server`), so a run starts as fast and is as separate from others.
What the worker does for each run is in `coin_assets.orchestration.workers.execution`.
"""

import logging
import time
from typing import Any

import dagster as dg
from celery.signals import setup_logging, worker_shutting_down
from celery.utils.nodenames import gethostname
from dagster._serdes import serialize_value

from coin_assets.errors import ConfigurationError
from coin_assets.orchestration.run_server import Order
from coin_assets.orchestration.run_server_client import RunServers
from coin_assets.orchestration.workers.execution import Execution
from coin_assets.orchestration.workers.launcher import EXECUTE_RUN, WorkerRunLauncher

_PRELOADED = ("coin_assets.orchestration.records.postgres",)
_GRACE_SECONDS = 20.0  # of runs, when the worker is stopped
_ANSWER_SECONDS = 10.0
_LOG = logging.getLogger("coin_assets.worker")


class Worker:
    """Executes the runs of a queue, some at a time.

    Args:
        instance: its launcher names the broker.

    Raises:
        ConfigurationError: the instance sends its runs elsewhere.
    """

    def __init__(self, instance: dg.DagsterInstance, queue: str) -> None:
        launcher = instance.run_launcher
        if not isinstance(launcher, WorkerRunLauncher):
            raise ConfigurationError(
                f"DAGSTER_HOME: its dagster.yaml has the run launcher {type(launcher).__name__}, "
                "which sends nothing to workers; use deploy/dagster.celery.yaml."
            )
        self._instance, self._leases = instance, launcher.leases
        self._app, self._queue = launcher.celery, queue
        self._reference = serialize_value(instance.get_ref())
        self._servers = RunServers(_PRELOADED, tied=True)
        self._leaving: float | None = None

    def serve(self, slots: int) -> None:
        """Take runs until a signal ends this process.

        After SIGTERM it takes no more; those that last longer than a grace period are interrupted.
        """
        self._app.task(self._execute, name=EXECUTE_RUN)
        worker_shutting_down.connect(self._leave, weak=False)
        setup_logging.connect(_keep_logging, weak=False)
        self._servers.prepare()
        self._app.worker_main(
            [
                *("worker", "--queues", self._queue, "--hostname", f"{self._queue}@%h"),
                *("--pool", "threads", "--concurrency", str(slots), "--loglevel", "WARNING"),
                *("--without-gossip", "--without-mingle", "--without-heartbeat"),
            ]
        )

    def is_answering(self) -> bool:
        """Whether the worker of this queue on this machine answers."""
        name = f"{self._queue}@{gethostname()}"
        answers = self._app.control.ping([name], timeout=_ANSWER_SECONDS)
        return any(name in each for each in answers)

    def _execute(self, run_id: str) -> None:
        """The task of Celery."""
        order = Order(run_id, self._reference)
        Execution(self._instance, self._leases, self._is_to_leave, order).execute(self._servers)

    def _is_to_leave(self) -> bool:
        """Whether runs have to end now."""
        return self._leaving is not None and time.monotonic() - self._leaving > _GRACE_SECONDS

    def _leave(self, **_: Any) -> None:
        _LOG.info("stopping: no more runs; those that last are interrupted in %d s", _GRACE_SECONDS)
        self._leaving = time.monotonic()


def _keep_logging(**_: Any) -> None:
    """Celery leaves the logging of this process alone."""
