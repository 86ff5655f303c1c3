"""``make up`` with damaged records, and with a run that hangs: both are over by themselves."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import psutil
import pytest

from coin_assets.domain.failures import RUN_OVERDUE
from coin_assets.orchestration.run_processes import recorded_process
from coin_assets.orchestration.sensors.failed_steps import failed_steps
from coin_assets_tests import test_up
from coin_assets_tests.alerts.receiver import Receiver
from coin_assets_tests.test_up import Up, succeeded, up
from coin_assets_tests.webui import ROOT

PURPOSE = "coin_assets/purpose"


@contextmanager
def records(folder: Path) -> Iterator[dg.DagsterInstance]:
    """The instance of the home in ``folder``."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("COIN_DAGSTER_HOME", str(folder / "home" / "dagster"))
        with dg.DagsterInstance.from_config(str(ROOT)) as instance:
            yield instance


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["history/runs.db", "history/runs/index.db"])
def test_damaged_records_do_not_stop_the_start(tmp_path: Path, name: str) -> None:
    with records(tmp_path) as instance:
        instance.create_run_for_job(test_up.nothing)
    database = tmp_path / "home" / "dagster" / name
    database.write_bytes(bytes(database.stat().st_size))
    with up(tmp_path) as made:
        made.works()
        assert f"{database}.damaged-" in made.log.read_text()
        made.until(lambda: succeeded(made.ui))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "name", ["history/runs.db", "history/runs/index.db", "schedules/schedules.db"]
)
def test_records_that_are_damaged_while_it_runs_are_told_and_over_with_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(test_up, "WAIT_SECONDS", 400)
    database = tmp_path / "home" / "dagster" / name
    with Receiver() as receiver:
        settings = {
            "COIN_ALERT_CYCLE_SECONDS": "5",
            "COIN_ALERT_WEBHOOKS": f"json+{receiver.url}",
        }

        def told() -> set[str]:
            return {subject for each in receiver.accepted for subject in each["subjects"]}

        with up(tmp_path, **settings) as made:
            made.until((tmp_path / "home" / "alerts" / "heartbeat.json").exists)
            for each in (database, database.with_name(f"{database.name}-wal")):
                each.write_bytes(bytes(each.stat().st_size))
            made.until(lambda: bool(told() & {"database", "alerting"}))
            (remedy, *_) = [each["text"] for each in receiver.accepted if "To do" in each["text"]]
            assert "restart make up" in remedy
        with up(tmp_path, **settings) as made:
            made.works()
            assert f"{database}.damaged-" in made.log.read_text()
            made.until(lambda: "Dagster's records" in told())
            made.until(lambda: succeeded(made.ui))


def stopped_run(made: Up, instance: dg.DagsterInstance) -> dg.DagsterRun:
    """A live run whose process has just been stopped."""
    found: list[dg.DagsterRun] = []

    def is_stopped() -> bool:
        started = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED], tags={PURPOSE: "live"})
        for run in instance.get_runs(started):
            process = recorded_process(run)
            if process is not None and process.is_alive():
                os.kill(process.id, signal.SIGSTOP)
                found.append(run)
                return True
        return False

    made.until(is_stopped)
    return found[0]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_live_run_that_is_stopped_is_killed_and_its_work_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(test_up, "WAIT_SECONDS", 900)  # its time limit, on a busy machine
    with up(tmp_path) as made, records(tmp_path) as instance:
        run = stopped_run(made, instance)
        process = recorded_process(run)
        assert process is not None
        made.until(lambda: psutil.Process(process.id).status() == psutil.STATUS_STOPPED)

        def has_failed() -> bool:
            now = instance.get_run_by_id(run.run_id)
            return now is not None and now.status is dg.DagsterRunStatus.FAILURE

        made.until(has_failed)
        assert not process.is_alive()
        (record, *_) = failed_steps(instance, run.run_id).values()
        assert record.code == RUN_OVERDUE
        made.until(lambda: succeeded(made.ui))
        published = tmp_path / "home" / "published" / "history_BTC_USDT_1h.json"
        made.until(published.exists)
