"""``late_candles``: changed candles lead to one launch of ``redo_touched``, for their symbols."""

import pytest

from coin_assets_tests.orchestration.sensors.failing import FailingMarket
from coin_assets_tests.platform import BTC, ETH, Platform, series, utc


@pytest.fixture
def changed(platform: Platform) -> Platform:
    """ETH has a candle of January that the market corrects when the month is read again."""
    start, end = utc("2024-01-10"), utc("2024-01-10T01:00")
    candles = platform.store.read_candles(series("1h", ETH), start, end)
    wrong = candles.assign(volume=candles["volume"] + 1)
    platform.store.merge_candles(series("1h", ETH), wrong, start, end)
    assert platform.materialise(["ETH_USDT/ohlcv_1h"], "2024-01-01").success
    return platform


def test_nothing_changed_nothing_launched(platform: Platform) -> None:
    tick = platform.tick("late_candles")
    assert (tick.run_requests, tick.skip_message) == ([], "no candle changed after the fact")


def test_a_changed_candle_is_recomputed_once_for_its_symbol(changed: Platform) -> None:
    (request,) = changed.tick("late_candles").run_requests or []
    assert (request.job_name, request.run_config) == ("redo_touched", {"symbols": [ETH]})
    assert request.run_key is None
    assert changed.launch(request).is_success
    assert changed.tick("late_candles").run_requests == []


def test_it_waits_for_a_run_and_after_a_failure(changed: Platform) -> None:
    (request,) = changed.tick("late_candles").run_requests or []
    run = changed.begin(request)
    assert changed.tick("late_candles").skip_message == "redo_touched is queued or running"
    changed.instance.report_run_failed(run)
    assert "next try" in (changed.tick("late_candles").skip_message or "")
    changed.ahead = 61.0
    (again,) = changed.tick("late_candles").run_requests or []
    assert again.run_config == {"symbols": [ETH]}


def test_other_symbols_are_left_alone(changed: Platform, market: FailingMarket) -> None:
    market.down = {BTC}
    (request,) = changed.tick("late_candles").run_requests or []
    assert changed.launch(request).is_success
    assert changed.materialisations("BTC_USDT/published_1h") == []
