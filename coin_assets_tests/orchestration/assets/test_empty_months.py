"""Months without anything to make are reported with nothing in them, so that none looks unfinished.

- After the passes of ``make demo`` no partition of any asset is missing.
- A report never replaces an event: neither of real rows, nor of a failed run.
- The newest event of an asset stays the one of real rows.
"""

from pathlib import Path

import dagster as dg
import pytest

from coin_assets.domain.layers import CANDLES, MODELS, PREDICTIONS
from coin_assets.orchestration.build import series_specs
from coin_assets_tests.orchestration.records.homes import open_home
from coin_assets_tests.platform import Platform

TIMEFRAMES = ("1h", "1d", "1w", "1M")
HOUR = "BTC_USDT/prediction_1h"
PARTITIONED = (CANDLES, MODELS, PREDICTIONS)
ROWS = "dagster/partition_row_count"


def assets(name: str) -> list[str]:
    return [f"BTC_USDT/{name}_{timeframe}" for timeframe in TIMEFRAMES]


def platform_of(home: Path, now: str = "2024-07-10T12:30", **settings: str) -> Platform:
    platform = Platform(home, now=now, derived_timeframes="1d,1w,1M", **settings)
    platform.instance = open_home(home / "dagster")
    return platform


def demo(platform: Platform) -> None:
    """The runs of ``make demo``."""
    running = f"{platform.now[:7]}-01"
    assert platform.materialise(assets("ohlcv"), "2024-01-01", running).success
    made = [*assets("model"), *assets("prediction"), *assets("published")]
    assert platform.materialise(made, running).success


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    return platform_of(tmp_path / "home")


def missing(platform: Platform) -> dict[str, list[str]]:
    """Partitions without an event, by asset, up to the month that the platform's clock shows."""
    found = {}
    for spec in series_specs(platform.settings):
        for layer in PARTITIONED:
            key = spec.asset_key(layer)
            reported = platform.instance.get_materialized_partitions(key)
            names = [
                name
                for name in spec.partitions.get_partition_keys()
                if name <= f"{platform.now[:7]}-01" and name not in reported
            ]
            if names:
                found[key.to_user_string()] = names
    return found


def events(platform: Platform, asset: str) -> list[str | None]:
    """Partitions of all events, newest first."""
    key = dg.AssetKey(asset.split("/"))
    records = platform.instance.fetch_materializations(key, limit=1000).records
    return [record.partition_key for record in records]


def test_no_partition_is_missing_after_a_demo(platform: Platform) -> None:
    demo(platform)
    assert missing(platform) == {}
    early = platform.metadata(HOUR, "2024-03-01")
    assert early[ROWS] == 0
    assert "No forecast was made for this month: the first ones are of 2024-07." in early["reason"]
    assert platform.metadata("BTC_USDT/model_1h", "2024-03-01")["reason"] == (
        "No model was needed for this month: the first one has the cutoff 2024-07-01."
    )
    too_few = platform.metadata("BTC_USDT/prediction_1w", "2024-03-01")["reason"]
    assert "there were too few candles" in too_few
    assert "forecast" in platform.metadata(HOUR)  # the newest event is of the real forecasts
    assert events(platform, HOUR) == [f"2024-{month:02d}-01" for month in (7, 6, 5, 4, 3, 2, 1)]


def test_a_second_demo_reports_no_month_again(platform: Platform) -> None:
    demo(platform)
    before = events(platform, HOUR)
    demo(platform)
    assert events(platform, HOUR) == ["2024-07-01", *before]


def test_real_and_failed_months_stay_as_they_are(platform: Platform) -> None:
    running = "2024-07-01"
    assert platform.materialise(assets("ohlcv"), "2024-01-01", running).success
    assert platform.materialise(["BTC_USDT/model_1h"], "2024-04-01").success
    folder = platform.settings.home / "candles/symbol=BTC_USDT/timeframe=1h/month=2024-05"
    (folder / "candles.parquet").rename(folder / "kept")
    assert not platform.materialise([HOUR], "2024-05-01").success
    (folder / "kept").rename(folder / "candles.parquet")
    made = [*assets("model"), *assets("prediction")]
    assert platform.materialise(made, running).success
    assert missing(platform) == {HOUR: ["2024-05-01"]}
    assert platform.metadata("BTC_USDT/model_1h", "2024-04-01")["created"] is True
    assert platform.materialise([HOUR], "2024-05-01").success
    assert platform.metadata(HOUR, "2024-05-01")["forecasts_added"] > 0
    assert missing(platform) == {}


def test_a_training_by_the_job_reports_the_months_before_it(platform: Platform) -> None:
    assert platform.materialise(assets("ohlcv"), "2024-01-01", "2024-07-01").success
    assert platform.train(timeframes=["1h"]).success
    model = "BTC_USDT/model_1h"
    assert model not in missing(platform)
    assert platform.metadata(model)["training_rows"] > 0


def test_months_without_the_platform_have_no_model(platform: Platform) -> None:
    demo(platform)
    platform.now = "2024-10-02T12:30"
    assert platform.materialise(assets("ohlcv"), "2024-07-01", "2024-10-01").success
    assert platform.materialise(["BTC_USDT/model_1h"], "2024-10-01").success
    assert (
        "by the version before it" in platform.metadata("BTC_USDT/model_1h", "2024-09-01")["reason"]
    )


def test_the_running_month_of_a_long_timeframe_has_no_candle_yet(tmp_path: Path) -> None:
    platform = platform_of(tmp_path / "home", now="2024-07-03T12:30")
    assert platform.materialise(assets("ohlcv"), "2024-01-01", "2024-06-01").success
    assert set(missing(platform)) >= {"BTC_USDT/ohlcv_1h", "BTC_USDT/ohlcv_1d"}
    for name in ("ohlcv_1w", "ohlcv_1M"):
        month = platform.metadata(f"BTC_USDT/{name}", "2024-07-01")
        assert (month[ROWS], month["reason"]) == (0, "No candle of this month has closed yet.")
        assert events(platform, f"BTC_USDT/{name}")[0] == "2024-06-01"


def test_months_beyond_retention_hold_no_candles(tmp_path: Path) -> None:
    platform = platform_of(tmp_path / "home", retention="1h:60d")
    assert platform.materialise(["BTC_USDT/ohlcv_1h"], "2024-05-01", "2024-07-01").success
    early = platform.metadata("BTC_USDT/ohlcv_1h", "2024-03-01")
    assert early["reason"] == "No candle of this month is kept: it is older than COIN_RETENTION."
    assert "BTC_USDT/ohlcv_1h" not in missing(platform)


def test_rows_that_dagster_does_not_know_of_are_counted(tmp_path: Path) -> None:
    platform = platform_of(tmp_path / "home")
    demo(platform)
    platform.instance = open_home(tmp_path / "other")
    platform.now = "2024-08-02T12:30"
    assert platform.materialise(assets("ohlcv"), "2024-01-01", "2024-08-01").success
    assert platform.materialise([*assets("model"), HOUR], "2024-08-01").success
    known = platform.metadata(HOUR, "2024-07-01")
    assert known[ROWS] > 24
    assert known["reason"] == "Dagster has no record of how these rows were made."
    assert platform.metadata("BTC_USDT/model_1h", "2024-07-01")[ROWS] == 1
