"""Candles of simulated markets, for tests of what is learned from candles."""

import math
from datetime import UTC, datetime

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from coin_assets.domain.forecasting.frame import Floats
from coin_assets.domain.timeframes import Timeframe

START = datetime(2024, 1, 30, tzinfo=UTC)
HOUR = Timeframe.parse("1h")


def candles_of(returns: Floats, timeframe: Timeframe = HOUR, seed: int = 0) -> pd.DataFrame:
    """Gapless valid candles from `START` on with these log returns, and wicks beyond them."""
    rng = np.random.default_rng(seed)
    count = len(returns)
    close = 100 * np.exp(np.cumsum(returns))
    opened = np.append(100.0, close[:-1])
    wick = np.abs(returns) * rng.random((2, count))
    first = timeframe.floor(START)
    opens = [timeframe.shift(first, number) for number in range(count)]
    return pd.DataFrame(
        {
            "timestamp": pd.Series(opens, dtype="datetime64[us, UTC]"),
            "open": opened,
            "high": np.maximum(opened, close) * np.exp(wick[0]),
            "low": np.minimum(opened, close) * np.exp(-wick[1]),
            "close": close,
            "volume": rng.lognormal(size=count),
        }
    )


def random_candles(
    seed: int, count: int, scale: float = 0.01, timeframe: Timeframe = HOUR
) -> pd.DataFrame:
    """A random walk of constant volatility with heavy tails."""
    returns = scale * np.random.default_rng(seed).standard_t(4, count) / math.sqrt(2)
    return candles_of(returns, timeframe, seed)


def regime_candles(seed: int, count: int, length: int, ratio: float) -> pd.DataFrame:
    """Calm and wild stretches of about ``length`` candles, ``ratio`` between their volatilities."""
    rng = np.random.default_rng(seed)
    wild = np.cumsum(rng.random(count) < 1 / length) % 2
    return candles_of(0.005 * ratio**wild * rng.standard_normal(count), seed=seed)


@st.composite
def broken_walks(draw: st.DrawFn) -> pd.DataFrame:
    """Hourly random walks with gaps, flat runs, stretches without volume, and odd price scales."""
    spans = st.lists(st.tuples(st.integers(0, 250), st.integers(1, 150)), max_size=2)
    flats, silent, gaps = draw(spans), draw(spans), draw(spans)
    count = 280 + sum(length for _, length in gaps)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    returns = draw(st.sampled_from([1e-5, 0.01, 0.3])) * rng.standard_t(3, count)
    for start, length in flats:
        returns[start : start + min(length, 60)] = 0.0
    candles = candles_of(returns, seed=int(rng.integers(2**31)))
    for start, length in silent:
        candles.loc[start : start + length, "volume"] = 0.0
    prices = ["open", "high", "low", "close"]
    candles[prices] *= draw(st.sampled_from([1e-10, 1.0, 1e4]))
    keep = np.ones(count, dtype=bool)
    for start, length in gaps:
        keep[start : start + length] = False
    return candles[keep].reset_index(drop=True)
