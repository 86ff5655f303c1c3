"""The variance of candles, and sums before and after a place.

- On a simulated diffusion the variance of a candle has the right mean, and the range makes it far
  less noisy than the squared return.
- Sums and means are those of a naive loop, NaN left out, and the same to the bit whatever else is
  in the array.
"""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coin_assets.domain.forecasting.frame import Floats
from coin_assets.domain.forecasting.variance import (
    candle_variance,
    forward_means,
    recent_means,
    trailing_means,
    trailing_sums,
)


def diffusion(candles: int, ticks: int, sigma: float) -> tuple[Floats, Floats, Floats, Floats]:
    """Open, high, low and close of Brownian motion with variance ``sigma**2`` a candle."""
    steps = sigma / math.sqrt(ticks) * np.random.default_rng(1).standard_normal((candles, ticks))
    paths = np.exp(np.cumsum(steps).reshape(candles, ticks))
    close = paths[:, -1]
    opened = np.append(1.0, close[:-1])
    return (
        opened,
        np.maximum(opened, paths.max(axis=1)),
        np.minimum(opened, paths.min(axis=1)),
        close,
    )


def test_the_range_measures_the_variance_with_less_noise_than_the_return() -> None:
    bars = diffusion(candles=2000, ticks=1000, sigma=0.02)
    by_range, mixed, by_return = (candle_variance(*bars, share) for share in (1.0, 0.75, 0.0))
    for variance in (by_range, mixed, by_return):
        assert variance.mean() == pytest.approx(0.02**2, rel=0.1)
        assert (variance >= 0).all()
    assert by_range.std() < mixed.std() < 0.7 * by_return.std()


def test_a_jump_between_candles_counts_unless_a_candle_is_missing_between() -> None:
    flat = np.array([1.0, 2.0, np.nan, 4.0])
    variance = candle_variance(flat, flat, flat, flat, 0.75)
    jump = math.log(2) ** 2
    assert variance[1] == pytest.approx(0.75 * (1.5 - 2 * math.log(2)) * jump + 0.25 * jump)
    assert variance[[0, 3]].tolist() == [0.0, 0.0]
    assert np.isnan(variance[2])


@given(data=st.data(), window=st.sampled_from([1, 4, 8]))
def test_recent_means_are_those_of_a_naive_loop(data: st.DataObject, window: int) -> None:
    length = data.draw(st.integers(1, 30))
    places = sorted(data.draw(st.sets(st.integers(0, length - 1), min_size=1)))
    values = data.draw(st.lists(st.floats(-9, 9), min_size=len(places), max_size=len(places)))
    found = recent_means([np.array(values)], np.array(places), length, window)[0]
    for place, mean in enumerate(found):
        inside = [v for at, v in zip(places, values, strict=True) if place - window < at <= place]
        expected = np.mean(inside) if inside else math.nan
        assert mean == pytest.approx(expected, abs=1e-9, nan_ok=True)


VALUES = st.lists(st.one_of(st.just(math.nan), st.floats(0, 1e3)), min_size=1, max_size=40)


@given(values=VALUES)
def test_trailing_means_are_those_of_a_naive_loop(values: list[float]) -> None:
    means = trailing_means(np.array(values), 8)
    assert list(means) == [1, 2, 4, 8]
    for window, found in means.items():
        for place in range(len(values)):
            known = [v for v in values[max(0, place + 1 - window) : place + 1] if v == v]
            expected = math.fsum(known) / len(known) if known else math.nan
            assert found[place] == pytest.approx(expected, rel=1e-12, nan_ok=True)


@given(values=VALUES, before=VALUES, after=VALUES)
def test_a_trailing_sum_does_not_know_what_else_is_in_the_array(
    values: list[float], before: list[float], after: list[float]
) -> None:
    alone = trailing_sums(np.array([math.nan] * 8 + values), 8)
    among = trailing_sums(np.array(before + [math.nan] * 8 + values + after), 8)
    inside = slice(len(before) + 8, len(before) + 8 + len(values))
    for window in alone:
        assert alone[window][8:].tobytes() == among[window][inside].tobytes()


@given(values=VALUES)
def test_forward_means_are_those_of_a_naive_loop(values: list[float]) -> None:
    means = forward_means(np.array(values), 5)
    for place in range(len(values)):
        for step in range(1, 6):
            ahead = values[place + 1 : place + 1 + step]
            known = [v for v in ahead if v == v]
            whole = len(ahead) == step and len(known) > 0.75 * step
            expected = math.fsum(known) / len(known) if whole else math.nan
            assert means[place, step - 1] == pytest.approx(expected, rel=1e-12, nan_ok=True)
