"""The assets of weeks: hours measure their variance, and a revised hour is worked into it.

- Model and forecasts are those of candles with the variance of hours, recorded with the version.
- An hour that changed within its week, whose prices stay, recomputes the forecasts that contain it
  by ``redo_touched``; the store ends as if it had always been so, and models stay.
"""

from pathlib import Path

import pandas as pd
import pytest

from coin_assets.models.registry import ModelRegistry
from coin_assets.store.base import Store
from coin_assets_tests.market.patchy import PatchyMarket
from coin_assets_tests.orchestration.jobs.test_recompute import AlteredMarket
from coin_assets_tests.platform import Platform, files_of, given, series, utc

FIRST, MONTHS = "2023-01-01", ("2024-02-01", "2024-03-01")
NOW, CHANGED = "2024-03-20T12:30", "2024-02-14T11:00"
WEEK, HOUR = series("1w"), series("1h")


def built(home: Path, market: PatchyMarket) -> Platform:
    """Candles since 2023, a model of February, and the forecasts of February and March."""
    platform = Platform(home, NOW, history_start=FIRST, derived_timeframes="1w")
    platform.market = given(market)
    assert platform.materialise(
        ["BTC_USDT/ohlcv_1h", "BTC_USDT/ohlcv_1w"], FIRST, MONTHS[1]
    ).success
    assert platform.materialise(["BTC_USDT/model_1w"], MONTHS[0]).success
    assert platform.materialise(["BTC_USDT/prediction_1w"], *MONTHS).success
    return platform


def altered() -> AlteredMarket:
    """An hour that reached the extremes of its week, which thus keeps its prices."""
    start = WEEK.timeframe.floor(utc(CHANGED))
    end = WEEK.timeframe.next(start)
    (page,) = PatchyMarket().pages(HOUR, start, end, utc(NOW))
    low, high = float(page.candles["low"].min()), float(page.candles["high"].max())
    return AlteredMarket(CHANGED, low=low, high=high)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    return built(tmp_path_factory.mktemp("weeks"), PatchyMarket())


def forecasts(store: Store) -> pd.DataFrame:
    return store.read_forecasts(WEEK, utc(FIRST), utc("2025-01-01")).drop(columns="kind")


def test_a_revised_hour_reaches_the_forecasts_of_weeks(platform: Platform, tmp_path: Path) -> None:
    home = platform.settings.home
    (version,) = ModelRegistry(home).versions(WEEK)
    facts = version.metadata()
    assert facts["realised"]["source"] == "1h"
    assert facts["realised"]["rows"] == facts["rows"] == 56
    before, models = forecasts(platform.store), files_of(home / "models")
    weeks = platform.store.read_candles(WEEK, utc(FIRST), utc(NOW))
    platform.market = given(altered())
    assert platform.materialise(["BTC_USDT/ohlcv_1h"], MONTHS[0]).success
    assert platform.run("redo_touched").success
    after = forecasts(platform.store)
    pd.testing.assert_frame_equal(
        platform.store.read_candles(WEEK, utc(FIRST), utc(NOW)), weeks, check_exact=True
    )
    touched = (before["as_of"] >= utc("2024-02-19")).to_numpy()
    pd.testing.assert_frame_equal(after[~touched], before[~touched], check_exact=True)
    assert (after.loc[touched, "q95"] != before.loc[touched, "q95"]).all()
    assert files_of(home / "models") == models
    recomputed = platform.metadata("BTC_USDT/prediction_1w", MONTHS[1])
    assert recomputed["origins_recomputed"] == recomputed["forecasts_changed"] == 3
    always = built(tmp_path / "always", altered())
    pd.testing.assert_frame_equal(forecasts(always.store), after, check_exact=True)
