"""Runs on Celery workers, with real PostgreSQL, Redis and worker processes.

- A run is executed by a worker of its queue, in a process of its own; live runs do not wait.
- When a worker, its machine or a task is lost, a run ends, is found dead, or is sent again.
"""

import os
import signal
import time
from pathlib import Path

import dagster as dg
import psutil
import pytest
import yaml  # type: ignore[import-untyped]

pytest.importorskip("dagster_celery", reason="requirements-scale.lock is not installed")

from dagster._core.launcher.base import LaunchRunContext, WorkerStatus

from coin_assets.errors import ConfigurationError
from coin_assets.orchestration.dead_runs import end_dead_runs
from coin_assets.orchestration.workers import launcher as launchers
from coin_assets.orchestration.workers.lost_runs import resend_lost_runs
from coin_assets_tests.deploy.postgres import requires_postgres
from coin_assets_tests.deploy.redis import requires_redis
from coin_assets_tests.orchestration.launcher.launching import lives, until
from coin_assets_tests.orchestration.workers.fleet import INSTANCE, Fleet, Worker
from coin_assets_tests.webui import ROOT

pytestmark = [requires_postgres, requires_redis]
LIVE = {"coin_assets__purpose": "live"}


def test_all_sections_but_launcher_and_limits_are_those_of_the_containers() -> None:
    ours, other = (
        yaml.safe_load(file.read_text()) for file in (INSTANCE, INSTANCE.parent / "dagster.yaml")
    )
    assert ours.pop("run_launcher")["class"] == "WorkerRunLauncher"
    assert other.pop("run_launcher")["class"] == "RemoteRunLauncher"
    limits = ours["concurrency"].pop("runs"), other["concurrency"].pop("runs")
    assert [each["max_concurrent_runs"] for each in limits] == [25, 5]
    assert ours["run_monitoring"].pop("poll_interval_seconds") == 10
    assert other["run_monitoring"].pop("poll_interval_seconds") == 30
    ours["run_coordinator"]["config"] = other["run_coordinator"]["config"]
    assert ours == other


def test_a_run_waits_for_a_worker_of_its_queue(sent: Fleet) -> None:
    run_id, live = sent.launch(), sent.launch(**LIVE)
    assert [sent.redis.length(each) for each in ("live", "background", "training")] == [1, 1, 0]
    assert sent.postgres.password not in " ".join(sent.redis.tasks("background"))
    worker = sent.worker("live")
    found = sent.description(live)
    assert found["parent"] != worker.pid  # the run server forked it
    assert psutil.Process(found["parent"]).ppid() == worker.pid
    assert sent.run(run_id).status is dg.DagsterRunStatus.STARTING
    sent.go()
    assert sent.end(live) == "SUCCESS"
    sent.worker("background")
    assert sent.end(run_id) == "SUCCESS"
    assert sent.executions(run_id) == sent.executions(live) == 1


@pytest.mark.slow  # the test above starts a live run beside a waiting one, too
def test_live_runs_do_not_wait_for_others(sent: Fleet) -> None:
    sent.worker("background", slots=1)
    sent.worker("live", slots=1)
    busy, waiting = sent.launch(), sent.launch()
    until(lambda: dg.DagsterRunStatus.STARTED in {sent.run(busy).status, sent.run(waiting).status})
    live = sent.launch(**LIVE)
    sent.until_started(live)
    statuses = {sent.run(each).status for each in (busy, waiting)}
    assert statuses == {dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING}


def test_runs_of_a_killed_worker_end_with_it(sent: Fleet) -> None:
    worker, run_id = sent.worker(), sent.launch()
    process = sent.description(run_id)["pid"]
    assert sent.workers_launcher.leases.is_held(run_id)
    assert end_dead_runs(sent.instance) == []  # whatever number its process has elsewhere
    worker.signal(signal.SIGKILL)
    assert sent.end(run_id) == "FAILURE"
    until(lambda: not lives(process))
    until(lambda: not sent.workers_launcher.leases.is_held(run_id))


def test_a_run_whose_machine_is_gone_is_found_dead(
    sent: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, run_id = sent.worker(), sent.launch()
    found = sent.description(run_id)
    family = [worker.pid, found["parent"], found["pid"]]
    for each in family:
        os.kill(each, signal.SIGSTOP)
    for each in family:
        os.kill(each, signal.SIGKILL)
    until(lambda: not any(map(lives, family[1:])))
    until(lambda: not sent.workers_launcher.leases.is_held(run_id))
    run = sent.run(run_id)
    assert run.status is dg.DagsterRunStatus.STARTED
    healthy = sent.workers_launcher.check_run_worker_health(run)
    assert healthy.status is WorkerStatus.RUNNING  # for a moment
    monkeypatch.setattr(launchers, "_GONE_SECONDS", 0.0)
    assert sent.workers_launcher.check_run_worker_health(run).status is WorkerStatus.NOT_FOUND


def test_a_task_that_was_lost_is_sent_again(sent: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = sent.launch()
    sent.redis.empty()
    assert resend_lost_runs(sent.instance) == []
    monkeypatch.setattr(launchers, "_LOST_SECONDS", 0.0)
    assert resend_lost_runs(sent.instance) == [run_id]
    sent.worker()
    sent.until_started(run_id)
    assert resend_lost_runs(sent.instance) == []
    sent.go()
    assert sent.end(run_id) == "SUCCESS"
    assert sent.executions(run_id) == 1


def test_a_stopped_worker_lets_its_runs_end(sent: Fleet) -> None:
    worker, run_id = sent.worker(), sent.launch()
    sent.until_started(run_id)
    worker.signal(signal.SIGTERM)
    time.sleep(1)
    assert sent.run(run_id).status is dg.DagsterRunStatus.STARTED
    sent.go()
    assert sent.end(run_id) == "SUCCESS"
    assert worker.wait() == 0


def test_what_writes_files_of_one_machine_is_not_sent(sent: Fleet) -> None:
    run = dg.DagsterRun(job_name="acknowledge_alert")
    with pytest.raises(ConfigurationError, match="make ack"):
        sent.workers_launcher.launch_run(LaunchRunContext(run, None))


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("COIN_LOCKS", "files", "COIN_LOCKS: 'files' excludes the writers of one machine only"),
        ("DAGSTER_HOME", str(ROOT), "has the run launcher WarmRunLauncher"),
    ],
)
def test_a_worker_that_could_not_work_does_not_start(
    sent: Fleet, tmp_path: Path, name: str, text: str, told: str
) -> None:
    worker = Worker(tmp_path, sent.environment | {name: text}, "live")
    assert worker.wait() == 2
    assert told in worker.log
    assert sent.postgres.password not in worker.log
