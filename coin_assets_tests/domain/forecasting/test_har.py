"""Properties of `HarForecaster`.

- The median is the last close, exactly; quantiles never decrease along their axis.
- A forecast depends only on the `context` candles up to its origin, to the bit: not on the
  future, a longer past, or the other origins of the call.
- Prices in another unit give the same forecast in that unit.
- Fitting twice, or with another number of threads, gives the same state; a state restores from
  JSON, and a broken state is refused.
- Too few candles, or a price that never moves, raise `InsufficientData`.
- Intervals are calibrated where volatility is constant; regimes and the hour of day are forecast.
"""

import json
import math
from datetime import timedelta
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from coin_assets.domain.evaluation.scoring import pinball_loss
from coin_assets.domain.forecasting.frame import MEDIAN, QUANTILES, STEPS, Floats
from coin_assets.domain.forecasting.har import HarForecaster
from coin_assets.errors import DataRefused, InsufficientData
from coin_assets_tests.domain.walks import (
    HOUR,
    broken_walks,
    candles_of,
    random_candles,
    regime_candles,
)
from coin_assets_tests.realdata import real_candles, requires_real_data

LAW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
PRICES = ["open", "high", "low", "close"]


def closes_of(candles: pd.DataFrame) -> pd.DatetimeIndex:
    return HOUR.close_all(candles["timestamp"])


def fitted(candles: pd.DataFrame) -> HarForecaster:
    return HarForecaster("1h", longest=64).fit(candles)


def same_forecasts(one: HarForecaster, other: HarForecaster, candles: pd.DataFrame) -> bool:
    origins = closes_of(candles)
    first, second = (each.predict_quantiles(candles, origins) for each in (one, other))
    return first.tobytes() == second.tobytes()


# ------------------------------------------------------------------------------- laws of a forecast


@LAW
@given(candles=broken_walks())
def test_the_median_is_the_last_close_and_quantiles_never_decrease(candles: pd.DataFrame) -> None:
    quantiles = fitted(candles).predict_quantiles(candles, closes_of(candles))
    assert quantiles.shape == (len(candles), STEPS, len(QUANTILES))
    last = np.repeat(candles["close"].to_numpy()[:, None], STEPS, axis=1)
    assert np.array_equal(quantiles[:, :, MEDIAN], last)
    assert (np.diff(quantiles, axis=2) >= 0).all()
    assert np.isfinite(quantiles).all()
    assert (quantiles > 0).all()
    assert (quantiles[:, :, -1] > quantiles[:, :, 0]).all()


@LAW
@given(candles=broken_walks(), data=st.data())
def test_a_forecast_depends_on_its_context_alone(
    candles: pd.DataFrame, data: st.DataObject
) -> None:
    estimator = fitted(candles)
    origins = closes_of(candles)
    batch = estimator.predict_quantiles(candles, origins)
    row = data.draw(st.integers(0, len(candles) - 1), label="row")
    past = estimator.context + data.draw(st.integers(0, 60), label="longer past")
    future = data.draw(st.integers(0, 60), label="future")
    origin = origins[row].to_pydatetime()
    first, last = origin - timedelta(hours=past), origin + timedelta(hours=future)
    opens = candles["timestamp"]
    part = candles[(opens >= first) & (opens < last)].reset_index(drop=True)
    alone = estimator.predict_quantiles(part, origins[[row]])
    assert alone.tobytes() == batch[row].tobytes()


@LAW
@given(candles=broken_walks(), data=st.data())
def test_a_forecast_is_the_same_in_any_batch(candles: pd.DataFrame, data: st.DataObject) -> None:
    estimator = fitted(candles)
    origins = closes_of(candles)
    batch = estimator.predict_quantiles(candles, origins)
    rows = data.draw(st.lists(st.integers(0, len(candles) - 1), max_size=20), label="rows")
    chosen = estimator.predict_quantiles(candles, origins[rows])
    assert chosen.tobytes() == batch[rows].tobytes()


@LAW
@given(candles=broken_walks(), data=st.data())
def test_corrupting_the_future_changes_nothing_up_to_an_origin_and_everything_after(
    candles: pd.DataFrame, data: st.DataObject
) -> None:
    estimator = fitted(candles)
    row = data.draw(st.integers(0, len(candles) - 2), label="row")
    origins = closes_of(candles)
    honest = estimator.predict_quantiles(candles, origins)
    corrupt = candles.copy()
    later = corrupt.index > row
    factors = np.exp(np.random.default_rng(row).normal(0, 5, int(later.sum())))
    corrupt.loc[later, PRICES] = corrupt.loc[later, PRICES].mul(factors, axis=0)
    corrupt.loc[later, "volume"] *= factors
    after = estimator.predict_quantiles(corrupt, origins)
    assert after[: row + 1].tobytes() == honest[: row + 1].tobytes()
    assert (after[row + 1 :] != honest[row + 1 :]).any(axis=(1, 2)).all()
    truncated = estimator.predict_quantiles(candles[: row + 1], origins[: row + 1])
    assert truncated.tobytes() == honest[: row + 1].tobytes()


def test_one_candle_less_than_the_context_is_too_little() -> None:
    candles = random_candles(seed=1, count=400)
    candles["open"] = candles["close"]  # so that the close before is seen nowhere else
    estimator = fitted(candles)
    assert estimator.context < len(candles)
    whole, enough, short = (
        estimator.predict_quantiles(candles.tail(count), closes_of(candles)[[-1]])
        for count in (len(candles), estimator.context, estimator.context - 1)
    )
    assert enough.tobytes() == whole.tobytes()
    assert short.tobytes() != whole.tobytes()


@LAW
@given(candles=broken_walks(), power=st.integers(-20, 20))
def test_prices_in_another_unit_give_the_same_forecast_in_that_unit(
    candles: pd.DataFrame, power: int
) -> None:
    scaled = candles.copy()
    scaled[PRICES] *= 2.0**power
    estimator, other = fitted(candles), fitted(scaled)
    assert other.state() == estimator.state()
    origins = closes_of(candles)
    expected = estimator.predict_quantiles(candles, origins) * 2.0**power
    assert other.predict_quantiles(scaled, origins).tobytes() == expected.tobytes()


# --------------------------------------------------------------- when there is none


def test_fewer_candles_than_needed_are_refused() -> None:
    candles = random_candles(seed=1, count=240)
    assert fitted(candles).scale_model_.exponents.max() < 0.5
    with pytest.raises(InsufficientData, match=r"^239 1h .* needs 240\.$"):
        fitted(candles.iloc[:-1])


@pytest.mark.parametrize("moves", [0, 10])
def test_a_price_that_hardly_moves_is_refused(moves: int) -> None:
    returns = np.zeros(300)
    returns[:moves] = 0.01
    with pytest.raises(InsufficientData, match="hardly ever moved in 300 1h candles"):
        fitted(candles_of(returns))


@pytest.mark.parametrize("hours", [-1, 100, 301])
def test_an_origin_that_closes_no_candle_is_refused(hours: int) -> None:
    candles = random_candles(seed=1, count=300)
    estimator = fitted(candles)
    gapped = candles.drop(index=99)
    origin = pd.DatetimeIndex([candles["timestamp"].iloc[0] + pd.Timedelta(hours=hours)])
    with pytest.raises(DataRefused, match="1 of 1 origins are not the close of a 1h candle"):
        estimator.predict_quantiles(gapped, origin)


def test_an_estimator_that_was_not_fitted_says_so() -> None:
    candles = random_candles(seed=1, count=300)
    with pytest.raises(NotFittedError):
        HarForecaster("1h").predict_quantiles(candles, closes_of(candles))
    with pytest.raises(NotFittedError):
        HarForecaster("1h").state()


# --------------------------------------------------------------- as estimator, as artefact


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
            states.append(json.dumps(fitted(candles).state()))
    assert states[0] == states[1] == states[2]
    pd.testing.assert_frame_equal(candles, before)


@LAW
@given(candles=broken_walks())
def test_a_fitted_estimator_survives_json_to_the_bit(candles: pd.DataFrame) -> None:
    estimator = fitted(candles)
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
        ("typical_volatility", lambda value: -value, "volatility"),
    ],
)
def test_a_broken_state_is_refused(name: str, broken: Any, message: str) -> None:
    state = fitted(random_candles(seed=1, count=300)).state()
    with pytest.raises(ValueError, match=message):
        HarForecaster.from_state(state | {name: broken(state[name])})


# --------------------------------------------------------------- what it foresees


def after(candles: pd.DataFrame, origins: pd.DatetimeIndex) -> Floats:
    """Log closes of the `STEPS` candles after each origin, NaN where unknown."""
    later = pd.Series(np.log(candles["close"].to_numpy()), pd.DatetimeIndex(candles["timestamp"]))
    hours = [pd.Timedelta(hours=step) for step in range(STEPS)]
    return np.column_stack([later.reindex(origins + hour).to_numpy() for hour in hours])


def log_forecasts(
    candles: pd.DataFrame, split: int
) -> tuple[HarForecaster, pd.DatetimeIndex, Floats]:
    """Fitted to the candles before ``split``; log quantiles at the later origins."""
    estimator = fitted(candles.iloc[:split])
    origins = closes_of(candles)[split:-STEPS]
    return estimator, origins, np.log(estimator.predict_quantiles(candles, origins))


def covered(actual: Floats, quantiles: Floats, tail: int) -> float:
    known = np.isfinite(actual)
    inside = (quantiles[..., tail] <= actual) & (actual <= quantiles[..., -1 - tail])
    return float(inside[known].mean())


@pytest.mark.parametrize("count", [240, 700, 4000])
def test_intervals_hold_what_they_say_where_volatility_is_constant(count: int) -> None:
    found = []
    for seed in range(12):
        candles = random_candles(seed, count + 1000)
        _, origins, quantiles = log_forecasts(candles, count)
        actual = after(candles, origins)
        found.append([covered(actual, quantiles, tail) for tail in (1, 0)])
    assert np.mean(found, axis=0).tolist() == pytest.approx([0.8, 0.9], abs=0.04)


def test_regimes_of_volatility_are_foreseen() -> None:
    candles = regime_candles(seed=6, count=9000, length=300, ratio=4.0)
    split = 4500
    _, origins, quantiles = log_forecasts(candles, split)
    actual = after(candles, origins)
    log_close = np.log(candles["close"].to_numpy())
    unconditional = np.empty((STEPS, len(QUANTILES)))
    for step in range(1, STEPS + 1):
        past = log_close[step:split] - log_close[: split - step]
        unconditional[step - 1] = np.quantile(past, QUANTILES)
    constant = log_close[split:-STEPS, None, None] + unconditional
    ratio = pinball_loss(actual, quantiles).mean() / pinball_loss(actual, constant).mean()
    assert ratio < 0.95
    assert covered(actual, quantiles, 1) == pytest.approx(0.8, abs=0.05)


def test_the_hour_of_day_is_foreseen() -> None:
    hours = np.arange(4000) % 24
    busy = (hours >= 12) & (hours < 18)
    noise = np.random.default_rng(7).standard_normal(4000)
    candles = candles_of(np.where(busy, 0.02, 0.005) * noise)
    _, origins, quantiles = log_forecasts(candles, 3000)
    one_step = quantiles[:, 0, -1] - quantiles[:, 0, MEDIAN]
    # An origin at h o'clock is the open of the candle of that hour.
    soon_busy = (origins.hour >= 12) & (origins.hour < 18)
    assert one_step[soon_busy].mean() > 2 * one_step[~soon_busy].mean()
    assert one_step[soon_busy].min() > np.median(one_step[~soon_busy])


def test_quantiles_forget_what_lies_before_the_calibrated_candles() -> None:
    rng = np.random.default_rng(8)
    with_jumps = 0.01 * rng.standard_t(2, 2000)
    without = 0.01 * rng.standard_normal(2000)
    candles = candles_of(np.concatenate([with_jumps, without]))

    def tail_to_shoulder(calibrated: int) -> float:
        estimator = HarForecaster("1h", longest=64, calibrated=calibrated).fit(candles)
        quantiles = estimator.quantiles_[0]
        return float(quantiles[QUANTILES.index(0.95)] / quantiles[QUANTILES.index(0.75)])

    of_normal = NormalDist().inv_cdf(0.95) / NormalDist().inv_cdf(0.75)
    assert tail_to_shoulder(2000) < tail_to_shoulder(4000)
    assert tail_to_shoulder(2000) == pytest.approx(of_normal, rel=0.1)


@requires_real_data
@pytest.mark.parametrize("symbol", ["BTC/USDT", "XRP/USDT"])
def test_intervals_hold_what_they_say_on_real_candles_never_trained_on(symbol: str) -> None:
    candles = real_candles(symbol, "1h")
    closes = closes_of(candles)
    known = (
        candles[closes <= pd.Timestamp(2024, 1, 1, tz="UTC")].tail(24_000).reset_index(drop=True)
    )
    _, origins, quantiles = log_forecasts(known, 18_000)
    # Not trained again for eight months; the published path is, every day.
    assert covered(after(known, origins), quantiles, 1) == pytest.approx(0.8, abs=0.05)
