"""Realised variance: the variance of a candle as a sum over the finer candles within it.

The sum measures the variance of a week far better than the range of the week does (Andersen,
Bollerslev, Diebold and Labys, Modeling and forecasting realized volatility, Econometrica 71, 2003).

It is a column of the candle frame that a forecaster reads. Like the other columns it is known when
the candle has closed, so whatever cuts, shifts or truncates a frame keeps the leak rule.
"""

import numpy as np
import pandas as pd

from coin_assets.domain.candles.frame import VALUES
from coin_assets.domain.candles.grid import CandleGrid
from coin_assets.domain.candles.resampling import resample
from coin_assets.domain.forecasting.frame import Floats
from coin_assets.domain.forecasting.variance import RANGE_SHARE, candle_variance
from coin_assets.domain.timeframes import Timeframe

VARIANCE = "variance"  # column; NaN where the range of the candle itself is used
# Finer candles are joined to hours first: below, prices bounce between bid and ask, and an
# installation that fetches minutes gives the same forecasts as one that fetches hours.
_SHORTEST = Timeframe("1h")
_LEAST_KNOWN = 0.75  # share of the finer candles; exchanges have outages


def parts_timeframe(source: Timeframe) -> Timeframe:
    """Timeframe of the candles that are summed: ``source``, but at least an hour."""
    return _SHORTEST if source.divides(_SHORTEST) else source


def parts_of(source_candles: pd.DataFrame, source: Timeframe) -> pd.DataFrame:
    """Source candles joined to candles of `parts_timeframe`.

    Args:
        source_candles: candle frame of whole days.
        source: timeframe of ``source_candles``.
    """
    joined = parts_timeframe(source)
    return source_candles if joined == source else resample(source_candles, source, joined).candles


def with_realised_variance(
    candles: pd.DataFrame, timeframe: Timeframe, parts: pd.DataFrame, finer: Timeframe
) -> pd.DataFrame:
    """``candles`` with the column `VARIANCE`.

    Args:
        candles: candle frame.
        timeframe: of ``candles``.
        parts: candle frame of the same symbol; those outside of ``candles`` change nothing, except
            that a candle starts at the close of the part before it, if there is one.
        finer: timeframe of ``parts``; it divides ``timeframe``.
    """
    return candles.assign(**{VARIANCE: realised_variance(candles, timeframe, parts, finer)})


def realised_variance(
    candles: pd.DataFrame, timeframe: Timeframe, parts: pd.DataFrame, finer: Timeframe
) -> Floats:
    """Mean `candle_variance` of the parts of each candle, times their number without gaps.

    Each value is added up in the order of time, from its own parts alone. So it is the same to the
    bit whatever the other candles are.

    Args:
        candles, timeframe, parts, finer: see `with_realised_variance`.

    Returns:
        Squared log returns, shape (candles,); NaN where less than three quarters of the parts are
        known.
    """
    if parts.empty or candles.empty:
        return np.full(len(candles), np.nan)
    grid = CandleGrid.of(parts, finer)
    opened, high, low, close, _ = (grid.on_grid(parts[name]) for name in VALUES)
    variance = candle_variance(opened, high, low, close, RANGE_SHARE)[grid.ordinals - grid.first]
    opens = candles["timestamp"]
    expected = finer.ordinals(timeframe.close_all(opens)) - finer.ordinals(opens)
    own, owners = timeframe.ordinals(opens), timeframe.ordinals(parts["timestamp"])
    rows = np.minimum(np.searchsorted(own, owners), len(own) - 1)
    inside = (own[rows] == owners) & np.isfinite(variance)
    counts = np.bincount(rows[inside], minlength=len(own))
    totals = np.bincount(rows[inside], weights=variance[inside], minlength=len(own))
    known = counts >= _LEAST_KNOWN * expected
    realised = np.full(len(own), np.nan)
    realised[known] = totals[known] / counts[known] * expected[known]
    return realised
