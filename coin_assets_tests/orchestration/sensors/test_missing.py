"""The manifest gives the reason why files are missing, from the first tick of a home on."""

from pathlib import Path

from coin_assets_tests.orchestration.sensors.failing import FailingMarket
from coin_assets_tests.platform import Platform, failures, given
from coin_assets_tests.schemas import assert_valid


def reason(platform: Platform, timeframe: str) -> str | None:
    platform.tick("publish_due")
    assert_valid("manifest", platform.manifest)
    found: str | None = platform.entry(timeframe)["reason"]
    return found


def test_a_young_home_says_what_each_series_waits_for(tmp_path: Path) -> None:
    platform = Platform(
        tmp_path / "home",
        "2024-01-20T12:30",
        history_start="2024-01-01",
        derived_timeframes="1d,1M",
    )
    platform.market = given(FailingMarket())
    first = "the first candle of this timeframe closes at 2024-02-01 00:00 UTC"
    assert reason(platform, "1h") == "its candles were not fetched yet"
    assert reason(platform, "1d") == "the 1h candles that it is derived from were not fetched yet"
    assert reason(platform, "1M") == first
    done = platform.materialise(["BTC_USDT/ohlcv_1h"], "2024-01-01")
    assert done.success, failures(done)
    assert reason(platform, "1h") == "its candles are stored; its history file was not written yet"
    assert reason(platform, "1d") == "its candles were not derived from 1h yet"
    assert reason(platform, "1M") == first
    platform.settle("candles_due")
    assert (reason(platform, "1h"), platform.entry("1h")["status"]) == (None, "fresh")
    assert (reason(platform, "1d"), platform.entry("1d")["status"]) == (None, "insufficient_data")
    assert reason(platform, "1M") == first
    platform.now = "2024-02-01T00:01"
    assert reason(platform, "1M") == "its candles were not derived from 1h yet"


def test_a_tick_that_finds_the_same_reason_rewrites_nothing(tmp_path: Path) -> None:
    platform = Platform(tmp_path / "home", "2024-01-20T12:30", derived_timeframes="1d,1M")
    platform.market = given(FailingMarket())
    assert len(platform.tick("publish_due").asset_events) == 1
    platform.now = "2024-01-20T12:31"
    assert platform.tick("publish_due").asset_events == []


def test_a_prediction_file_that_is_gone_has_a_reason(platform: Platform) -> None:
    (platform.published / "prediction_BTC_USDT_1h.json").unlink()
    expected = "its forecast is stored; its prediction file was not written yet"
    assert (reason(platform, "1h"), platform.entry("1h")["status"]) == (expected, "missing")
    platform.settle("publish_due")
    assert (reason(platform, "1h"), platform.entry("1h")["status"]) == (None, "fresh")
