"""``train_models``: trains the chosen series, reports it, and fails loudly series by series."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest
import yaml  # type: ignore[import-untyped]

from coin_assets.domain.candles.frame import empty_candles
from coin_assets.domain.failures import FailureRecord
from coin_assets.models.registry import ModelRegistry
from coin_assets.orchestration.assets.specs import TRAINING_POOL
from coin_assets.orchestration.build import series_specs
from coin_assets.orchestration.failures import RECORD_EVENTS, records_of
from coin_assets.orchestration.jobs.training import RETRY_AFTER, training_job
from coin_assets.orchestration.metadata import rounded
from coin_assets.orchestration.resources import Clock
from coin_assets_tests.platform import BTC, ETH, Platform, failures, series, utc
from coin_assets_tests.realdata import REPOSITORY

NOW = "2024-07-10T12:30"
SCHEDULED = {"dagster/schedule_name": "retrain"}
BY_SENSOR = {"dagster/sensor_name": "training_events"}
ALWAYS = utc("2020-01-01"), utc("2030-01-01")


def platform_at(home: Path) -> Platform:
    return Platform(
        home,
        now=NOW,
        symbols=f"{BTC},{ETH}",
        derived_timeframes="1d",
        history_start="2024-02-01",
    )


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with candles, made once."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("COIN_HOME", "COIN_SYMBOLS"):
            patch.delenv(name, raising=False)
        platform = platform_at(tmp_path_factory.mktemp("stored") / "home")
        candles = [
            f"{symbol}/ohlcv_{name}" for symbol in ("BTC_USDT", "ETH_USDT") for name in ("1h", "1d")
        ]
        assert platform.materialise(candles, "2024-02-01", "2024-07-01").success
    return platform.settings.home


@pytest.fixture
def platform(tmp_path: Path, stored: Path) -> Platform:
    shutil.copytree(stored, tmp_path / "home")
    return platform_at(tmp_path / "home")


def versions(platform: Platform, timeframe: str = "1h", symbol: str = BTC) -> list[Any]:
    return ModelRegistry(platform.settings.home).versions(series(timeframe, symbol))


def test_without_config_every_series_is_trained_on_all_closed_candles(platform: Platform) -> None:
    assert platform.train().success
    for symbol, name in ((BTC, "BTC_USDT"), (ETH, "ETH_USDT")):
        (hour,) = versions(platform, "1h", symbol)
        (day,) = versions(platform, "1d", symbol)
        assert (hour.cutoff, day.cutoff) == (utc("2024-07-10T12:00"), utc("2024-07-10"))
        assert platform.materialisations(f"{name}/model_1h") == ["2024-07-01"]
        assert platform.materialisations(f"{name}/model_1d") == ["2024-07-01"]
    assert platform.metadata("BTC_USDT/model_1d")["training_rows"] == 160.0


def test_it_trains_on_what_is_stored_however_old_that_is(platform: Platform) -> None:
    platform.now = "2024-07-12T18:00"
    assert platform.train(symbols=[BTC], timeframes=["1h"]).success
    assert [version.cutoff for version in versions(platform)] == [utc("2024-07-10T12:00")]


def test_a_series_without_candles_fails_and_names_the_months(platform: Platform) -> None:
    for timeframe in ("1h", "1d"):
        platform.store.delete_candles(series(timeframe, ETH), utc("2024-01-01"), utc("2025-01-01"))
    result = platform.train()
    assert "2 of 4 series failed" in failures(result)["train"]
    assert "ETH/USDT 1h candles of 2024-02 to 2024-07" in failures(result)["train"]
    assert len(versions(platform, "1h", BTC)) == 1


def test_training_the_same_again_makes_no_second_version(platform: Platform) -> None:
    platform.train()
    assert platform.train().success
    assert len(versions(platform)) == 1
    assert platform.metadata("BTC_USDT/model_1h")["created"] is False


def test_the_monthly_version_and_later_ones_stand_side_by_side(platform: Platform) -> None:
    assert platform.materialise(["BTC_USDT/model_1h"], "2024-07-01").success
    platform.train(symbols=[BTC], timeframes=["1h"])
    assert [version.cutoff for version in versions(platform)] == [
        utc("2024-07-01"),
        utc("2024-07-10T12:00"),
    ]


def test_only_what_is_chosen_is_trained(platform: Platform) -> None:
    assert platform.train(symbols=[ETH], timeframes=["1d"]).success
    assert len(versions(platform, "1d", ETH)) == 1
    assert not versions(platform, "1h", ETH)
    assert not versions(platform, "1d", BTC)


def test_cutoff_and_lookback_bound_the_candles(platform: Platform) -> None:
    assert platform.train(
        symbols=[BTC], timeframes=["1h"], cutoff="2024-06-15T00:00:00Z", lookback="20d"
    ).success
    (version,) = versions(platform)
    facts = version.metadata()
    assert (facts["data_start"], facts["data_end"], facts["rows"]) == (
        "2024-05-26T00:00:00+00:00",
        "2024-06-15T00:00:00+00:00",
        480,
    )
    assert platform.materialisations("BTC_USDT/model_1h") == ["2024-06-01"]


@pytest.mark.parametrize(
    ("lookback", "message"),
    [("365d", "would train BTC/USDT 1h on "), ("5d", "would not train BTC/USDT 1h on 120 candles")],
)
def test_a_dry_run_trains_nothing_and_logs_what_it_would(
    platform: Platform, lookback: str, message: str
) -> None:
    result = platform.train(dry_run=True, lookback=lookback)
    assert result.success
    assert not versions(platform)
    assert platform.materialisations("BTC_USDT/model_1h") == []
    assert any(
        entry.user_message.startswith(message)
        for entry in platform.instance.all_logs(result.run_id)
    )


def test_a_failing_series_leaves_the_others_and_is_named(platform: Platform) -> None:
    platform.store.delete_candles(series("1d", ETH), utc("2024-03-01"), utc("2024-04-01"))
    result = platform.train()
    message = failures(result)["train"]
    assert "1 of 4 series failed" in message
    assert "ETH/USDT 1d" in message
    assert "2024-03" in message
    assert len(versions(platform, "1h", ETH)) == len(versions(platform, "1d", BTC)) == 1


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"symbols": ["BTCUSDT"]}, "BTCUSDT"),
        ({"timeframes": ["2h"]}, "2h"),
        ({"cutoff": "yesterday"}, "yesterday"),
        ({"cutoff": "2024-07-11T00:00:00Z"}, "2024-07-11"),
        ({"lookback": "long"}, "long"),
    ],
)
def test_bad_config_is_refused_with_the_value(
    platform: Platform, config: dict[str, Any], expected: str
) -> None:
    assert expected in failures(platform.train(**config))["train"]
    assert not versions(platform)


# ----------------------------------------------------------------------------------------- metrics


def output_of(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    (output,) = [
        event.step_output_data for event in result.all_events if event.is_successful_output
    ]
    return {name: value.value for name, value in output.metadata.items()}


def test_each_model_reports_duration_rows_and_loss_as_numbers_that_plot(platform: Platform) -> None:
    platform.train()
    facts = platform.metadata("BTC_USDT/model_1h")
    assert {type(facts[name]) for name in ("duration_seconds", "training_rows", "loss")} == {float}
    assert facts["training_rows"] == 161 * 24 - 12 - 24 + 12 + 12
    assert facts["loss"] == rounded(versions(platform)[0].metadata()["loss"]) > 0
    assert facts["duration_seconds"] > 0


def test_a_training_ends_with_a_summary(platform: Platform) -> None:
    platform.train(symbols=[BTC])
    facts = output_of(platform.train())
    assert [facts[name] for name in ("created", "kept", "insufficient", "failed")] == [2, 2, 0, 0]
    assert facts["duration_seconds"] > 0
    head, _, *rows = facts["series"].splitlines()
    assert head == "| series | version | state | rows | seconds | loss |"
    assert [row.split(" | ")[2] for row in rows] == ["kept", "kept", "created", "created"]
    assert rows[3].startswith("| ETH/USDT 1d | 1 | created | 160 | ")


def records(instance: dg.DagsterInstance, run_id: str) -> list[FailureRecord]:
    """What the one step of a training left, one record for each try that failed."""
    (found,) = records_of(instance.all_logs(run_id, of_type=RECORD_EVENTS)).values()
    return found


def test_a_failure_carries_the_summary_and_the_series(platform: Platform) -> None:
    """What alerts need: the newest finished run, whether it failed, and what failed."""
    young = series("1d", BTC)
    platform.store.delete_candles(young, utc("2024-02-01"), utc("2024-04-20"))
    platform.store.write_candles(young, empty_candles(), utc("2024-02-01"), utc("2024-04-01"))
    platform.store.delete_candles(series("1d", ETH), utc("2024-03-01"), utc("2024-04-01"))
    platform.train()
    (run,) = platform.instance.get_runs(
        dg.RunsFilter(
            job_name="train_models",
            statuses=[dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE],
        ),
        limit=1,
    )
    assert run.status is dg.DagsterRunStatus.FAILURE
    (entry,) = platform.instance.all_logs(run.run_id, dg.DagsterEventType.STEP_FAILURE)
    (record,) = records(platform.instance, run.run_id)
    assert (record.code, record.parts) == ("parts_failed", ("ETH/USDT 1d",))
    assert "1 of 4 series failed: ETH/USDT 1d: " in record.message
    event = entry.get_dagster_event()
    assert event.step_failure_data.user_failure_data is not None
    facts = {
        name: value.value
        for name, value in event.step_failure_data.user_failure_data.metadata.items()
    }
    assert facts["failed_series"] == ["ETH/USDT 1d"]
    assert [facts[name] for name in ("created", "kept", "insufficient", "failed")] == [2, 0, 1, 1]
    assert "| ETH/USDT 1d |  | failed | 0 | " in str(facts["series"])
    assert "| BTC/USDT 1d |  | insufficient | 81 | " in str(facts["series"])


# ----------------------------------------------------------------------------------------- retries


class WrittenClock(Clock):
    """A clock that shows what stands in a file."""

    file: str

    def now(self) -> datetime:
        return utc(Path(self.file).read_text())


@pytest.fixture
def clock(tmp_path: Path) -> Path:
    file = tmp_path / "clock"
    file.write_text(NOW)
    return file


@pytest.fixture
def lasting(tmp_path: Path) -> dg.DagsterInstance:
    """An instance that threads can share."""
    (tmp_path / "instance").mkdir()
    return dg.DagsterInstance.local_temp(str(tmp_path / "instance"))


def train(
    platform: Platform,
    clock: Path,
    instance: dg.DagsterInstance,
    tags: dict[str, str],
    wait: float = 0.05,
    **config: Any,
) -> dg.ExecuteInProcessResult:
    """Run the job with short waiting times."""
    definitions = dg.Definitions(
        jobs=[training_job(series_specs(platform.settings), (timedelta(seconds=wait),) * 2)],
        resources={
            **(platform.definitions.resources or {}),
            "clock": WrittenClock(settle_seconds=2, file=str(clock)),
        },
        executor=dg.in_process_executor,
    )
    return definitions.resolve_job_def("train_models").execute_in_process(
        run_config=config, instance=instance, tags=tags, raise_on_error=False
    )


def tries(result: dg.ExecuteInProcessResult) -> int:
    return 1 + sum(event.is_step_up_for_retry for event in result.all_events)


@contextmanager
def between_tries(instance: dg.DagsterInstance, act: Callable[[], object]) -> Iterator[None]:
    """Act, in another thread, as soon as a run waits for its next try."""
    done = threading.Event()

    def watch() -> None:
        waiting = {dg.DagsterEventType.STEP_UP_FOR_RETRY}
        while not done.is_set():
            runs = instance.get_runs(limit=1)
            if runs and instance.all_logs(runs[0].run_id, of_type=waiting):
                act()
                return
            time.sleep(0.05)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def test_a_scheduled_training_tries_again_until_the_candles_are_back(
    platform: Platform, clock: Path, lasting: dg.DagsterInstance
) -> None:
    """Time goes on meanwhile, and what was trained at first is neither made nor reported again."""
    store, broken = platform.store, series("1d", ETH)
    kept = store.read_candles(broken, *ALWAYS)
    store.delete_candles(broken, utc("2024-03-01"), utc("2024-04-01"))

    def heal() -> None:
        hour = series("1h", BTC)
        newest = store.read_candles(hour, *ALWAYS).tail(1)
        later = newest.assign(timestamp=newest["timestamp"] + pd.Timedelta("1h"))
        store.merge_candles(hour, later, utc("2024-07-01"), utc("2024-08-01"))
        clock.write_text("2024-07-10T13:10")
        store.write_candles(broken, kept, utc("2024-02-01"), utc("2024-08-01"))

    with between_tries(lasting, heal):
        result = train(platform, clock, lasting, SCHEDULED, wait=1.5)
    assert result.success, failures(result)
    assert tries(result) == 2
    assert [version.cutoff for version in versions(platform)] == [utc("2024-07-10T12:00")]
    assert len(versions(platform, "1d", ETH)) == 1
    entries = lasting.all_logs(result.run_id, dg.DagsterEventType.ASSET_MATERIALIZATION)
    reported = [
        entry.asset_materialization.asset_key.to_user_string()
        for entry in entries
        if entry.asset_materialization and "created" in entry.asset_materialization.metadata
    ]
    assert sorted(reported) == [
        f"{symbol}/model_{name}" for symbol in ("BTC_USDT", "ETH_USDT") for name in ("1d", "1h")
    ]
    facts = output_of(result)
    assert [facts[name] for name in ("created", "kept", "failed")] == [4, 0, 0]
    (waited,) = lasting.all_logs(result.run_id, dg.DagsterEventType.STEP_UP_FOR_RETRY)
    (again,) = lasting.all_logs(result.run_id, dg.DagsterEventType.STEP_RESTARTED)
    assert again.timestamp - waited.timestamp > 1.4
    (record,) = records(lasting, result.run_id)
    assert (record.code, record.parts) == ("parts_failed", ("ETH/USDT 1d",))
    assert "ETH/USDT 1d" in record.message


@pytest.mark.parametrize(("tags", "expected"), [({}, 1), (SCHEDULED, 3), (BY_SENSOR, 3)])
def test_what_stays_broken_fails_after_two_more_tries_and_at_once_for_a_person(
    platform: Platform,
    clock: Path,
    lasting: dg.DagsterInstance,
    tags: dict[str, str],
    expected: int,
) -> None:
    platform.store.delete_candles(series("1d", ETH), utc("2024-03-01"), utc("2024-04-01"))
    result = train(platform, clock, lasting, tags)
    assert not result.success
    assert tries(result) == expected
    assert len(lasting.all_logs(result.run_id, dg.DagsterEventType.STEP_FAILURE)) == 1
    found = records(lasting, result.run_id)
    assert len(found) == expected
    assert all(each.message.startswith("1 of 4 series failed: ETH/USDT 1d: ") for each in found)
    assert len(versions(platform)) == 1


def test_a_wrong_configuration_is_never_tried_again(
    platform: Platform, clock: Path, lasting: dg.DagsterInstance
) -> None:
    result = train(platform, clock, lasting, SCHEDULED, timeframes=["2h"])
    assert "2h" in failures(result)["train"]
    assert tries(result) == 1


def test_the_waiting_times_are_ten_and_thirty_minutes() -> None:
    assert tuple(wait / timedelta(minutes=1) for wait in RETRY_AFTER) == (10, 30)


# --------------------------------------------------------------------------------------------- pool


def test_trainings_share_a_pool_that_holds_one_run(platform: Platform) -> None:
    job = platform.definitions.resolve_job_def("train_models")
    assert job.graph.node_named("train").definition.pools == {TRAINING_POOL}
    instance = yaml.safe_load((REPOSITORY / "dagster.yaml").read_text())
    assert instance["concurrency"]["pools"] == {"granularity": "run", "default_limit": 1}
