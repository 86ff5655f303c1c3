"""Sample paths: each step has the forecast's quantiles, and the steps hang together as in the past.

- The values of a step approach the published quantiles as the paths grow in number.
- Ranks are those of the past trajectories, so rank correlations are theirs.
- Nothing that closed after the origin changes a bit; nor does another forecast beside it.
"""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from coin_assets.domain.forecasting.frame import QUANTILES, STEPS, Floats
from coin_assets.domain.forecasting.naive import has_naive, naive_quantiles
from coin_assets.domain.forecasting.paths import (
    FEWEST_TRAJECTORIES,
    Trajectories,
    first_needed,
    marginals,
    sample_paths,
    trajectories,
)
from coin_assets_tests.domain.forecasting.laws import closes_of
from coin_assets_tests.domain.walks import HOUR, broken_walks, random_candles


def past_of(candles: pd.DataFrame) -> tuple[pd.DatetimeIndex, Floats, Trajectories]:
    """Naive forecasts at all closes, and what followed them as far as the candles go."""
    closes = closes_of(candles)
    origins = closes[has_naive(candles, closes, HOUR)]
    quantiles = naive_quantiles(candles, origins, HOUR)
    past = trajectories(
        HOUR.ordinals(origins),
        quantiles,
        HOUR.ordinals(candles["timestamp"]),
        candles["close"].to_numpy(),
    )
    return origins, quantiles, past


Past = tuple[pd.DatetimeIndex, Floats, Trajectories]


def last_paths(walk: Past, count: int) -> tuple[Floats, Floats]:
    """Paths and quantiles of the newest forecast."""
    origins, quantiles, past = walk
    made = sample_paths(quantiles[-1:], HOUR.ordinals(origins[-1:]), past, count)
    return made[0], quantiles[-1]


@pytest.fixture(scope="module")
def walk() -> Past:
    return past_of(random_candles(5, 3500))


@pytest.mark.parametrize(("count", "apart"), [(20, 0.03), (200, 0.003), (1000, 0.0006)])
def test_each_step_approaches_the_published_quantiles(walk: Past, count: int, apart: float) -> None:
    paths, quantiles = last_paths(walk, count)
    assert paths.shape == (count, STEPS)
    inner = slice(1, -1)
    # The published levels, on the log scale of prices; linear between the mid-ranks.
    found = np.quantile(np.log(paths), QUANTILES[inner], axis=0, method="hazen").T
    assert np.abs(found - np.log(quantiles[:, inner])).max() < apart
    below = (paths[:, :, None] <= quantiles).mean(axis=0)
    assert np.abs(below - QUANTILES).max() <= 1 / count


def test_levels_between_and_beyond_the_given_ones() -> None:
    levels = np.asarray(QUANTILES)
    logistic = np.exp(np.log(levels / (1 - levels)))[None, None, :].repeat(STEPS, axis=1)
    made = marginals(logistic, 500)[0, :, 0]
    expected = (np.arange(500) + 0.5) / 500
    np.testing.assert_allclose(made, expected / (1 - expected))  # exact, the tails as well


def test_steps_hang_together_as_in_the_past(walk: Past) -> None:
    count = 100
    origins, _, past = walk
    paths, _ = last_paths(walk, count)
    newest = HOUR.ordinals(origins)[-1] - STEPS
    followed = [np.flatnonzero(past.origins == newest - STEPS * back)[0] for back in range(count)]
    moves = past.moves[followed[::-1]]
    np.testing.assert_allclose(spearmanr(paths).statistic, spearmanr(moves).statistic, atol=1e-9)
    # Sums of returns: neighbouring steps move together, the first and the last hardly.
    assert spearmanr(paths).statistic[22, 23] > 0.9
    assert spearmanr(paths).statistic[0, 23] < 0.5


def test_a_reversing_past_makes_reversing_paths() -> None:
    """Returns that alternate: what rose in the first step falls in the second."""
    rng = np.random.default_rng(3)
    moves = rng.standard_normal((400, STEPS))
    moves[:, 1] = -moves[:, 0]
    past = Trajectories(np.arange(400, dtype=np.int64), moves)
    quantiles = np.exp(np.linspace(-1, 1, 7))[None, None, :].repeat(STEPS, axis=1)
    paths = sample_paths(quantiles, np.array([500]), past, 20)
    np.testing.assert_allclose(np.log(paths[0, :, 1]), -np.log(paths[0, :, 0]), atol=1e-12)


@settings(max_examples=25)
@given(broken_walks(), st.integers(1, 40), st.data())
def test_the_future_and_other_forecasts_change_no_bit(
    candles: pd.DataFrame, count: int, data: st.DataObject
) -> None:
    origins, quantiles, past = past_of(candles)
    if not len(origins):
        return
    ordinals = HOUR.ordinals(origins)
    together = sample_paths(quantiles, ordinals, past, count)
    row = data.draw(st.integers(0, len(origins) - 1), label="row")
    known = candles[HOUR.close_all(candles["timestamp"]) <= origins[row]]
    _, alone, before = past_of(known)
    oldest = first_needed(int(ordinals[row]), count)
    before = Trajectories(
        before.origins[before.origins >= oldest], before.moves[before.origins >= oldest]
    )
    made = sample_paths(alone[-1:], ordinals[[row]], before, count)
    assert made.tobytes() == together[row].tobytes()
    exists = np.isfinite(together[row])
    assert exists.all() or not exists.any()
    if exists.all():
        assert (together[row] > 0).all()


@pytest.mark.parametrize("found", [FEWEST_TRAJECTORIES - 1, FEWEST_TRAJECTORIES])
def test_too_few_past_trajectories_make_no_paths(found: int) -> None:
    moves = np.random.default_rng(1).standard_normal((found, STEPS))
    past = Trajectories(np.arange(found, dtype=np.int64), moves)
    quantiles = np.exp(np.linspace(-1, 1, 7))[None, None, :].repeat(STEPS, axis=1)
    paths = sample_paths(quantiles, np.array([found - 1 + STEPS]), past, 100)
    assert np.isfinite(paths).all() == (found == FEWEST_TRAJECTORIES)
    if found == FEWEST_TRAJECTORIES:  # some are followed several times; the values stay apart
        assert len(np.unique(paths[0, :, 5])) == 100


def test_trajectories_with_a_gap_or_without_a_width_are_not_followed() -> None:
    ordinals = np.delete(np.arange(100, dtype=np.int64), 60)
    quantiles = np.exp(np.linspace(-1, 1, 7))[None, None, :].repeat(STEPS, axis=1).repeat(3, axis=0)
    quantiles[2] = 1.0
    past = trajectories(np.array([10, 50, 70]), quantiles, ordinals, np.ones(99))
    assert past.origins.tolist() == [10]
    assert not past.moves.any()
