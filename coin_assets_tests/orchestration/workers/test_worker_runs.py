"""Runs of a worker that lives on, with real PostgreSQL, Redis and a worker process.

- A task that comes twice is executed once.
- Outages of Redis and of the database end no run that has started.
- Runs are canceled, and overdue runs killed, on whatever machine they are.
"""

import signal
import time

import dagster as dg
import pytest

pytest.importorskip("dagster_celery", reason="requirements-scale.lock is not installed")

from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher.base import LaunchRunContext

from coin_assets.domain.failures import RUN_OVERDUE
from coin_assets.orchestration.sensors.failed_steps import failed_steps
from coin_assets_tests.deploy.postgres import requires_postgres
from coin_assets_tests.deploy.redis import requires_redis
from coin_assets_tests.orchestration.launcher.launching import lives, until
from coin_assets_tests.orchestration.workers.fleet import Fleet

pytestmark = [requires_postgres, requires_redis]


def test_a_task_that_comes_twice_is_executed_once(working: Fleet) -> None:
    run_id = working.launch()
    for _ in range(3):
        working.workers_launcher.launch_run(LaunchRunContext(working.run(run_id), None))
    working.until_started(run_id)
    until(lambda: working.redis.length("background") == 0)
    working.go()
    assert working.end(run_id) == "SUCCESS"
    assert working.executions(run_id) == 1


def test_while_redis_is_away_runs_stay_in_the_queue_and_workers_wait(working: Fleet) -> None:
    first = working.launch()
    working.until_started(first)
    working.redis.stop()
    try:
        with pytest.raises(DagsterUserCodeUnreachableError, match="waits in Dagster's queue"):
            working.launch()
    finally:
        working.redis.start()
    second = working.launch()
    working.until_started(second)
    working.go()
    assert [working.end(each) for each in (first, second)] == ["SUCCESS", "SUCCESS"]


def test_a_run_survives_a_restart_of_the_database(working: Fleet) -> None:
    run_id = working.launch()
    process = working.description(run_id)["pid"]
    working.postgres.stop()
    time.sleep(4)  # its worker looks at it at least once
    working.postgres.start()
    until(lambda: working.workers_launcher.leases.is_held(run_id))
    assert lives(process)
    working.go()
    assert working.end(run_id) == "SUCCESS"


def test_a_waiting_run_is_canceled_at_once_and_never_starts(working: Fleet) -> None:
    (worker,) = working.workers
    worker.signal(signal.SIGSTOP)
    try:
        run_id = working.launch()
        assert working.workers_launcher.terminate(run_id)
        assert working.run(run_id).status is dg.DagsterRunStatus.CANCELED
    finally:
        worker.signal(signal.SIGCONT)
    until(lambda: working.redis.length("background") == 0, lambda: worker.log)
    other = working.launch()
    working.until_started(other)
    assert working.executions(run_id) == 0
    assert not working.workers_launcher.terminate(run_id)


def test_a_run_on_a_worker_is_canceled(working: Fleet) -> None:
    run_id = working.launch()
    process = working.description(run_id)["pid"]
    assert working.workers_launcher.terminate(run_id)
    assert working.end(run_id) == "CANCELED"
    until(lambda: not lives(process))


def test_a_run_that_hangs_is_killed_when_its_time_is_over(working: Fleet) -> None:
    run_id = working.launch("hanging", dagster__max_runtime="1")
    process = working.description(run_id)["pid"]
    assert working.end(run_id) == "FAILURE"
    until(lambda: not lives(process))

    def codes() -> set[str]:
        return {record.code for record in failed_steps(working.instance, run_id).values()}

    until(lambda: RUN_OVERDUE in codes(), codes)
