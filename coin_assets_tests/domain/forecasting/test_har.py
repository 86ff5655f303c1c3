"""Properties of `HarForecaster`.

- The median is the last close, exactly; quantiles never decrease along their axis.
- A forecast depends only on the `context` candles up to its origin, to the bit: not on the
  future, a longer past, or the other origins of the call.
- Prices in another unit give the same forecast in that unit.
- Fitting twice, or with another number of threads, gives the same state; a state restores from
  JSON, and a broken state is refused.
- Too few candles, or a price that never moves, raise `InsufficientData`.
- A calibration by state keeps these laws; an artefact without it forecasts as before.
- Intervals are calibrated where volatility is constant; regimes and the hour of day are forecast.
"""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.exceptions import NotFittedError

from coin_assets.domain.forecasting.har import HarForecaster
from coin_assets.domain.forecasting.realised import VARIANCE
from coin_assets.errors import DataRefused, InsufficientData
from coin_assets_tests.domain.forecasting.laws import (
    closes_of,
    require_context_alone,
    require_ordered_quantiles,
)
from coin_assets_tests.domain.walks import (
    broken_walks,
    candles_of,
    random_candles,
)

LAW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
PRICES = ["open", "high", "low", "close"]


# Without and with a calibration that depends on the state of the market and adapts.
STATE_STRENGTHS = st.sampled_from([None, 10.0])


def fitted(candles: pd.DataFrame, state_prior_strength: float | None = None) -> HarForecaster:
    rate = None if state_prior_strength is None else 0.05
    return HarForecaster(
        "1h", longest=64, state_prior_strength=state_prior_strength, adaptation_rate=rate
    ).fit(candles)


def same_forecasts(one: HarForecaster, other: HarForecaster, candles: pd.DataFrame) -> bool:
    origins = closes_of(candles)
    first, second = (each.predict_quantiles(candles, origins) for each in (one, other))
    return first.tobytes() == second.tobytes()


# ------------------------------------------------------------------------------- laws of a forecast


@LAW
@given(candles=broken_walks(), strength=STATE_STRENGTHS)
def test_the_median_is_the_last_close_and_quantiles_never_decrease(
    candles: pd.DataFrame, strength: float | None
) -> None:
    require_ordered_quantiles(fitted(candles, strength), candles)


@LAW
@given(candles=broken_walks(), strength=STATE_STRENGTHS, data=st.data())
def test_a_forecast_depends_on_its_context_alone(
    candles: pd.DataFrame, strength: float | None, data: st.DataObject
) -> None:
    require_context_alone(fitted(candles, strength), candles, data)


@LAW
@given(candles=broken_walks(), strength=STATE_STRENGTHS, data=st.data())
def test_a_forecast_is_the_same_in_any_batch(
    candles: pd.DataFrame, strength: float | None, data: st.DataObject
) -> None:
    estimator = fitted(candles, strength)
    origins = closes_of(candles)
    batch = estimator.predict_quantiles(candles, origins)
    rows = data.draw(st.lists(st.integers(0, len(candles) - 1), max_size=20), label="rows")
    chosen = estimator.predict_quantiles(candles, origins[rows])
    assert chosen.tobytes() == batch[rows].tobytes()


@LAW
@given(candles=broken_walks(), strength=STATE_STRENGTHS, data=st.data())
def test_corrupting_the_future_changes_nothing_up_to_an_origin_and_everything_after(
    candles: pd.DataFrame, strength: float | None, data: st.DataObject
) -> None:
    estimator = fitted(candles, strength)
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


@LAW
@given(candles=broken_walks(), data=st.data())
def test_realised_variance_of_the_future_changes_nothing_up_to_an_origin(
    candles: pd.DataFrame, data: st.DataObject
) -> None:
    generator = np.random.default_rng(data.draw(st.integers(0, 99), label="seed"))
    variance = 1e-4 * generator.chisquare(3, len(candles))
    variance[generator.random(len(candles)) < 0.3] = np.nan  # these by their own range
    measured = candles.assign(**{VARIANCE: variance})
    estimator = HarForecaster("1h", longest=64, realised=True).fit(measured)
    require_ordered_quantiles(estimator, measured)
    require_context_alone(estimator, measured, data)
    row, origins = data.draw(st.integers(0, len(candles) - 2), label="row"), closes_of(candles)
    another = measured.copy()
    another.loc[another.index > row, VARIANCE] = 1.0
    honest, changed = (estimator.predict_quantiles(each, origins) for each in (measured, another))
    assert changed[: row + 1].tobytes() == honest[: row + 1].tobytes()
    assert (changed[row + 1 :] != honest[row + 1 :]).any()


def test_an_unknown_realised_variance_is_that_of_the_own_range() -> None:
    candles = random_candles(seed=3, count=600)
    plain, empty = candles, candles.assign(**{VARIANCE: np.nan})
    one, other = (
        HarForecaster("1h", longest=64, realised=realised).fit(frame)
        for realised, frame in ((False, plain), (True, empty))
    )
    origins = closes_of(candles)
    expected = one.predict_quantiles(plain, origins).tobytes()
    assert other.predict_quantiles(empty, origins).tobytes() == expected
    assert other.predict_quantiles(plain, origins).tobytes() == expected


def test_an_artefact_without_a_weight_of_the_long_run_level_forecasts_as_it_did() -> None:
    candles = random_candles(seed=3, count=600)
    estimator = fitted(candles)
    state = json.loads(json.dumps(estimator.state()))
    del state["long_usual"], state["parameters"]["usual_belief"]
    assert same_forecasts(HarForecaster.from_state(state), estimator, candles)


def test_an_artefact_without_a_state_of_the_market_forecasts_as_it_did() -> None:
    candles = random_candles(seed=3, count=600)
    estimator = fitted(candles)
    state = json.loads(json.dumps(estimator.state()))
    assert "quantiles_by_state" not in state
    assert "state_prior_strength" not in state["parameters"]
    last = candles["close"].to_numpy()[-100:]
    found = HarForecaster.from_state(state).predict_quantiles(candles, closes_of(candles)[-100:])
    # All origins have the same quantiles of standardised returns.
    standardised = np.log(found / last[:, None, None])
    shares = standardised / standardised[..., -1:]
    expected = np.array(state["quantiles"]) / np.array(state["quantiles"])[:, -1:]
    np.testing.assert_allclose(shares, np.broadcast_to(expected, shares.shape), atol=1e-9)
    by_state = fitted(candles, 10.0).predict_quantiles(candles, closes_of(candles)[-100:])
    assert (by_state != found).any(axis=(1, 2)).all()


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
@given(candles=broken_walks(), strength=STATE_STRENGTHS, power=st.integers(-20, 20))
def test_prices_in_another_unit_give_the_same_forecast_in_that_unit(
    candles: pd.DataFrame, strength: float | None, power: int
) -> None:
    scaled = candles.copy()
    scaled[PRICES] *= 2.0**power
    estimator, other = fitted(candles, strength), fitted(scaled, strength)
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


def test_an_estimator_that_was_not_fitted_is_refused() -> None:
    candles = random_candles(seed=1, count=300)
    with pytest.raises(NotFittedError):
        HarForecaster("1h").predict_quantiles(candles, closes_of(candles))
    with pytest.raises(NotFittedError):
        HarForecaster("1h").state()
