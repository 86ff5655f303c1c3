"""``enforce_retention``: what is too old goes; afterwards nobody misses it or brings it back.

- Candles, forecasts, revisions and ledger entries of the timeframes that COIN_RETENTION names.
- Months before are empty, not missing; derived candles made of them stay as they are.
- The whole update works on what is left.
- Old model versions go, of every timeframe, but for those that something may still need.
"""

import json
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest

from coin_assets.domain.candles.frame import VALUES
from coin_assets.domain.candles.gap_ledger import Ledger
from coin_assets.domain.candles.revisions import revisions_between
from coin_assets.domain.methods import CHALLENGER, CHAMPION
from coin_assets.models.evaluations import EvaluationBook
from coin_assets.models.registry import ModelRegistry, ModelVersion
from coin_assets_tests.market.patchy import PatchyMarket
from coin_assets_tests.platform import BTC, ETH, Platform, failures, files_of, given, series, utc

HOUR, FOUR = "BTC_USDT/ohlcv_1h", "BTC_USDT/ohlcv_4h"
KEPT = utc("2024-06-26")
ALWAYS = utc("2020-01-01"), utc("2030-01-01")


def enforce(platform: Platform, **config: Any) -> dg.ExecuteInProcessResult:
    return platform.definitions.resolve_job_def("enforce_retention").execute_in_process(
        run_config=config, instance=platform.instance, raise_on_error=False
    )


def removed_by(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    (output,) = [
        event.step_output_data for event in result.all_events if event.is_successful_output
    ]
    return {name: value.value for name, value in output.metadata.items()}


@pytest.fixture
def market() -> PatchyMarket:
    return PatchyMarket([("2024-05-10T05:00", "2024-05-10T09:00")])


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with half a year, made once.

    Four-hour candles are kept whole; the hours they were made of were not yet removed.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("COIN_HOME", raising=False)
        whole = platform_at(tmp_path_factory.mktemp("stored") / "home", "4h:900d")
        whole.market = given(PatchyMarket([("2024-05-10T05:00", "2024-05-10T09:00")]))
        assert whole.update("2024-01-01", "2024-07-01").success
    return whole.settings.home


@pytest.fixture
def platform(tmp_path: Path, stored: Path, market: PatchyMarket) -> Platform:
    shutil.copytree(stored, tmp_path / "home")
    platform = platform_at(tmp_path / "home", "1h:14d")
    platform.market = given(market)
    return platform


def platform_at(home: Path, retention: str) -> Platform:
    return Platform(home, now="2024-07-10T12:30", derived_timeframes="4h", retention=retention)


def opens(platform: Platform, timeframe: str) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(platform.store.read_candles(series(timeframe), *ALWAYS)["timestamp"])


def test_what_is_older_goes_and_the_rest_stays(platform: Platform) -> None:
    store = platform.store
    before = store.read_candles(series("1h"), KEPT, ALWAYS[1])
    forecasts = store.read_forecasts(series("1h"), KEPT, ALWAYS[1])
    store.record_revisions(series("1h"), revision(platform, "2024-06-25T23:00"))
    store.record_revisions(series("1h"), revision(platform, "2024-06-26T00:00"))
    assert store.read_ledger(series("1h")).absences
    result = enforce(platform)
    assert result.success
    pd.testing.assert_frame_equal(store.read_candles(series("1h"), *ALWAYS), before)
    pd.testing.assert_frame_equal(store.read_forecasts(series("1h"), *ALWAYS), forecasts)
    assert list(store.read_revisions(series("1h"), *ALWAYS)["timestamp"]) == [KEPT]
    assert store.read_ledger(series("1h")) == Ledger(listed=utc("2017-08-17T04:00"))
    facts = removed_by(result)
    assert facts["candles"] == (KEPT - utc("2024-01-01")).days * 24 - 4
    assert facts["forecasts"] > 24 * 24
    assert facts["revisions"] == 1
    assert "| BTC/USDT 1h | 2024-06-26 00:00 |" in facts["series"]
    assert "| BTC/USDT 4h | always | 0 | 0 | 0 |" in facts["series"]


def revision(platform: Platform, opened: str) -> pd.DataFrame:
    candle = platform.store.read_candles(
        series("1h"), utc(opened), utc(opened) + pd.Timedelta("1h")
    )
    return revisions_between(candle, candle.assign(volume=candle["volume"] + 1), utc("2024-07-01"))


def test_timeframes_without_a_retention_are_not_touched(platform: Platform) -> None:
    home = platform.settings.home
    four = {name: text for name, text in files_of(home).items() if "timeframe=4h" in name}
    assert four
    assert enforce(platform).success
    after = files_of(home)
    assert {name: after[name] for name in four} == four


def test_a_dry_run_counts_and_removes_nothing(platform: Platform) -> None:
    home = platform.settings.home
    before = files_of(home)
    would = removed_by(enforce(platform, dry_run=True))
    assert files_of(home) == before
    assert removed_by(enforce(platform)) == would
    assert removed_by(enforce(platform))["candles"] == 0


def test_an_old_month_is_materialised_empty_without_a_request(
    platform: Platform, market: PatchyMarket
) -> None:
    enforce(platform)
    market.asked.clear()
    derived = files_of(platform.settings.home / "candles" / "symbol=BTC_USDT" / "timeframe=4h")
    assert platform.materialise([HOUR, FOUR], "2024-03-01").success
    assert market.asked == []
    hours, fours = (platform.metadata(asset, "2024-03-01") for asset in (HOUR, FOUR))
    assert (hours["dagster/partition_row_count"], hours["missing"]) == (0, 0)
    assert (fours["dagster/partition_row_count"], fours["missing"]) == (31 * 6, 0)
    assert fours["rows_changed"] == 0
    folder = platform.settings.home / "candles" / "symbol=BTC_USDT" / "timeframe=4h"
    assert files_of(folder) == derived


def test_the_month_that_is_cut_is_requested_from_there_on(
    platform: Platform, market: PatchyMarket
) -> None:
    enforce(platform)
    market.asked.clear()
    derived = files_of(platform.settings.home / "candles" / "symbol=BTC_USDT" / "timeframe=4h")
    assert platform.materialise([HOUR, FOUR], "2024-06-01").success
    assert market.asked == [(KEPT, utc("2024-07-01"))]
    assert opens(platform, "1h")[0] == KEPT
    hours = platform.metadata(HOUR, "2024-06-01")
    assert (hours["dagster/partition_row_count"], hours["missing"]) == (5 * 24, 0)
    folder = platform.settings.home / "candles" / "symbol=BTC_USDT" / "timeframe=4h"
    assert files_of(folder) == derived


def test_the_whole_update_goes_on(platform: Platform) -> None:
    enforce(platform)
    platform.now = "2024-07-12T08:00:02"
    result = platform.update("2024-07-01")
    assert result.success, failures(result)
    assert opens(platform, "4h")[0] == utc("2024-01-01")
    assert opens(platform, "4h")[-1] == utc("2024-07-12T04:00")
    manifest = json.loads((platform.published / "manifest.json").read_bytes())
    assert [each["status"] for each in manifest["public"]["entries"]] == ["fresh", "fresh"]
    assert platform.update("2024-03-01").success
    assert opens(platform, "1h")[0] == KEPT


def test_day_after_day_the_same_rule_holds(platform: Platform, market: PatchyMarket) -> None:
    for day in (11, 12, 13):
        platform.now = f"2024-07-{day}T03:20"
        market.asked.clear()
        result = platform.update("2024-07-01")
        assert result.success, failures(result)
        assert enforce(platform).success
        kept = utc(f"2024-06-{day + 16}")
        assert opens(platform, "1h")[0] == kept
        assert min(start for start, _ in market.asked) >= kept
    assert len(opens(platform, "4h")) == (utc("2024-07-13") - utc("2024-01-01")).days * 6


def test_an_empty_rest_of_a_month_stays_fetched(tmp_path: Path) -> None:
    platform = Platform(
        tmp_path, now="2024-07-14T12:30", derived_timeframes="4h", retention="1h:14d"
    )
    platform.market = given(PatchyMarket([("2024-06-20", "2024-07-01")]))
    assert platform.materialise([HOUR], "2024-06-01", "2024-07-01").success
    assert enforce(platform).success  # keeps 2024-06-30 on, of which there is nothing
    assert utc("2024-06-01") in platform.store.fetched_months(series("1h"))
    assert platform.materialise([FOUR], "2024-06-01", "2024-07-01").success


def test_minutes_are_bounded_and_what_is_made_of_them_is_not(tmp_path: Path) -> None:
    platform = Platform(
        tmp_path,
        now="2024-03-10T00:10:02",
        history_start="2024-02-01",
        source_timeframes="1m",
        derived_timeframes="5m",
        retention="1m:2d",
    )
    assert platform.update("2024-02-01", "2024-03-01").success
    assert opens(platform, "1m")[0] == utc("2024-03-08")
    platform.now = "2024-03-11T00:10:02"
    result = platform.update("2024-03-01")
    assert result.success, failures(result)
    assert enforce(platform).success
    assert opens(platform, "1m")[0] == utc("2024-03-09")
    assert opens(platform, "5m")[0] == utc("2024-03-08")
    result = platform.update("2024-03-01")
    assert result.success, failures(result)
    assert opens(platform, "5m")[0] == utc("2024-03-08")


def test_derived_candles_that_are_too_old_are_not_made_again(platform: Platform) -> None:
    both = platform_at(platform.settings.home, "4h:14d")
    both.market = platform.market
    assert enforce(both).success
    for month in ("2024-03-01", "2024-06-01", "2024-07-01"):
        result = both.update(month)
        assert result.success, failures(result)
        assert opens(both, "4h")[0] == KEPT
    assert opens(both, "1h")[0] == utc("2024-01-01")
    facts = both.metadata(FOUR, "2024-03-01")
    assert (facts["dagster/partition_row_count"], facts["missing"]) == (0, 0)


def test_a_damaged_file_stops_its_own_series_only(tmp_path: Path) -> None:
    platform = Platform(
        tmp_path,
        now="2024-03-10T00:30",
        symbols=f"{BTC},{ETH}",
        derived_timeframes="4h",
        retention="1h:14d",
    )
    assert platform.materialise([HOUR, HOUR.replace("BTC", "ETH")], "2024-01-01").success
    assert platform.store.extent(series("1h")) is None  # nothing of it is expected
    for symbol in (BTC, ETH):
        month = hours(utc("2024-01-01"), utc("2024-02-01"))
        platform.store.merge_candles(
            series("1h", symbol), month, utc("2024-01-01"), utc("2024-02-01")
        )
    file = platform.settings.home / (
        "candles/symbol=BTC_USDT/timeframe=1h/month=2024-01/candles.parquet"
    )
    file.write_bytes(b"no parquet")
    message = failures(enforce(platform))["enforce"]
    assert "1 of 4 series failed: BTC/USDT 1h: " in message
    assert str(file) in message
    assert platform.store.count_candles(series("1h", ETH), *ALWAYS) == 0


def hours(start: datetime, end: datetime) -> pd.DataFrame:
    frame = pd.DataFrame({"timestamp": series("1h").timeframe.opens(start, end)})
    for name in VALUES:
        frame[name] = 1.0
    return frame


# ----------------------------------------------------------------------------------- model versions


def daily_versions(platform: Platform, days: int = 60) -> list[ModelVersion]:
    """One a day from February on, beside those that the update has trained."""
    registry = ModelRegistry(platform.settings.home)
    forecaster = registry.load(registry.versions(series("1h"))[0])
    return [
        registry.add(series("1h"), forecaster, utc("2024-02-01T06:00") + timedelta(days=day), FACTS)
        for day in range(days)
    ]


FACTS = {"lookback": None, "rows": 300}


def left(platform: Platform, timeframe: str = "1h") -> list[str]:
    registry = ModelRegistry(platform.settings.home)
    return [version.name for version in registry.versions(series(timeframe))]


def test_old_model_versions_go_but_for_those_that_something_needs(platform: Platform) -> None:
    registry = ModelRegistry(platform.settings.home)
    trained = left(platform)
    daily = daily_versions(platform)
    assert daily[-1].cutoff < utc("2024-04-11T12:30")  # all of them are older than ninety days
    now = utc(platform.now)
    record: dict[str, Any] = {"since": now, "reason": "", "by": "", "recorded_at": now}
    registry.appoint(series("1h"), CHAMPION, daily[3], **record)
    registry.appoint(series("1h"), CHALLENGER, daily[5], **record)
    registry.appoint(series("1h"), CHALLENGER, daily[7], **record)
    EvaluationBook(platform.settings.home).write(series("1h"), evaluated_with(daily[9].name))
    newest = platform.store.read_forecasts(series("1h"), utc("2024-07-10T12:00"), ALWAYS[1])
    platform.store.revise_forecasts(series("1h"), newest.assign(model_version=daily[11].name))
    needed = [daily[place].name for place in (3, 5, 7, 9, 11)]
    result = enforce(platform)
    assert result.success, failures(result)
    assert left(platform) == [*trained, *needed, *(version.name for version in daily[-10:])]
    assert registry.load(daily[11]).name == registry.load(daily[-1]).name
    facts = removed_by(result)
    assert facts["model_versions"] == len(daily) - 15
    assert f"| {daily[0].name}, {daily[1].name}, " in facts["series"]
    assert removed_by(enforce(platform))["model_versions"] == 0


def evaluated_with(version: str) -> dict[str, Any]:
    """An evaluation that scores a version."""
    numbers = ("pinball", "mae", "smape", "sharpness")
    unknown = ("skill", "mase", "directional_accuracy", "coverage_80", "coverage_90")
    counts = {"origins": 24, "live": 24, "backtest": 0, "versions": {version: 24}}
    return {
        "schema_version": 1,
        "symbol": BTC,
        "timeframe": "1h",
        "as_of": "2024-07-10T12:00:00Z",
        "window": {"start": "2024-06-10T12:00:00Z", "end": "2024-07-10T12:00:00Z"},
        "champion": {**counts, **dict.fromkeys(numbers, 1.0), **dict.fromkeys(unknown)},
        "challenger": None,
        "drift": {"state": "unknown", "since": None, "reasons": []},
        "promotion": None,
    }


def test_a_dry_run_names_the_versions_and_removes_none(platform: Platform) -> None:
    daily_versions(platform)
    before = files_of(platform.settings.home)
    would = enforce(platform, dry_run=True)
    assert files_of(platform.settings.home) == before
    assert removed_by(would)["model_versions"] == 50
    assert removed_by(enforce(platform))["series"] == removed_by(would)["series"]


def test_the_months_can_be_forecast_again_without_what_was_removed(platform: Platform) -> None:
    """A forecast that exists stays as it is; monthly versions make those that are missing."""
    daily_versions(platform)
    assert enforce(platform).success
    platform.store.delete_forecasts(series("4h"), utc("2024-05-01"), utc("2024-06-01"))
    result = platform.materialise(["BTC_USDT/prediction_4h"], "2024-05-01")
    assert result.success, failures(result)


def test_a_damaged_record_of_roles_stops_its_own_series_only(platform: Platform) -> None:
    daily = daily_versions(platform)
    (daily[0].folder.parent / "roles.json").write_bytes(b"")
    before = left(platform)
    message = failures(enforce(platform))["enforce"]
    assert "1 of 2 series failed: BTC/USDT 1h: " in message
    assert str(daily[0].folder.parent / "roles.json") in message
    assert left(platform) == before


def test_it_runs_every_night(platform: Platform) -> None:
    schedule = platform.definitions.resolve_schedule_def("retention")
    assert schedule.job_name == "enforce_retention"
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("20 3 * * *", "UTC")
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING
    assert schedule.description
