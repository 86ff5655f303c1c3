"""``retrain``: the runs of a Monday, of a 1st, and of an ordinary day."""

from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.schedule_definition import ScheduleExecutionData

from coin_assets.config.settings import Settings
from coin_assets.orchestration.build import series_specs
from coin_assets.orchestration.jobs.training import training_job
from coin_assets.orchestration.sensors.retrain import retrain_schedule
from coin_assets_tests.platform import utc


def schedule(home: Path, derived: str = "4h,1d,1w,1M") -> dg.ScheduleDefinition:
    specs = series_specs(Settings(home=home, derived_timeframes=derived))
    return retrain_schedule(specs, training_job(specs))


def requested(retrain: dg.ScheduleDefinition, day: str) -> ScheduleExecutionData:
    context = dg.build_schedule_context(scheduled_execution_time=utc(f"{day}T00:35"))
    return retrain.evaluate_tick(context)


@pytest.mark.parametrize(
    ("day", "due"),
    [
        ("2026-11-24", ["1h", "4h", "1d"]),
        ("2026-11-23", ["1h", "4h", "1d", "1w"]),
        ("2026-12-01", ["1h", "4h", "1d", "1M"]),
        ("2026-06-01", ["1h", "4h", "1d", "1w", "1M"]),
    ],
)
def test_one_run_trains_all_symbols_of_the_timeframes_that_are_due(
    tmp_path: Path, day: str, due: list[str]
) -> None:
    retrain = schedule(tmp_path)
    (request,) = requested(retrain, day).run_requests or []
    assert request.run_config == {"timeframes": due}
    assert request.tags["dagster/priority"] == "-1"
    assert request.tags["dagster/schedule_name"] == "retrain"  # what retries are made by
    assert request.run_key is None


def test_the_job_takes_what_is_requested(tmp_path: Path) -> None:
    specs = series_specs(Settings(home=tmp_path))
    job = training_job(specs)
    (request,) = requested(retrain_schedule(specs, job), "2026-06-01").run_requests or []
    assert dg.validate_run_config(job, request.run_config)


def test_a_day_without_a_due_timeframe_is_skipped_with_a_reason(tmp_path: Path) -> None:
    specs = series_specs(Settings(home=tmp_path))
    weekly = [spec for spec in specs if spec.series.timeframe.name == "1w"]
    data = requested(retrain_schedule(weekly, training_job(specs)), "2026-11-24")
    assert not data.run_requests
    assert data.skip_message == "No configured timeframe is trained on Tuesday 2026-11-24."


def test_it_runs_by_itself_every_night(tmp_path: Path) -> None:
    retrain = schedule(tmp_path)
    assert (retrain.cron_schedule, retrain.execution_timezone) == ("35 0 * * *", "UTC")
    assert retrain.default_status == dg.DefaultScheduleStatus.RUNNING
    assert retrain.job_name == "train_models"
    assert retrain.description
