"""Ridge regression from sums of products.

- Without decay it is scikit-learn's, on standardised features; with weights, its weighted one.
- Rows fitted in blocks give what they give at once, and a row's prediction does not depend on
  which others are requested.
- An infinite penalty, or no rows at all, leave nothing but the mean, or zero.
"""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from coin_assets.domain.forecasting.frame import Floats
from coin_assets.domain.forecasting.ridge import Linear, Moments


def rows(count: int = 400) -> tuple[Floats, Floats, Floats]:
    """Correlated features far from zero, targets that depend on them, and weights."""
    rng = np.random.default_rng(3)
    features = rng.standard_normal((count, 5)) @ rng.standard_normal((5, 5)) + np.arange(5) * 3
    targets = features @ rng.standard_normal((5, 3)) + rng.standard_normal((count, 3)) - 7
    return features, targets, 0.5 ** (np.arange(count)[::-1] / 100)


def predicted(linear: Linear, features: Floats) -> Floats:
    return linear.predict(list(features.T.copy()))


@pytest.mark.parametrize("decays", [False, True])
@pytest.mark.parametrize("penalty", [0.01, 30.0, 5000.0])
def test_it_is_ridge_regression_on_standardised_features(decays: bool, penalty: float) -> None:
    features, targets, weights = rows()
    if not decays:
        weights = np.ones(len(features))
    centre = np.average(features, axis=0, weights=weights)
    deviation = np.sqrt(np.average((features - centre) ** 2, axis=0, weights=weights))
    # The penalty's rows are spread by 1.
    total = weights.sum()
    deviation = np.sqrt((total * deviation**2 + penalty) / (total + penalty))
    oracle = Ridge(penalty).fit((features - centre) / deviation, targets, sample_weight=weights)
    found = predicted(Moments.of(features, targets, weights).solve(penalty), features)
    expected = oracle.predict((features - centre) / deviation)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_blocks_add_up() -> None:
    features, targets, weights = rows()
    moments = Moments.zero(5, 3)
    for block in np.array_split(np.arange(len(features)), 7):
        moments = moments + Moments.of(features[block], targets[block], weights[block])
    at_once = Moments.of(features, targets, weights).solve(10.0)
    np.testing.assert_allclose(moments.solve(10.0).coefficients, at_once.coefficients, rtol=1e-9)
    np.testing.assert_allclose(moments.solve(10.0).intercepts, at_once.intercepts, rtol=1e-9)


def test_a_prediction_does_not_know_the_other_rows() -> None:
    features, targets, weights = rows()
    linear = Moments.of(features, targets, weights).solve(10.0)
    batch = predicted(linear, features)
    for row in range(0, len(features), 37):
        for length in (1, 2, 5):
            part = predicted(linear, features[row : row + length])
            assert part.tobytes() == batch[row : row + length].tobytes()


def test_an_infinite_penalty_leaves_the_weighted_mean() -> None:
    features, targets, weights = rows()
    linear = Moments.of(features, targets, weights).solve(1e300)
    assert not linear.coefficients.any()
    np.testing.assert_allclose(linear.intercepts, np.average(targets, axis=0, weights=weights))


def test_a_feature_that_never_changes_gets_no_weight() -> None:
    features, targets, weights = rows()
    features[:, 2] = 5.0
    with_it = Moments.of(features, targets, weights).solve(10.0)
    others = np.delete(features, 2, axis=1)
    without = Moments.of(others, targets, weights).solve(10.0)
    assert not with_it.coefficients[2].any()
    np.testing.assert_allclose(predicted(with_it, features), predicted(without, others), atol=1e-4)


def test_without_rows_the_coefficients_are_zero() -> None:
    linear = Moments.zero(5, 3).solve(10.0)
    assert not linear.coefficients.any()
    assert not linear.intercepts.any()
