"""Properties of the scale model.

- An out-of-sample scale does not depend on outcomes after its block of rows began.
- Without a known outcome the scale is the mean of the long-run log volatilities.
- Shrinkage weights grow with the history and fall with the step; predictions are right on average.
- Deviations from the long-run level are multiplied by their shrinkage weight, whatever the level
  is; deviations of the level from its mean by theirs.
"""

from dataclasses import replace

import numpy as np
import pytest

from coin_assets.domain.forecasting.frame import STEPS, Floats
from coin_assets.domain.forecasting.har_scale import ScaleFitting, ScaleModel
from coin_assets.domain.timeframes import Ordinals

FITTING = ScaleFitting(
    windows=2, penalty=20.0, half_life=5000.0, prior_strength=40.0, level_weight=1.0
)


def history(rows: int, seed: int = 0) -> tuple[list[Floats], Floats, Ordinals]:
    """Two features, a log volatility that depends on the first and on neither, and gaps."""
    rng = np.random.default_rng(seed)
    columns = [np.asarray(rng.standard_normal(rows)) for _ in range(2)]
    noise = 0.3 * rng.standard_normal((rows, STEPS))
    log_volatility = 0.5 * columns[0][:, None] + noise - 1
    log_volatility[max(0, rows - STEPS) :] = np.nan
    return columns, log_volatility, np.cumsum(rng.integers(1, 3, rows))


def long_run_level(columns: list[Floats]) -> list[Floats]:
    """Recent means of the features, here the mean of each."""
    return [np.full_like(column, column.mean()) for column in columns]


def fitted(rows: int) -> tuple[ScaleModel, Floats]:
    columns, log_volatility, places = history(rows)
    return FITTING.fit(columns, long_run_level(columns), log_volatility, places)


def test_hindsight_sees_no_later_outcome() -> None:
    columns, log_volatility, places = history(1600)
    # Without shrinkage and correction, a row shows only what was known before it.
    unshrunk = replace(FITTING, prior_strength=0.0)
    _, honest = unshrunk.fit(columns, columns, log_volatility, places)
    changed = log_volatility.copy()
    changed[1000:] += np.random.default_rng(1).standard_normal((600, STEPS))
    _, other = unshrunk.fit(columns, columns, changed, places)
    moved = np.log(other / honest)
    # One level per step is learned from all of hindsight; up to that, early rows stay the same.
    np.testing.assert_allclose(moved[:1000] - moved[0], 0.0, atol=1e-9)
    assert np.abs(moved[1200:] - moved[0]).max() > 1e-3


def test_without_known_outcomes_it_is_the_mean_of_the_long_run_log_volatilities() -> None:
    columns, log_volatility, places = history(24)
    unknown = np.full_like(log_volatility, np.nan)
    model, scales = FITTING.fit(columns, long_run_level(columns), unknown, places)
    assert not model.exponents.any()
    expected = np.exp(np.mean(columns)) * np.sqrt(np.arange(1, STEPS + 1))
    np.testing.assert_allclose(scales, np.tile(expected, (24, 1)))
    np.testing.assert_allclose(model.scales(columns, long_run_level(columns)), scales)


def test_what_is_foreseen_comes_true_on_average() -> None:
    columns, log_volatility, _ = history(16000)
    model, _ = fitted(16000)
    foreseen = model.scales(columns, long_run_level(columns)) / np.sqrt(np.arange(1, STEPS + 1))
    ratios = np.nanmean(np.exp(log_volatility), axis=0) / foreseen[:-STEPS].mean(axis=0)
    np.testing.assert_allclose(ratios, 1.0, atol=0.1)
    coefficients = model.linear.coefficients
    np.testing.assert_allclose(coefficients[0], 0.5, atol=0.05)
    np.testing.assert_allclose(coefficients[1], 0.0, atol=0.05)


def test_weights_grow_with_the_history_and_fall_with_the_step() -> None:
    exponents = np.array([fitted(rows)[0].exponents for rows in (24, 240, 2400, 24000)])
    assert not exponents[0].any()
    assert (np.diff(exponents, axis=0) > 0).all()
    assert (np.diff(exponents[1:], axis=1) < 0).all()
    known = 2400 - STEPS
    assert exponents[2, 0] == pytest.approx(known / (known + 40))
    assert exponents[2, -1] == pytest.approx(known / STEPS / (known / STEPS + 40))


def test_a_deviation_is_shrunk_by_its_weight_whatever_the_level_is() -> None:
    columns, _, _ = history(2400)
    model, _ = fitted(2400)
    low = [column - 1.0 for column in columns]
    # At the level; at a lower level; below the level.
    normal, lower, below = (
        np.log(model.scales(now, before))
        for now, before in ((columns, columns), (low, low), (low, columns))
    )
    np.testing.assert_allclose(below - normal, model.exponents * (lower - normal), atol=1e-12)
    assert (lower < normal).all()


def test_the_long_run_level_is_shrunk_towards_its_mean() -> None:
    columns, log_volatility, places = history(2400)
    drifting = [column + np.linspace(-1.0, 1.0, 2400) for column in columns]
    slow = [np.linspace(-1.0, 1.0, 2400) for _ in columns]
    wholly, half, not_at_all = (
        replace(FITTING, level_weight=weight).fit(drifting, slow, log_volatility, places)[0]
        for weight in (1.0, 0.5, 0.0)
    )
    # At origins that lie on the level, only the level moves the scale.
    moved, halved, still = (
        np.log(model.scales(slow, slow) / np.sqrt(np.arange(1, STEPS + 1)))
        for model in (wholly, half, not_at_all)
    )
    assert np.ptp(moved, axis=0).min() > 0.1
    assert (still == still[0]).all()
    assert ((moved.min(axis=0) < still[0]) & (still[0] < moved.max(axis=0))).all()
    np.testing.assert_allclose(halved - still, (moved - still) / 2, atol=1e-9)
