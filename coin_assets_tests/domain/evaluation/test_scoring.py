"""Scores as a sheet of paper computes them, and the loss of a fitted forecaster.

- The pinball loss is least at the sample quantile, and no answer to what is not known.
- Every score of a window is that of a slow loop, however many candles are missing.
- Scores do not depend on the unit of prices; the naive forecast has no skill, the future all.
"""

from datetime import UTC, datetime, timedelta
from math import log

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from benchmarks.trailing_volatility import VolatilityScaledBaseline
from coin_assets.domain.evaluation.scoring import pinball_loss, recent_loss
from coin_assets.domain.forecasting.frame import QUANTILES, Floats, Forecaster
from coin_assets.domain.timeframes import Timeframe
from coin_assets_tests.models.trainings import candles as gapless
from coin_assets_tests.platform import series

HOUR = Timeframe("1h")
START = datetime(2026, 9, 1, tzinfo=UTC)
numbers = st.floats(-1e6, 1e6)


def candles(rows: int, seed: int = 0) -> pd.DataFrame:
    return gapless(series("1h"), START, START + timedelta(hours=rows), seed)


def slow_pinball(actual: float, quantile: float, level: float) -> float:
    return level * (actual - quantile) if actual >= quantile else (1 - level) * (quantile - actual)


@given(
    arrays(np.float64, (3, 2), elements=numbers), arrays(np.float64, (3, 2, 7), elements=numbers)
)
def test_it_agrees_with_the_definition(actual: Floats, quantiles: Floats) -> None:
    losses = pinball_loss(actual, quantiles)
    assert losses.shape == quantiles.shape
    for place in np.ndindex(*quantiles.shape):
        truth, predicted = actual.item(*place[:2]), quantiles.item(*place)
        expected = slow_pinball(truth, predicted, QUANTILES[place[2]])
        assert losses[place] == pytest.approx(expected)
    assert (losses >= 0).all()


@given(arrays(np.float64, 40, elements=numbers), st.sampled_from(QUANTILES), numbers)
def test_nothing_beats_the_sample_quantile(sample: Floats, level: float, other: float) -> None:
    def mean(predicted: float) -> float:
        return float(pinball_loss(sample, np.full((40, 1), predicted), (level,)).mean())

    honest = float(np.quantile(sample, level, method="inverted_cdf"))
    assert mean(honest) <= mean(other) + 1e-6


def test_what_is_not_known_has_no_loss() -> None:
    losses = pinball_loss(np.array([np.nan, 1.0]), np.ones((2, 7)))
    assert np.isnan(losses[0]).all()
    assert (losses[1] == 0).all()


def slow_loss(
    forecaster: Forecaster, frame: pd.DataFrame, origins: int, steps: int = 24
) -> float | None:
    """Origin by origin, step by step, on all candles."""
    closes = dict(zip(frame["timestamp"], frame["close"], strict=True))
    hour = pd.Timedelta("1h")
    last = frame["timestamp"].iloc[-1]
    old = [opened + hour for opened in closes if opened + steps * hour <= last]
    losses = []
    for origin in old[-origins:]:
        (predicted,) = forecaster.predict_quantiles(frame, pd.DatetimeIndex([origin]))
        for step in range(steps):
            close = closes.get(origin + step * hour)
            if close is not None:
                losses += [
                    slow_pinball(log(close), log(predicted[step][index]), level)
                    for index, level in enumerate(QUANTILES)
                ]
    return sum(losses) / len(losses) if losses else None


@settings(max_examples=8, deadline=None)
@given(
    rows=st.integers(250, 420),
    dropped=st.sets(st.integers(0, 400), max_size=9),
    origins=st.integers(1, 30),
)
def test_the_recent_loss_agrees_with_a_slow_one(rows: int, dropped: set[int], origins: int) -> None:
    frame = candles(rows)
    frame = frame.drop(index=[row for row in dropped if row < rows]).reset_index(drop=True)
    forecaster = VolatilityScaledBaseline("1h").fit(frame)
    loss = recent_loss(forecaster, frame, HOUR, origins)
    assert loss == pytest.approx(slow_loss(forecaster, frame, origins))


def test_candles_before_its_context_do_not_change_it() -> None:
    frame = candles(600)
    forecaster = VolatilityScaledBaseline("1h").fit(frame)
    needed = 100 + 24 + forecaster.context - 1
    short = frame.tail(needed).reset_index(drop=True)
    assert recent_loss(forecaster, short, HOUR) == recent_loss(forecaster, frame, HOUR)


def test_of_few_candles_as_many_origins_count_as_are_over() -> None:
    forecaster = VolatilityScaledBaseline("1h").fit(candles(300))
    assert recent_loss(forecaster, candles(24), HOUR) is None
    assert recent_loss(forecaster, candles(0), HOUR) is None
    one = candles(25)
    assert recent_loss(forecaster, one, HOUR) == pytest.approx(slow_loss(forecaster, one, 1))


def test_a_gap_after_every_origin_leaves_nothing_to_score() -> None:
    forecaster = VolatilityScaledBaseline("1h").fit(candles(300))
    frame = candles(40)
    assert recent_loss(forecaster, frame.iloc[[0, 39]].reset_index(drop=True), HOUR) is None


def test_a_wider_market_has_a_larger_loss() -> None:
    low = candles(500)
    high = low.assign(close=100 * (low["close"] / 100) ** 3)
    losses = [
        recent_loss(VolatilityScaledBaseline("1h").fit(frame), frame, HOUR) for frame in (low, high)
    ]
    assert losses[1] == pytest.approx(3 * (losses[0] or 0))


@pytest.mark.parametrize("name", ["1d", "1w", "1M"])
def test_every_timeframe_has_one(name: str) -> None:
    long = series(name)
    frame = gapless(long, datetime(2010, 1, 1, tzinfo=UTC), START)
    loss = recent_loss(VolatilityScaledBaseline(name).fit(frame), frame, long.timeframe)
    assert loss is not None
    assert 0 < loss < 0.1
