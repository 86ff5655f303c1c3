"""``train_models``: trains what is asked for, reports it, and fails loudly key by key."""

from pathlib import Path
from typing import Any

import pytest

from coin_assets.models.registry import ModelRegistry
from coin_assets_tests.platform import BTC, ETH, Platform, failures, key, utc


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    platform = Platform(
        tmp_path / "home",
        now="2024-07-10T12:30",
        symbols=f"{BTC},{ETH}",
        derived_timeframes="1d",
        history_start="2024-02-01",
    )
    candles = [
        f"{symbol}/ohlcv_{name}" for symbol in ("BTC_USDT", "ETH_USDT") for name in ("1h", "1d")
    ]
    assert platform.materialise(candles, "2024-02-01", "2024-07-01").success
    return platform


def versions(platform: Platform, timeframe: str = "1h", symbol: str = BTC) -> list[Any]:
    return ModelRegistry(platform.settings.home).versions(key(timeframe, symbol))


def test_without_config_every_key_is_trained_on_all_closed_candles(platform: Platform) -> None:
    assert platform.train().success
    for symbol, name in ((BTC, "BTC_USDT"), (ETH, "ETH_USDT")):
        (hour,) = versions(platform, "1h", symbol)
        (day,) = versions(platform, "1d", symbol)
        assert (hour.cutoff, day.cutoff) == (utc("2024-07-10T12:00"), utc("2024-07-10"))
        assert platform.materialisations(f"{name}/model_1h") == ["2024-07-01"]
        assert platform.materialisations(f"{name}/model_1d") == ["2024-07-01"]
    assert platform.metadata("BTC_USDT/model_1d")["training_candles"] == 160


def test_it_trains_on_what_is_stored_however_old_that_is(platform: Platform) -> None:
    platform.now = "2024-07-12T18:00"
    assert platform.train(symbols=[BTC], timeframes=["1h"]).success
    assert [version.cutoff for version in versions(platform)] == [utc("2024-07-10T12:00")]


def test_a_key_without_candles_fails_and_names_the_months(platform: Platform) -> None:
    for timeframe in ("1h", "1d"):
        platform.store.delete_candles(key(timeframe, ETH), utc("2024-01-01"), utc("2025-01-01"))
    result = platform.train()
    assert "2 of 4 keys failed" in failures(result)["train"]
    assert "ETH/USDT 1h candles of 2024-02 to 2024-07" in failures(result)["train"]
    assert len(versions(platform, "1h", BTC)) == 1


def test_training_the_same_again_makes_no_second_version(platform: Platform) -> None:
    platform.train()
    assert platform.train().success
    assert len(versions(platform)) == 1
    assert platform.metadata("BTC_USDT/model_1h")["created"] is False


def test_the_anchor_and_later_versions_stand_side_by_side(platform: Platform) -> None:
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


def test_a_dry_run_trains_nothing(platform: Platform) -> None:
    assert platform.train(dry_run=True).success
    assert not versions(platform)
    assert platform.materialisations("BTC_USDT/model_1h") == []


def test_a_failing_key_leaves_the_others_and_is_named(platform: Platform) -> None:
    platform.store.delete_candles(key("1d", ETH), utc("2024-03-01"), utc("2024-04-01"))
    result = platform.train()
    message = failures(result)["train"]
    assert "1 of 4 keys failed" in message
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
