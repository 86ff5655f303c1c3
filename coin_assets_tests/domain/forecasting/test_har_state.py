"""`HarForecaster` as scikit-learn estimator and as stored state."""

import json
import math
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from sklearn.base import clone
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from coin_assets.domain.forecasting.har import HarForecaster
from coin_assets.domain.forecasting.realised import VARIANCE
from coin_assets_tests.domain.forecasting.laws import closes_of
from coin_assets_tests.domain.forecasting.test_har import (
    LAW,
    STATE_STRENGTHS,
    fitted,
    same_forecasts,
)
from coin_assets_tests.domain.walks import (
    broken_walks,
    random_candles,
)


def test_it_is_a_scikit_learn_estimator() -> None:
    estimator = HarForecaster("4h", longest=128, penalty=7.0)
    copy = clone(estimator)
    assert copy.get_params() == estimator.get_params()
    assert copy.set_params(longest=32, level_window=64).context == 96
    assert estimator.context == 128 + 256
    assert "volatility_128" in estimator.features
    assert "volatility_128" not in copy.features


def test_fitting_again_gives_the_same_and_leaves_the_candles_alone() -> None:
    candles = random_candles(seed=2, count=3000)
    before = candles.copy()
    states = []
    for threads in (1, 1, 2):
        with threadpool_limits(threads):
            states.append(json.dumps(fitted(candles, 40.0).state()))
    assert states[0] == states[1] == states[2]
    pd.testing.assert_frame_equal(candles, before)


@LAW
@given(candles=broken_walks(), strength=STATE_STRENGTHS)
def test_a_fitted_estimator_survives_json_to_the_bit(
    candles: pd.DataFrame, strength: float | None
) -> None:
    estimator = fitted(candles, strength)
    text = json.dumps(estimator.state(), allow_nan=False)
    restored = HarForecaster.from_state(json.loads(text))
    assert json.dumps(restored.state()) == text
    assert same_forecasts(restored, estimator, candles)


def shortened(values: list[Any]) -> list[Any]:
    return values[1:]


def infinite(values: list[Any]) -> list[Any]:
    return [math.inf, *values[1:]]


def reversed_rows(rows: list[list[float]]) -> list[list[float]]:
    return [row[::-1] for row in rows]


def without_one(parameters: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if name != "centred"}


def boundless(parameters: dict[str, Any]) -> dict[str, Any]:
    return parameters | {"usual_belief": 1.5}


def lifted(rows: list[list[float]]) -> list[list[float]]:
    return [[value + 1 for value in row] for row in rows]


@pytest.mark.parametrize(
    ("name", "broken", "message"),
    [
        ("features", shortened, "features are"),
        ("intercepts", infinite, "intercepts"),
        ("coefficients", shortened, "coefficients"),
        ("exponents", shortened, r"shape \(24,\)"),
        ("quantiles", shortened, r"shape \(23, 7\)"),
        ("quantiles", reversed_rows, "decrease"),
        ("quantiles", lifted, "median is not zero"),
        ("exponents", lambda values: [value + 1 for value in values], "exponent"),
        ("long_usual", shortened, r"shape \(24,\)"),
        ("parameters", without_one, "of another version"),
        ("parameters", boundless, "share"),
        ("parameters", lambda parameters: parameters | {"realised": 1}, "realised"),
        ("typical_volatility", lambda value: -value, "volatility"),
    ],
)
def test_a_broken_state_is_refused(name: str, broken: Any, message: str) -> None:
    state = fitted(random_candles(seed=1, count=300)).state()
    with pytest.raises((TypeError, ValueError), match=message):
        HarForecaster.from_state(state | {name: broken(state[name])})


def test_quantiles_by_state_and_their_prior_strength_need_each_other() -> None:
    state = fitted(random_candles(seed=1, count=300), 40.0).state()
    alone = {name: value for name, value in state.items() if name != "quantiles_by_state"}
    with pytest.raises(ValueError, match="quantiles by state"):
        HarForecaster.from_state(alone)
    plain = fitted(random_candles(seed=1, count=300)).state()
    with pytest.raises(ValueError, match="quantiles by state"):
        HarForecaster.from_state(plain | {"quantiles_by_state": state["quantiles_by_state"]})
    for name in ("state_prior_strength", "adaptation_rate"):
        parameters = state["parameters"] | {name: -1.0}
        with pytest.raises(ValueError, match="prior strength or rate"):
            HarForecaster.from_state(state | {"parameters": parameters})


def test_an_adaptation_needs_quantiles_by_state() -> None:
    candles = random_candles(seed=1, count=300)
    with pytest.raises(ValueError, match="needs state_prior_strength"):
        HarForecaster("1h", longest=64, adaptation_rate=0.01).fit(candles)
    state = fitted(candles).state()
    parameters = state["parameters"] | {"adaptation_rate": 0.01}
    with pytest.raises(ValueError, match="to adapt"):
        HarForecaster.from_state(state | {"parameters": parameters})


def test_parameters_of_later_releases_are_stored_only_where_they_are_used() -> None:
    candles = random_candles(seed=1, count=300)
    plain = fitted(candles).state()["parameters"]
    added: dict[str, Any] = {
        "realised": True,
        "calibration_half_life": 90.0,
        "state_prior_strength": 40.0,
        "adaptation_rate": 0.01,
    }
    assert not added.keys() & plain.keys()
    later = HarForecaster("1h", longest=64, **added)
    assert later.fit(candles).state()["parameters"] == plain | added
    assert HarForecaster.from_state(later.state()).get_params() == later.get_params()


def test_an_artefact_of_before_measures_by_the_own_range_whatever_hours_say() -> None:
    """Artefacts without the parameter forecast as they did, in a frame with realised variances."""
    candles = random_candles(seed=4, count=600)
    estimator = fitted(candles)
    restored = HarForecaster.from_state(json.loads(json.dumps(estimator.state())))
    measured = candles.assign(**{VARIANCE: 1e-3})
    origins = closes_of(candles)
    honest = estimator.predict_quantiles(candles, origins)
    assert restored.predict_quantiles(measured, origins).tobytes() == honest.tobytes()
