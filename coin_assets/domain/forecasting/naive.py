"""The naive forecast, the reference of all scores.

The median is the last close. The spread is given by empirical quantiles of the h-step log returns
of the trailing candles (historical simulation; Hendricks, Evaluation of Value-at-Risk Models Using
Historical Data, FRBNY Economic Policy Review 2, 1996). Nothing is fitted.
"""

import numpy as np
import pandas as pd

from coin_assets.domain.candles.grid import CandleGrid, Mask, candle_rows
from coin_assets.domain.forecasting.frame import MEDIAN, QUANTILES, STEPS, Floats
from coin_assets.domain.timeframes import Timeframe
from coin_assets.errors import InsufficientData

NAIVE_WINDOW = 500
# Least number of returns behind a quantile. Without gaps, twice as many candles suffice at every
# step.
FEWEST_RETURNS = STEPS
_ORIGINS_AT_ONCE = 1024


def naive_quantiles(
    candles: pd.DataFrame,
    origins: pd.DatetimeIndex,
    timeframe: Timeframe,
    window: int = NAIVE_WINDOW,
) -> Floats:
    """Last close times the exponential of the quantiles of trailing h-step log returns.

    The quantiles are empirical, linear between order statistics, and not centred. The 0.5 quantile
    is the last close; lower quantiles are at most that, higher ones at least. A return needs both
    its candles. Candles after an origin, or before its ``window``, do not change its forecast, to
    the bit.

    Args:
        candles: candle frame from ``window`` candles before the first origin, or the beginning of
            the history, to the last origin.
        origins: closes of candles in ``candles``, shape (origins,), in any order.
        timeframe: of the candles.
        window: number of candles up to an origin, missing ones counted, whose returns are used.

    Returns:
        Prices, shape (origins, `STEPS`, quantiles), non-decreasing along the last axis.

    Raises:
        InsufficientData: an origin is not the close of a candle, or has fewer than
            `FEWEST_RETURNS` returns of some step; see `has_naive`.
    """
    known = has_naive(candles, origins, timeframe, window)
    if not known.all():
        raise InsufficientData(
            f"{int((~known).sum())} of {len(origins)} origins have no naive {timeframe} forecast, "
            f"first {origins[~known][0]}: each needs its own candle and {FEWEST_RETURNS} returns "
            f"of every step among its last {window} candles. Leave such origins out."
        )
    scaled = np.zeros((len(origins), STEPS, len(QUANTILES)))
    if not len(origins):
        return scaled
    ordinals = timeframe.ordinals(candles["timestamp"])
    close = np.ascontiguousarray(candles["close"], dtype=np.float64)
    candle_grid = CandleGrid(timeframe, ordinals)
    grid, places = candle_grid.on_grid(np.log(close)), candle_grid.places_of(origins)
    for step in range(1, STEPS + 1):
        # Padding gives the windows of the first candles their full length.
        returns = np.full(window + len(grid) - step, np.nan)
        returns[window:] = grid[step:] - grid[:-step]
        windows = np.lib.stride_tricks.sliding_window_view(returns, window - step)
        for first in range(0, len(places), _ORIGINS_AT_ONCE):
            part = slice(first, first + _ORIGINS_AT_ONCE)
            scaled[part, step - 1] = _sample_quantiles(windows[places[part] + 1])
    scaled[..., MEDIAN] = 0.0
    scaled[..., :MEDIAN] = np.minimum(scaled[..., :MEDIAN], 0.0)
    scaled[..., MEDIAN:] = np.maximum(scaled[..., MEDIAN:], 0.0)
    last = close[candle_rows(ordinals, timeframe.ordinals(origins) - 1)]
    return np.asarray(last[:, None, None] * np.exp(scaled), dtype=np.float64)


def has_naive(
    candles: pd.DataFrame,
    origins: pd.DatetimeIndex,
    timeframe: Timeframe,
    window: int = NAIVE_WINDOW,
) -> Mask:
    """Mask of the origins that `naive_quantiles` can forecast, shape (origins,).

    Arguments as in `naive_quantiles`.
    """
    ordinals = timeframe.ordinals(candles["timestamp"])
    newest = timeframe.ordinals(origins) - 1
    known = candle_rows(ordinals, newest) >= 0
    for step in range(1, STEPS + 1):
        later = ordinals[candle_rows(ordinals, ordinals - step) >= 0]
        count = np.searchsorted(later, newest, "right")
        count -= np.searchsorted(later, newest - (window - step), "right")
        known &= count >= FEWEST_RETURNS
    return known


def _sample_quantiles(samples: Floats) -> Floats:
    """`QUANTILES` of the finite values of each row, linear between order statistics."""
    ordered = np.sort(samples, axis=1)  # NaN last
    places = (np.isfinite(ordered).sum(axis=1) - 1)[:, None] * np.asarray(QUANTILES)
    below = np.floor(places).astype(np.int64)
    low = np.take_along_axis(ordered, below, axis=1)
    high = np.take_along_axis(ordered, np.ceil(places).astype(np.int64), axis=1)
    return np.asarray(low + (places - below) * (high - low), dtype=np.float64)
