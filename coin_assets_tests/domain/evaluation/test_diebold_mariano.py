"""The test agrees with its formulas, and its false positives are as rare as its level."""

from math import gamma, pi, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coin_assets.domain.evaluation.diebold_mariano import (
    _long_run_variance,
    _student_tail,
    chance_of_difference,
)
from coin_assets.domain.forecasting.frame import STEPS, Floats

seeds = st.integers(0, 2**32 - 1)


def overlapping(seed: int, count: int) -> Floats:
    """Means over windows of `STEPS` heavy-tailed numbers: neighbours share all but one."""
    shocks = np.random.default_rng(seed).standard_t(4, count + STEPS - 1)
    return np.convolve(shocks, np.full(STEPS, 1 / STEPS), mode="valid")


def bartlett(values: Floats, lags: int) -> float:
    """Newey and West as they wrote it."""
    total = 0.0
    for lag in range(-lags, lags + 1):
        weight = 1 - abs(lag) / (lags + 1)
        pairs = zip(values[abs(lag) :], values[: len(values) - abs(lag)], strict=True)
        total += weight * sum(float(a * b) for a, b in pairs)
    return total / len(values)


def integrated_tail(value: float, freedom: int) -> float:
    """Half of the density less what lies between 0 and ``value``, by the trapezoidal rule."""
    points = np.linspace(0.0, value, 20_001)
    scale = gamma((freedom + 1) / 2) / (sqrt(freedom * pi) * gamma(freedom / 2))
    density = scale * (1 + points**2 / freedom) ** (-(freedom + 1) / 2)
    return 0.5 - float(np.trapezoid(density, points))


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 7, 22, 61])
@pytest.mark.parametrize("value", [0.0, 0.3, 1.0, 2.5, 4.0])
def test_the_tail_is_the_area_under_the_density(value: float, freedom: int) -> None:
    assert _student_tail(value, freedom) == pytest.approx(integrated_tail(value, freedom), abs=1e-7)


@given(seeds, st.integers(2, 60), st.integers(1, 59))
def test_the_variance_is_the_weighted_sum_of_autocovariances(
    seed: int, count: int, lags: int
) -> None:
    values = np.random.default_rng(seed).normal(size=count)
    values -= values.mean()
    lags = min(lags, count - 1)
    assert _long_run_variance(values, lags) == pytest.approx(bartlett(values, lags), abs=1e-12)


@given(seeds, st.integers(60, 300))
def test_exchanging_the_two_turns_the_chance_around(seed: int, count: int) -> None:
    differences = overlapping(seed, count)
    one, other = chance_of_difference(differences), chance_of_difference(-differences)
    assert 0 <= min(one, other) <= max(one, other) <= 1
    assert one + other == pytest.approx(1)


@given(seeds, st.integers(-40, 40))
def test_the_unit_of_the_losses_does_not_matter(seed: int, power: int) -> None:
    differences = overlapping(seed, 200)
    assert chance_of_difference(differences * 2.0**power) == chance_of_difference(differences)


@given(seeds, st.floats(0.001, 1.0))
def test_the_better_the_first_the_smaller_the_chance(seed: int, gain: float) -> None:
    differences = overlapping(seed, 200)
    assert chance_of_difference(differences - gain) < chance_of_difference(differences)


@pytest.mark.parametrize(
    "differences",
    [np.array([]), np.full(2 * STEPS, -1.0), np.full(500, -0.1), np.zeros(500)],
    ids=["none", "too few", "always the same", "no difference"],
)
def test_without_evidence_it_is_all_chance(differences: Floats) -> None:
    assert chance_of_difference(differences) == 1.0


@pytest.mark.parametrize("count", [5 * STEPS, 30 * STEPS, 120 * STEPS])
def test_overlapping_differences_without_a_mean_seldom_fool_it(count: int) -> None:
    levels = np.array([0.01, 0.05])
    chances = np.array([chance_of_difference(overlapping(seed, count)) for seed in range(600)])
    fooled = (chances[:, None] <= levels).mean(axis=0)
    slack = 3 * np.sqrt(levels * (1 - levels) / len(chances))
    # Weights that fall with the lag miss some of the overlap: never more than twice the level.
    assert (fooled <= 2 * levels + slack).all()


def test_differences_taken_for_independent_would_fool_it_often() -> None:
    """So the test above would see it if the overlap were forgotten."""
    statistics = [
        differences.mean() / (differences.std() / sqrt(len(differences)))
        for differences in (overlapping(seed, 30 * STEPS) for seed in range(600))
    ]
    assert (np.array(statistics) < -1.645).mean() > 0.3
