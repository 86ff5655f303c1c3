"""State and calibration of the comparison method of the benchmarks."""

import json
import math
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from sklearn.base import clone

from benchmarks.trailing_volatility import VolatilityScaledBaseline
from coin_assets_tests.domain.forecasting.laws import closes_of
from coin_assets_tests.realdata import real_candles, requires_real_data
from coin_assets_tests.test_trailing_volatility import (
    LAW,
    candles_of,
    fitted,
    path,
    random_candles,
    walks,
)

# --------------------------------------------------------------- as estimator, as artefact


def test_it_is_a_scikit_learn_estimator() -> None:
    estimator = VolatilityScaledBaseline("4h", window=60, half_life=10.0, shrinkage=5.0)
    parameters = {"timeframe": "4h", "window": 60, "half_life": 10.0, "shrinkage": 5.0}
    assert estimator.get_params() == parameters
    copy = clone(estimator)
    assert copy is not estimator
    assert copy.get_params() == parameters
    assert copy.set_params(window=30).context == 31
    assert estimator.context == 61


def test_fitting_twice_gives_the_same_and_leaves_the_candles_alone() -> None:
    candles = random_candles(seed=2, count=300)
    before = candles.copy()
    assert fitted(candles).state() == fitted(candles).state()
    pd.testing.assert_frame_equal(candles, before)


@LAW
@given(candles=walks())
def test_a_fitted_estimator_survives_json_to_the_bit(candles: pd.DataFrame) -> None:
    estimator = fitted(candles)
    text = json.dumps(estimator.state(), allow_nan=False)
    restored = VolatilityScaledBaseline.from_state(json.loads(text))
    assert json.dumps(restored.state()) == text
    origins = closes_of(candles)
    again = restored.predict_quantiles(candles, origins)
    assert again.tobytes() == estimator.predict_quantiles(candles, origins).tobytes()


def test_a_state_of_another_shape_is_refused() -> None:
    state = fitted(random_candles(seed=1, count=300)).state()
    with pytest.raises(ValueError, match=r"shape \(23, 7\)"):
        VolatilityScaledBaseline.from_state(state | {"quantiles": state["quantiles"][1:]})


# --------------------------------------------------------------- calibration


def garch_candles(seed: int, count: int) -> pd.DataFrame:
    """Candles whose returns have heavy tails and come in waves: GARCH(1,1), Student's t."""
    shocks = np.random.default_rng(seed).standard_t(4, count) / math.sqrt(2)
    returns, variance = np.empty(count), 1e-4
    for number, shock in enumerate(shocks):
        returns[number] = math.sqrt(variance) * shock
        variance = 2e-6 + 0.1 * returns[number] ** 2 + 0.88 * variance
    return candles_of(path(returns))


def coverage(candles: pd.DataFrame, split: int, step: int, tail: int) -> float:
    """Share of closes inside the interval between a quantile and its mirror, after ``split``."""
    estimator = fitted(candles.iloc[:split].reset_index(drop=True))
    origins = closes_of(candles)[split:]
    quantiles = estimator.predict_quantiles(candles, origins)[:, step - 1]
    later = pd.Series(candles["close"].to_numpy(), index=pd.DatetimeIndex(candles["timestamp"]))
    actual = later.reindex(origins + pd.Timedelta(hours=step - 1)).to_numpy()
    known = np.isfinite(actual)
    inside = (quantiles[:, tail] <= actual) & (actual <= quantiles[:, -1 - tail])
    return float(inside[known].mean())


@pytest.mark.parametrize("step", [1, 6, 24])
@pytest.mark.parametrize(("tail", "expected"), [(1, 0.8), (0, 0.9)], ids=["80%", "90%"])
def test_intervals_hold_what_they_say_on_simulated_returns(
    step: int, tail: int, expected: float
) -> None:
    candles = garch_candles(seed=1, count=8000)
    assert coverage(candles, 4000, step, tail) == pytest.approx(expected, abs=0.04)


@requires_real_data
@pytest.mark.parametrize("step", [1, 6, 24])
@pytest.mark.parametrize(("tail", "expected"), [(1, 0.8), (0, 0.9)], ids=["80%", "90%"])
def test_intervals_hold_what_they_say_on_real_returns_never_trained_on(
    step: int, tail: int, expected: float
) -> None:
    candles = real_candles("BTC/USDT", "1h")
    split = int((candles["timestamp"] < datetime(2023, 1, 1, tzinfo=UTC)).sum())
    assert coverage(candles, split, step, tail) == pytest.approx(expected, abs=0.02)
