"""Quantiles of standardised returns.

- With many returns they are the quantiles of the returns and their mirror images together.
- They do not decrease, their median is zero, and they scale with the returns.
- With few returns a step is shrunk towards one step, and equals it without a return of its own.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coin_assets.domain.forecasting.calibration import (
    log_returns,
    shrinkage_weight,
    standardised_quantiles,
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
