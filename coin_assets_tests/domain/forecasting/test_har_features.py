"""Features of an origin.

- They are those of a naive computation on the candles up to it.
- As many as there are names; windows and waves fit the timeframe.
- Flat stretches, silence and gaps give bounded numbers, never NaN.
"""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

from coin_assets.domain.forecasting.har_features import FLOOR, GROUPS, FeatureSet, Grid
from coin_assets.domain.timeframes import NAMES, Timeframe
from coin_assets_tests.domain.walks import HOUR, broken_walks, random_candles


def table(candles: pd.DataFrame, features: FeatureSet) -> pd.DataFrame:
    """Features of every candle by name, with 0.01 as typical volatility."""
    grid = Grid.of(candles, features.timeframe, 0.75)
    places = np.flatnonzero(np.isfinite(grid.close))
    columns = features.columns(grid, places, 0.01)
    return pd.DataFrame(dict(zip(features.names, columns, strict=True)))


def test_they_are_those_of_a_naive_computation() -> None:
    candles = random_candles(seed=3, count=200)
    found = table(candles, FeatureSet(HOUR, 64))
    volatility = Grid.of(candles, HOUR, 0.75).volatility
    for row in (70, 133, 199):
        rows = candles.iloc[: row + 1]
        log_close, volume = np.log(rows["close"]), np.sqrt(rows["volume"])
        mean = volatility[row - 63 : row + 1].mean()
        close = rows["timestamp"].iloc[-1] + pd.Timedelta(hours=1)
        day = 2 * math.pi * close.hour / 24
        expected = {
            "volatility_1": math.log(volatility[row]),
            "volatility_64": math.log(mean),
            "volume_4": 2 * math.log(volume.tail(4).mean() / volume.tail(64).mean()),
            "leverage_16": min(0.0, log_close.iloc[-1] - log_close.iloc[-17]) / (4 * mean),
            "sine_7": math.sin(day),
            "cosine_14": math.cos(2 * day),
        }
        for name, value in expected.items():
            assert found[name].iloc[row] == pytest.approx(value, rel=1e-9, abs=1e-9), name


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("groups", [GROUPS, ()])
def test_there_are_as_many_as_names(name: str, groups: tuple[str, ...]) -> None:
    timeframe = Timeframe.parse(name)
    features = FeatureSet(timeframe, 8, groups)
    found = table(random_candles(1, 40, timeframe=timeframe), features)
    assert len(set(features.names)) == found.shape[1]
    assert features.windows == (1, 2, 4, 8)


def test_weekdays_are_separated_from_daily_candles_on() -> None:
    def waves(name: str) -> int:
        return sum("sine_" in each for each in FeatureSet(Timeframe.parse(name), 8).names) // 2

    assert [waves(name) for name in ("1M", "1w", "1d")] == [0, 0, 3]
    assert waves("1d") < waves("4h") < waves("1h") == waves("1m")


@settings(max_examples=50)
@given(candles=broken_walks())
def test_they_are_bounded_numbers_on_broken_markets(candles: pd.DataFrame) -> None:
    found = table(candles, FeatureSet(HOUR, 64)).to_numpy()
    assert np.isfinite(found).all()
    assert (found >= math.log(0.01 * FLOOR) - 1e-9).all()
    assert (found <= 6.0).all()
