"""One rule decides whether a model can be trained; the forecaster refuses exactly where it does."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coin_assets.domain.forecasting.frame import QUANTILES
from coin_assets.domain.forecasting.trainable import (
    calibrated_candles,
    minimum_candles,
    why_no_model,
)
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe
from coin_assets.errors import InsufficientData
from coin_assets.models.forecasters import new_forecaster

NAMES = ["1m", "1h", "1d", "1w", "1M"]


def moving(timeframe: Timeframe, moves: "np.typing.NDArray[np.bool_]") -> pd.DataFrame:
    """Candles without wicks that close at another price than the one before where ``moves``."""
    start = timeframe.next(datetime(2015, 1, 1, tzinfo=UTC))
    opens = pd.DatetimeIndex(timeframe.opens(start, timeframe.shift(start, len(moves))))
    close = np.where(np.cumsum(moves) % 2, 1.0001, 1.0)
    before = np.r_[close[:1], close[:-1]]
    return pd.DataFrame(
        {
            "timestamp": opens.as_unit("us"),
            "open": before,
            "high": np.maximum(before, close),
            "low": np.minimum(before, close),
            "close": close,
            "volume": 0.0,
        }
    )


def refusal(timeframe: Timeframe, candles: pd.DataFrame) -> str | None:
    """What `fit` raises; None if it returns a model whose 80% intervals all have a width."""
    try:
        fitted = new_forecaster(Series("A/B", timeframe)).fit(candles)
    except InsufficientData as error:
        return str(error)
    origins = timeframe.close_all(candles["timestamp"])[-1:]
    quantiles = fitted.predict_quantiles(candles, origins)
    assert np.isfinite(quantiles).all()
    q10, q90 = QUANTILES.index(0.1), QUANTILES.index(0.9)
    assert (quantiles[0, :, q90] > quantiles[0, :, q10]).all()
    return None


@settings(max_examples=150, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    share=st.sampled_from([0.0, 0.03, 0.1, 0.15, 0.19, 0.21, 0.22, 0.23, 0.3, 0.5, 1.0]),
    kept=st.sampled_from([0.02, 0.1, 0.3, 0.6, 1.0]),
    more=st.integers(-1, 300),
    seed=st.integers(0, 10_000),
)
def test_fit_refuses_exactly_what_the_rule_refuses(
    name: str, share: float, kept: float, more: int, seed: int
) -> None:
    timeframe, generator = Timeframe.parse(name), np.random.default_rng(seed)
    count = minimum_candles(timeframe) + more
    places = np.sort(generator.choice(max(count, int(count / kept)), count, replace=False))
    moves = generator.random(places[-1] + 1) < share
    candles = moving(timeframe, moves).iloc[places].reset_index(drop=True)
    assert refusal(timeframe, candles) == why_no_model(candles, timeframe)


@pytest.mark.parametrize("name", ["1d", "1w", "1M"])
def test_what_moved_before_the_calibrated_candles_does_not_count(name: str) -> None:
    timeframe = Timeframe.parse(name)
    newest = calibrated_candles(timeframe)
    moves = np.ones(2 * newest, dtype=bool)
    moves[newest:] = False
    candles = moving(timeframe, moves)
    reason = why_no_model(candles, timeframe)
    assert reason is not None
    assert reason.startswith(f"The price hardly ever moved in {newest} {name} candles: 0.0%")
    assert refusal(timeframe, candles) == reason
    candles = moving(timeframe, moves[::-1])
    assert refusal(timeframe, candles) is why_no_model(candles, timeframe) is None


def test_moves_across_missing_candles_do_not_count() -> None:
    hourly = Timeframe("1h")
    candles = moving(hourly, np.ones(600, dtype=bool)).iloc[::2].reset_index(drop=True)
    reason = why_no_model(candles, hourly)
    assert reason is not None
    assert reason.startswith("No two of 300 1h candles follow each other")
    assert refusal(hourly, candles) == reason


def test_the_reason_gives_the_number_of_candles_and_how_many_are_needed() -> None:
    hourly = Timeframe("1h")
    candles = moving(hourly, np.ones(17, dtype=bool))
    assert why_no_model(candles, hourly) == "17 1h candles are too few; a forecast needs 240."
