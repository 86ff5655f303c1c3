"""Runs that hang or are killed: told by the alerts, ended with their process, requested again."""

import subprocess
import sys
import time
from collections.abc import Iterator

import dagster as dg
import pytest

from coin_assets.orchestration.dead_runs import end_dead_runs
from coin_assets.orchestration.run_processes import RunProcess
from coin_assets.orchestration.sensors.alert_settings import alert_settings
from coin_assets_tests.platform import BTC, ETH, Platform, utc

BOUNDARY = "2024-02-29T13:00:05"
LIMIT, PURPOSE = "dagster/max_runtime", "coin_assets/purpose"
STOPS = "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)"


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has stopped."""
    with subprocess.Popen([sys.executable, "-c", STOPS]) as started:
        yield started
        started.kill()


def due(platform: Platform) -> list[dg.RunRequest]:
    return list(platform.tick("candles_due").run_requests or [])


def begun(platform: Platform, request: dg.RunRequest, process: int, limit: str = "") -> str:
    """A run of what was requested, in the process."""
    run = platform.begin(request)
    tags = RunProcess.recorded(process).tag | ({LIMIT: limit} if limit else {})
    platform.instance.add_run_tags(run.run_id, tags)
    return run.run_id


def test_a_live_run_that_hangs_is_killed_told_and_requested_again(
    platform: Platform, process: subprocess.Popen[bytes]
) -> None:
    platform.now = BOUNDARY
    (request,) = due(platform)
    assert float(request.tags[LIMIT]) == 7 * 60  # two symbols
    run_id = begun(platform, request, process.pid, limit="0.3")
    assert due(platform) == []
    time.sleep(0.3)
    platform.tick("health_alerts")
    assert process.wait(5) == -9
    incidents = alert_settings(platform.settings).book.incidents()
    assert {f"{BTC} 1h", f"{ETH} 1h"} <= incidents.keys()
    condition = incidents[f"{BTC} 1h"].condition
    assert (condition.kind, condition.cause) == ("failing", "a run did not end in time")
    assert f"run {run_id[:8]} (update) did not end within 0.005 min" in condition.detail
    assert due(platform) == []
    platform.ahead = 61.0  # as after any failure
    (again,) = due(platform)
    assert again.asset_selection == request.asset_selection
    assert platform.launch(again).is_success
    platform.tick("health_alerts")
    assert not alert_settings(platform.settings).book.incidents()


# --------------------------------------------------------------------------------------- trainings


@pytest.fixture
def next_night(platform: Platform) -> Platform:
    """The second night later: no monthly version is as recent as the training of the night."""
    platform.now = "2024-03-02T00:34:00"
    for _ in range(6):
        if not platform.cycle():
            break
    platform.ahead = 0.0
    return platform


def trainings(platform: Platform) -> list[dg.RunRequest]:
    return [each for each in due(platform) if each.job_name == "train_models"]


def scheduled(platform: Platform) -> dg.RunRequest:
    """What ``retrain`` requests tonight."""
    schedule = platform.definitions.resolve_schedule_def("retrain")
    at = utc(platform.now[:10] + "T00:35")
    with dg.build_schedule_context(scheduled_execution_time=at) as context:
        (request,) = schedule.evaluate_tick(context).run_requests or []
    return request.with_replaced_attrs(job_name="train_models")


def test_a_training_of_the_schedule_that_was_missed_or_killed_is_requested(
    next_night: Platform, process: subprocess.Popen[bytes]
) -> None:
    platform = next_night
    for now in ("00:34:00", "00:44:00"):  # before the schedule, and while it comes first
        platform.now = f"2024-03-02T{now}"
        assert trainings(platform) == []
    platform.now = "2024-03-02T00:46:00"
    (missed,) = trainings(platform)
    assert missed.run_config == {"symbols": [BTC, ETH], "timeframes": ["1h", "4h"]}
    run_id = begun(platform, scheduled(platform), process.pid)
    assert trainings(platform) == []  # the schedule was only late
    process.kill()
    process.wait()
    assert end_dead_runs(platform.instance) == [run_id]
    platform.ahead = 30.0
    assert trainings(platform) == []  # it backs off, as after any failure
    platform.ahead = 61.0
    (again,) = trainings(platform)
    assert (again.run_config, again.tags[PURPOSE]) == (missed.run_config, "training")
    assert platform.launch(again).is_success
    platform.ahead += 3600.0
    platform.now = "2024-03-02T00:59:00"
    assert trainings(platform) == []
