"""``candles_due`` on a Dagster instance: what is due is requested once, in one run a month.

- An empty home gets its newest month, then its history in one run, until there is nothing to do.
- At a boundary one run has exactly the steps that are due; at the edge of a month one run each.
- What is in flight is not requested again; backfills hold up nothing that is live.
- A failing symbol leaves the others alone and is requested again, ever more slowly, for ever.
- A series without a model gets one, once.
"""

import shutil
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster_shared.record import copy as replaced

from coin_assets.domain.timeframes import months_between, next_month
from coin_assets.errors import DataRefused, SymbolUnavailable
from coin_assets_tests.orchestration.sensors.failing import FailingMarket
from coin_assets_tests.platform import BTC, ETH, Platform, series, utc

ALWAYS = (utc("2000-01-01"), utc("2100-01-01"))
BOUNDARY = "2024-02-29T13:00:05"
PURPOSE = "coin_assets/purpose"


def tasks(requests: Iterable[dg.RunRequest]) -> dict[str, set[str]]:
    """Steps by month, as ``BTC_USDT/ohlcv_1h``; of one month there must be one request only."""
    found: dict[str, set[str]] = {}
    for request in requests:
        assert request.partition_key not in found, "two runs of one month"
        assert request.partition_key is not None
        found[request.partition_key] = {
            asset.to_user_string() for asset in request.asset_selection or ()
        }
    return found


def months(request: dg.RunRequest) -> list[str]:
    """Partitions of a run."""
    first = request.partition_key or request.tags.get("dagster/asset_partition_range_start")
    last = request.partition_key or request.tags.get("dagster/asset_partition_range_end")
    if first is None or last is None:
        return []
    return [f"{month:%Y-%m-%d}" for month in months_between(utc(first), next_month(utc(last)))]


def due(platform: Platform) -> list[dg.RunRequest]:
    return list(platform.tick("candles_due").run_requests or [])


def live(platform: Platform) -> list[dg.RunRequest]:
    return [request for request in due(platform) if request.tags[PURPOSE] == "live"]


def of(symbol: str, layers: str, timeframes: str) -> set[str]:
    return {
        f"{symbol}_USDT/{layer}_{timeframe}"
        for layer in layers.split()
        for timeframe in timeframes.split()
    }


def hours(symbol: str) -> set[str]:
    return of(symbol, "ohlcv prediction published", "1h")


# ------------------------------------------------------------------------------- from empty to full


def test_an_empty_home_gets_its_newest_month_and_then_its_history_until_it_rests(
    tmp_path: Path,
) -> None:
    platform = Platform(
        tmp_path / "home",
        "2024-02-29T12:30",
        history_start="2023-11-01",
        derived_timeframes="4h",
    )
    first = due(platform)
    assert tasks(first) == {"2024-02-01": of("BTC", "ohlcv published", "1h")}
    platform.launch(first[0])
    assert platform.entry("1h")["coverage_end"] == "2024-02-29T12:00:00Z"
    requested = [*first, *platform.settle("candles_due")]
    candles = [
        (asset.to_user_string(), month)
        for request in requested
        for asset in request.asset_selection or ()
        for month in months(request)
        if "ohlcv" in asset.to_user_string()
    ]
    assert sorted(candles) == [
        (f"BTC_USDT/ohlcv_{name}", month)
        for name in ("1h", "4h")
        for month in ("2023-11-01", "2023-12-01", "2024-01-01", "2024-02-01")
    ]
    assert [request.tags[PURPOSE] for request in requested].count("history") == 2
    assert set(platform.materialisations("BTC_USDT/ohlcv_4h")) == {month for _, month in candles}
    assert platform.store.count_candles(series("1h"), *ALWAYS) == (30 + 31 + 31 + 28) * 24 + 12
    for name, close in (("1h", "12:00"), ("4h", "12:00")):
        entry = platform.entry(name)
        assert (entry["status"], entry["as_of"]) == ("fresh", f"2024-02-29T{close}:00Z")
        assert not entry["degraded"]
    for sensor in ("candles_due", "publish_due", "late_candles"):
        assert platform.tick(sensor).run_requests == []


# --------------------------------------------------------------------------------------- boundaries


@pytest.fixture(scope="module")
def five(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    """One symbol in five timeframes; the clock goes on from test to test."""
    platform = Platform(
        tmp_path_factory.mktemp("five") / "home",
        "2024-02-24T19:30",
        history_start="2023-10-01",
        derived_timeframes="4h,1d,1w,1M",
    )
    assert platform.update("2023-10-01", "2024-02-01").success
    platform.settle("candles_due")
    return platform


FORECAST = "1h 4h 1d"  # 1w and 1M have too few candles


@pytest.mark.parametrize(
    ("now", "timeframes"),
    [
        ("2024-02-24T20:00:05", "1h 4h"),
        ("2024-02-24T21:00:05", "1h"),
        ("2024-02-25T00:00:05", "1h 4h 1d"),
        ("2024-02-26T00:00:05", "1h 4h 1d 1w"),
    ],
)
def test_a_boundary_is_one_run_with_exactly_what_is_due(
    five: Platform, now: str, timeframes: str
) -> None:
    five.now = now
    forecast = " ".join(set(timeframes.split()) & set(FORECAST.split()))
    wanted = of("BTC", "ohlcv published", timeframes) | of("BTC", "prediction", forecast)
    requests = due(five)
    assert tasks(requests) == {"2024-02-01": wanted}
    five.launch(requests[0])
    assert published(five, timeframes) == {now[:16]}


def test_too_early_nothing_is_due(five: Platform) -> None:
    five.now = "2024-02-26T00:59:59"
    assert due(five) == []
    five.now = "2024-02-26T01:00:01"  # the candle has closed but may still change
    assert due(five) == []


@pytest.mark.parametrize(("ahead", "waits"), [(9, True), (12, False)])
def test_a_tick_shortly_before_a_boundary_waits_for_it(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, ahead: int, waits: bool
) -> None:
    begun = utc("2024-02-29T13:00:02") - timedelta(seconds=ahead)
    platform.now = f"{begun:%Y-%m-%dT%H:%M:%S}"
    slept = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        platform.now = f"{begun + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}"

    monkeypatch.setattr("coin_assets.orchestration.sensors.candles_due.sleep", sleep)
    requested = due(platform)
    assert slept == ([float(ahead)] if waits else [])
    assert tasks(requested) == ({"2024-02-01": hours("BTC") | hours("ETH")} if waits else {})


def test_at_the_edge_of_a_month_candles_belong_to_the_old_one_and_forecasts_to_the_new(
    five: Platform,
) -> None:
    five.now = "2024-02-29T23:00:05"
    five.settle("candles_due")
    five.now = "2024-03-01T00:00:05"
    first = live(five)
    assert tasks(first) == {
        "2024-02-01": of("BTC", "ohlcv", "1h 4h 1d 1M") | of("BTC", "published", "1M")
    }
    five.launch(first[0])
    assert tasks(live(five)) == {"2024-03-01": of("BTC", "prediction published", FORECAST)}
    five.settle("candles_due")
    assert published(five, "1h 4h 1d 1M") == {"2024-03-01T00:00"}
    assert five.store.newest_candles([series("1h")])[series("1h")] == utc("2024-02-29T23:00")


def test_a_week_that_straddles_months_waits_for_the_later_one(five: Platform) -> None:
    five.now = "2024-03-03T23:00:05"
    five.settle("candles_due")
    five.now = "2024-03-04T00:00:05"
    first = live(five)
    assert tasks(first) == {"2024-03-01": of("BTC", "ohlcv prediction published", FORECAST)}
    five.launch(first[0])
    assert tasks(live(five)) == {"2024-02-01": of("BTC", "ohlcv published", "1w")}
    five.settle("candles_due")
    assert published(five, "1h 4h 1d 1w") == {"2024-03-04T00:00"}


def published(platform: Platform, timeframes: str) -> set[str]:
    """Data times of the published history files."""
    return {platform.entry(name)["history"]["as_of"][:16] for name in timeframes.split()}


# ---------------------------------------------------------------------------------------- in flight


def test_a_request_carries_its_own_checks_and_goes_before_backfills(platform: Platform) -> None:
    platform.now = BOUNDARY
    (request,) = due(platform)
    assert request.tags[PURPOSE] == "live"
    assert int(request.tags["dagster/priority"]) > 0
    assert request.run_key is None
    assert request.job_name == "update"
    checks = {
        f"{check.asset_key.to_user_string()} {check.name}"
        for check in request.asset_check_keys or ()
    }
    candles = {"contract", "gaps", "suspicious_bars"}
    assert checks == {
        *(f"{symbol}_USDT/ohlcv_1h {name}" for symbol in ("BTC", "ETH") for name in candles),
        *(f"{symbol}_USDT/prediction_1h sane_forecast" for symbol in ("BTC", "ETH")),
    }


def test_what_is_in_flight_is_not_requested_again(platform: Platform) -> None:
    platform.now = BOUNDARY
    (request,) = due(platform)
    assert tasks([request]) == {"2024-02-01": hours("BTC") | hours("ETH")}
    platform.begin(request)
    tick = platform.tick("candles_due")
    assert tick.run_requests == []
    assert "on their way" in str(tick.skip_message)


def test_only_the_steps_in_flight_are_left_out(platform: Platform) -> None:
    platform.now = BOUNDARY
    (request,) = due(platform)
    asset = dg.AssetKey(["BTC_USDT", "ohlcv_1h"])
    checks = [check for check in request.asset_check_keys or () if check.asset_key == asset]
    platform.begin(replaced(request, asset_selection=[asset], asset_check_keys=checks))
    assert tasks(due(platform)) == {"2024-02-01": hours("ETH")}


def test_a_backfill_holds_up_nothing(platform: Platform) -> None:
    platform.now = BOUNDARY
    (request,) = due(platform)
    platform.begin(replaced(request, tags={"dagster/backfill": "by-hand"}))
    assert tasks(due(platform)) == tasks([request])


# ----------------------------------------------------------------------------------------- failures


def test_a_failing_symbol_is_tried_again_ever_more_slowly_and_leaves_the_others(
    platform: Platform, market: FailingMarket
) -> None:
    market.down, market.kind = {ETH}, SymbolUnavailable
    platform.now = BOUNDARY
    for request in due(platform):
        assert not platform.launch(request).is_success
    assert platform.entry("1h", BTC)["as_of"] == "2024-02-29T13:00:00Z"
    assert platform.entry("1h", ETH)["as_of"] == "2024-02-29T12:00:00Z"
    for minutes in (1, 2, 4):
        platform.ahead = 30.0 * minutes
        assert due(platform) == []
        platform.ahead = 60.0 * minutes + 1
        (request,) = due(platform)
        assert tasks([request]) == {"2024-02-01": hours("ETH")}
        platform.launch(request)
    platform.ahead = 0.0
    platform.now = "2024-02-29T14:00:05"  # the next candle of the other one does not wait
    assert tasks(due(platform)) == {"2024-02-01": hours("BTC")}
    platform.ahead = 15 * 60.0
    assert tasks(due(platform)) == {"2024-02-01": hours("BTC") | hours("ETH")}
    market.down.clear()
    platform.settle("candles_due")
    assert platform.entry("1h", ETH)["as_of"] == "2024-02-29T14:00:00Z"


# ------------------------------------------------------------------------------------------- models


@pytest.fixture
def untrained(platform: Platform) -> Platform:
    """All candles, and no model."""
    shutil.rmtree(platform.settings.home / "models")
    shutil.rmtree(platform.settings.home / "forecasts")
    return platform


def test_a_series_without_a_model_gets_one_and_is_not_requested_twice(untrained: Platform) -> None:
    monthly, training = due(untrained)
    assert monthly.tags[PURPOSE] == "anchors"
    assert tasks([monthly]) == {"2024-02-01": of("BTC", "model", "1h") | of("ETH", "model", "1h")}
    assert training.job_name == "train_models"
    assert training.run_config == {"symbols": [BTC, ETH], "timeframes": ["4h"]}
    assert int(training.tags["dagster/priority"]) < 0
    untrained.begin(monthly)
    untrained.begin(training)
    assert due(untrained) == []


def test_a_version_older_than_the_schedule_allows_is_followed_by_a_training(
    untrained: Platform,
) -> None:
    monthly, _ = due(untrained)
    assert untrained.launch(monthly).is_success  # versions as old as the month
    training = next(each for each in due(untrained) if each.job_name == "train_models")
    assert training.run_config == {"symbols": [BTC, ETH], "timeframes": ["1h", "4h"]}
    assert untrained.launch(training).is_success
    untrained.ahead = 3600.0  # nothing rests any more
    assert "train_models" not in [each.job_name for each in due(untrained)]


def test_a_training_that_brought_nothing_is_left_alone_for_a_while(untrained: Platform) -> None:
    for request in due(untrained):
        assert untrained.launch(request).is_success
    shutil.rmtree(untrained.settings.home / "models")
    assert due(untrained) == []
    untrained.ahead = 14 * 60.0
    assert due(untrained) == []
    untrained.ahead = 16 * 60.0
    assert [request.tags[PURPOSE] for request in due(untrained)] == ["anchors", "training"]


def test_a_training_that_failed_is_tried_again(untrained: Platform) -> None:
    _, training = due(untrained)
    run = untrained.begin(training)
    untrained.instance.report_run_failed(run)
    untrained.ahead = 30.0
    assert "training" not in [request.tags[PURPOSE] for request in due(untrained)]
    untrained.ahead = 61.0
    assert "training" in [request.tags[PURPOSE] for request in due(untrained)]


def test_a_killed_training_of_series_with_models_is_left_to_people(platform: Platform) -> None:
    config = {"symbols": [BTC], "timeframes": ["1h"]}
    run = platform.begin(dg.RunRequest(job_name="train_models", run_config=config))
    platform.instance.report_run_failed(run)
    platform.ahead = 3600.0
    assert due(platform) == []
    assert "job train_models training failed" in str(platform.tick("health_alerts").skip_message)


def test_a_series_that_waits_for_its_next_forecast_is_reported(
    untrained: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    untrained.settle("candles_due")

    def broken(*_: object) -> None:
        raise DataRefused("no forecast today")

    with monkeypatch.context() as patched:
        patched.setattr(
            "coin_assets.domain.forecasting.har.HarForecaster.predict_quantiles", broken
        )
        untrained.now = "2024-02-29T13:00:05"
        untrained.cycle()
    tick = untrained.tick("candles_due")
    assert not tick.run_requests
    assert "BTC/USDT 1h, ETH/USDT 1h lack a forecast; their runs" in str(tick.skip_message)


def test_with_models_everything_is_forecast_and_published(untrained: Platform) -> None:
    untrained.settle("candles_due")
    assert untrained.tick("publish_due").run_requests == []
    for symbol in (BTC, ETH):
        for name in ("1h", "4h"):
            assert untrained.entry(name, symbol)["prediction"]["as_of"] == "2024-02-29T12:00:00Z"


def test_a_series_that_outlives_its_source_is_trained_and_published(tmp_path: Path) -> None:
    platform = Platform(
        tmp_path / "home",
        "2024-02-10T12:00:10",
        source_timeframes="1m",
        derived_timeframes="5m",
        retention="1m:2d",
    )
    platform.settle("candles_due")
    for timeframe in ("1m", "5m"):
        entry = platform.entry(timeframe)
        assert (entry["status"], entry["as_of"]) == ("fresh", "2024-02-10T12:00:00Z")
    assert platform.train().success
