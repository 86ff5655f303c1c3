"""Runs whose process is gone end as failed; runs whose process lives go on."""

import os
import subprocess
import sys
from collections.abc import Iterator

import dagster as dg
import psutil
import pytest
from dagster._core.events import EngineEventData
from dagster._core.test_utils import create_run_for_test

from coin_assets.orchestration.dead_runs import end_dead_runs

FAILED, STARTED = dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.STARTED


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def started_run(instance: dg.DagsterInstance, process_id: int | None) -> str:
    """A run that started now in the process; None if no event tells which."""
    run = create_run_for_test(instance, "update", status=dg.DagsterRunStatus.STARTING)
    if process_id is not None:
        data = EngineEventData(metadata={"pid": dg.MetadataValue.text(str(process_id))})
        instance.report_engine_event("executing steps", run, data)
    event = dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, "update")
    instance.report_dagster_event(event, run.run_id)
    run_id: str = run.run_id
    return run_id


def status_of(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


def ended_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_run_ends_with_its_process(instance: dg.DagsterInstance) -> None:
    dead = started_run(instance, ended_process())
    assert end_dead_runs(instance) == [dead]
    assert status_of(instance, dead) is FAILED
    assert end_dead_runs(instance) == []


@pytest.mark.parametrize("process_id", [os.getpid(), None], ids=["lives", "unknown"])
def test_a_run_whose_process_lives_or_is_unknown_goes_on(
    instance: dg.DagsterInstance, process_id: int | None
) -> None:
    run_id = started_run(instance, process_id)
    assert end_dead_runs(instance) == []
    assert status_of(instance, run_id) is STARTED


def test_another_process_with_the_same_id_is_not_that_of_the_run(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = started_run(instance, os.getpid())
    (record,) = instance.get_run_records()
    assert record.start_time is not None
    later = record.start_time + 60
    monkeypatch.setattr(psutil.Process, "create_time", lambda _process: later)
    assert end_dead_runs(instance) == [run_id]


def test_a_process_of_another_user_lives(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(process: psutil.Process) -> float:
        raise psutil.AccessDenied(process.pid)

    run_id = started_run(instance, os.getpid())
    monkeypatch.setattr(psutil.Process, "create_time", refuse)
    assert end_dead_runs(instance) == []
    assert status_of(instance, run_id) is STARTED
