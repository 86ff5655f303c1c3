"""Quantiles of standardised returns.

- With many returns they are the quantiles of the returns and their mirror images together.
- They do not decrease, their median is zero, and they scale with the returns.
- With few returns a step is shrunk towards one step, and equals it without a return of its own.
- Weighted quantiles are those of a sample in which a value occurs as often as its weight says.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coin_assets.domain.forecasting.calibration import (
    log_returns,
    recency_weights,
    shrinkage_weight,
    standardised_quantiles,
    weighted_quantiles,
)
from coin_assets.domain.forecasting.frame import MEDIAN, QUANTILES, STEPS, Floats


def returns(count: int, seed: int = 0) -> Floats:
    return np.asarray(np.random.default_rng(seed).standard_t(4, (count, STEPS)), dtype=np.float64)


def test_they_are_the_quantiles_of_the_returns_and_their_mirror_images() -> None:
    sample, scales = returns(20_000), np.exp(returns(20_000, seed=1) / 4)
    found = standardised_quantiles(sample * scales, scales, prior_strength=0.0)
    both = np.concatenate([sample, -sample])
    np.testing.assert_allclose(found, np.quantile(both, QUANTILES, axis=0).T, atol=2e-3)


@given(
    count=st.integers(1, 60),
    prior_strength=st.sampled_from([0.0, 10.0, 40.0]),
    seed=st.integers(0, 99),
)
def test_they_never_decrease_and_scale_with_the_returns(
    count: int, prior_strength: float, seed: int
) -> None:
    sample = returns(count, seed)
    sample[np.arange(count)[:, None] + np.arange(1, STEPS + 1) >= count + 1] = np.nan
    found = standardised_quantiles(sample, np.ones_like(sample), prior_strength)
    assert (np.diff(found, axis=1) >= 0).all()
    assert not found[:, MEDIAN].any()
    np.testing.assert_array_equal(found, -found[:, ::-1])
    twice = standardised_quantiles(2 * sample, np.ones_like(sample), prior_strength)
    np.testing.assert_allclose(twice, 2 * found, rtol=1e-12)


def test_a_step_without_returns_takes_the_quantiles_of_one_step() -> None:
    sample = returns(300)
    sample[:, 9:] = np.nan
    found = standardised_quantiles(sample, np.ones_like(sample), prior_strength=40.0)
    assert (found[9:] == found[0]).all()
    assert (found[8] != found[0]).any()


def test_the_weight_grows_from_0_to_1() -> None:
    assert shrinkage_weight(0, 40.0) == shrinkage_weight(0, 0.0) == 0
    assert shrinkage_weight(40, 40.0) == pytest.approx(0.5)
    assert shrinkage_weight(1, 40.0) < shrinkage_weight(100, 40.0) < shrinkage_weight(1e6, 40.0) < 1
    assert shrinkage_weight(3, 0.0) == 1


def test_returns_are_those_between_candles_that_are_there() -> None:
    close = np.array([1.0, 2.0, np.nan, 8.0])
    found = log_returns(close)
    assert found.shape == (4, STEPS)
    known = {(0, 0): 2.0, (0, 2): 8.0, (1, 1): 4.0}
    for place, column in np.argwhere(np.isfinite(found)).tolist():
        assert found[place, column] == pytest.approx(np.log(known.pop((place, column))))
    assert not known


def test_the_weight_of_an_observation_halves_with_the_half_life() -> None:
    ages = np.array([0.0, 10.0, 20.0])
    assert recency_weights(ages, 10.0).tolist() == [1.0, 0.5, 0.25]
    assert recency_weights(ages, None).tolist() == [1.0, 1.0, 1.0]


def test_a_value_counts_as_often_as_its_weight_says() -> None:
    generator = np.random.default_rng(3)
    values, weights = generator.standard_normal(4000), generator.integers(1, 6, 4000)
    found = weighted_quantiles(values, weights.astype(np.float64), (0.1, 0.5, 0.9))
    repeated = np.quantile(np.repeat(values, weights), (0.1, 0.5, 0.9))
    np.testing.assert_allclose(found, repeated, atol=0.01)


def test_weights_favour_the_newest_returns_and_count_as_fewer() -> None:
    sample = np.vstack([10 * returns(300), returns(300, seed=1)])  # wild before, calm now
    ones, weights = np.ones_like(sample), recency_weights(np.arange(600.0)[::-1], 60.0)
    calm = standardised_quantiles(sample[300:], ones[300:], 0.0)
    weighted = standardised_quantiles(sample, ones, 0.0, weights)
    whole = standardised_quantiles(sample, ones, 0.0)
    np.testing.assert_array_less(weighted[:, -2], 0.5 * whole[:, -2])
    np.testing.assert_allclose(weighted[:, -2], calm[:, -2], rtol=0.5)
    alike = standardised_quantiles(sample, ones, 40.0, np.full(600, 0.3))
    np.testing.assert_allclose(alike, standardised_quantiles(sample, ones, 40.0), rtol=0.05)
    few = recency_weights(np.arange(600.0)[::-1], 1.0)  # as good as three observations
    shrunk = standardised_quantiles(returns(600), ones, 1e3, few)
    np.testing.assert_allclose(shrunk[1:], np.repeat(shrunk[:1], STEPS - 1, axis=0), rtol=0.05)
