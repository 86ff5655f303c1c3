"""Run launcher that sends runs to Celery workers.

It is dagster-celery's, on Redis, with what that one lacks (docs/decisions.md):

- the queue follows from the run's tags;
- a broker that is away leaves the run in Dagster's queue;
- a task that was lost, in Redis or on its way to a worker that died, is sent again;
- whether a run has a worker is read from its lease, not from the last state that a task reported;
- runs are not resumed, but requested again by the planner, which knows what is still missing;
- cancelling works by the status of the run, which its worker watches.
"""

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import dagster as dg
from dagster._config.config_schema import UserConfigSchema
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher.base import CheckRunHealthResult, LaunchRunContext, WorkerStatus
from dagster._serdes.config_class import ConfigurableClassData
from dagster_celery.launcher import CeleryRunLauncher
from kombu.entity import Queue
from kombu.exceptions import OperationalError

from coin_assets.config.records import postgres_parameters
from coin_assets.errors import ConfigurationError
from coin_assets.orchestration.run_processes import WORKER_TAG
from coin_assets.orchestration.workers.queues import BACKGROUND, QUEUES, queue_of
from coin_assets.orchestration.workers.run_leases import RunLeases

EXECUTE_RUN = "coin_assets.execute_run"  # the task of workers; its argument is the run's id
_ANSWER_SECONDS = 10
# A run that has no worker for so long is sent again. If it only waits for a slot, the worker that
# takes it finds the second task done.
_LOST_SECONDS = 30.0
# A run without a lease is dead; one whose worker takes the lease again after a restart of the
# database is not.
_GONE_SECONDS = 15.0
# They write SQLite files beside the code location, and end within seconds (make ack does the same).
_NOT_FOR_WORKERS = {"acknowledge_alert": "make ack"}
_CONFIG: dict[str, Any] = {
    "task_queues": [Queue(each, routing_key=each) for each in QUEUES],
    "task_routes": {},  # of dagster-celery's tasks
    "task_default_queue": BACKGROUND,
    "task_default_priority": 0,  # in Redis each other one is a list of its own
    "task_ignore_result": True,  # Dagster's records have the result of a run
    # What a dead worker has taken is not delivered again: `resend_lost` sends it, and sooner.
    "task_acks_late": False,
    "worker_prefetch_multiplier": 1,
    "worker_disable_prefetch": True,  # a task waits in Redis until some worker has a slot
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,  # a worker waits for Redis, however long
    "broker_transport_options": {
        "socket_connect_timeout": _ANSWER_SECONDS,
        "socket_timeout": _ANSWER_SECONDS,
        "socket_keepalive": True,
        "health_check_interval": _ANSWER_SECONDS,
    },
    "task_publish_retry": False,  # Dagster's queue repeats it
}


class WorkerRunLauncher(CeleryRunLauncher):
    """`CeleryRunLauncher` for this platform; ``deploy/dagster.celery.yaml`` names it."""

    def __init__(self, broker: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(BACKGROUND, broker=broker, inst_data=inst_data)
        self.celery.conf.update(_CONFIG)
        self.leases = RunLeases(postgres_parameters())
        # When this process saw first that a started run has no worker, by the id of the run.
        self._missed: dict[str, float] = {}

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """The broker alone."""
        return {"broker": dg.Field(dg.StringSource, description="redis://host:6379/0")}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]
    ) -> Self:
        """The launcher of an entry of ``dagster.yaml``."""
        return cls(config_value["broker"], inst_data)

    def launch_run(self, context: LaunchRunContext) -> None:
        """Send the run to its queue.

        Raises:
            ConfigurationError: its job is not for workers, or its tag names no queue.
            DagsterUserCodeUnreachableError: Redis is away; the run stays in Dagster's queue.
        """
        self._send(context.dagster_run)

    def _send(self, run: dg.DagsterRun) -> None:
        instead = _NOT_FOR_WORKERS.get(run.job_name)
        if instead:
            raise ConfigurationError(
                f"{run.job_name} writes files of the code location's machine, which workers do not "
                f"reach. Use {instead} there."
            )
        queue = queue_of(run)
        self._instance.add_run_tags(run.run_id, {WORKER_TAG: queue})
        try:
            self.celery.send_task(EXECUTE_RUN, (run.run_id,), queue=queue)
        except (OperationalError, OSError) as error:
            raise DagsterUserCodeUnreachableError(
                f"Redis cannot be reached ({error}); the run waits in Dagster's queue."
            ) from error
        self._instance.report_engine_event(f"Sent to the workers of {queue}.", run, cls=type(self))

    def resend_lost(self) -> list[str]:
        """Send runs again that have had no worker for long; return their ids.

        Raises:
            DagsterUserCodeUnreachableError: Redis is away.
            LockUnavailable: the database does not answer.
        """
        waiting = dg.RunsFilter(
            statuses=[dg.DagsterRunStatus.STARTING],
            updated_before=datetime.now(UTC) - timedelta(seconds=_LOST_SECONDS),
        )
        lost = [
            run for run in self._instance.get_runs(waiting) if not self.leases.is_held(run.run_id)
        ]
        for run in lost:
            self._send(run)  # its tag is a new update
        return [run.run_id for run in lost]

    def terminate(self, run_id: str) -> bool:
        """Let the worker of a run interrupt it; a run without worker is canceled at once."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        if run.status is not dg.DagsterRunStatus.CANCELING:
            self._instance.report_run_canceling(run)
        if not self.leases.is_held(run_id):
            self._instance.report_run_canceled(run)
        return True

    @property
    def supports_resume_run(self) -> bool:
        """No: a worker that was taken for dead could still write."""
        return False

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether a worker has the lease of a started run."""
        now = time.monotonic()
        if self.leases.is_held(run.run_id):
            self._missed.pop(run.run_id, None)
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        if now - self._missed.setdefault(run.run_id, now) < _GONE_SECONDS:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        del self._missed[run.run_id]
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "its worker is gone")

    def get_run_worker_debug_info(
        self,
        run: dg.DagsterRun,
        include_container_logs: bool | None = True,  # noqa: ARG002
    ) -> str | None:
        """Where the run was sent."""
        return f"It was sent to the workers of {run.tags.get(WORKER_TAG, 'no queue')}."

    def dispose(self) -> None:
        """Close the connections to Redis."""
        self.celery.close()
