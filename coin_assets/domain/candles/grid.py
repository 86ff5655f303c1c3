"""Candles on a gapless grid: arrays with NaN where a candle is missing.

On the grid, a distance of ``h`` places is ``h`` candles of time. A return over places of which one
is NaN is NaN, so no return spans a gap.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from coin_assets.domain.timeframes import Ordinals, Timeframe

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class CandleGrid:
    """Places of candles on the grid from the first to the last one.

    Attributes:
        timeframe: of the candles.
        ordinals: (n,) ordinals of the existing candles, increasing; at least one.
    """

    timeframe: Timeframe
    ordinals: Ordinals

    @classmethod
    def of(cls, candles: pd.DataFrame, timeframe: Timeframe) -> "CandleGrid":
        """Grid of a valid candle frame with at least one row."""
        return cls(timeframe, timeframe.ordinals(candles["timestamp"]))

    @property
    def first(self) -> int:
        """Ordinal of place 0."""
        return int(self.ordinals[0])

    def on_grid(self, values: npt.ArrayLike) -> Floats:
        """Values at the places of their candles; NaN at missing ones.

        Args:
            values: (n,) numbers, one for each existing candle.

        Returns:
            (places,) float64, NaN where a candle is missing.
        """
        grid = np.full(int(self.ordinals[-1]) - self.first + 1, np.nan)
        grid[self.ordinals - self.first] = values
        return grid

    def places_of(self, origins: pd.DatetimeIndex) -> Ordinals:
        """(k,) places of the candles that close at (k,) origins.

        A place is negative, or beyond the grid, where the origin is outside of the candles' range.
        """
        return self.timeframe.ordinals(origins) - 1 - self.first


def candle_returns(closes: Floats) -> Floats:
    """Log returns of one candle.

    Args:
        closes: (places,) closes on a grid.

    Returns:
        (places,) logarithm of each close over the previous one; NaN at place 0 and where either
        candle is missing.
    """
    returns = np.full_like(closes, np.nan)
    returns[1:] = np.log(closes[1:] / closes[:-1])
    return returns


def adjacent(candles: pd.DataFrame, timeframe: Timeframe) -> Mask:
    """(n - 1,) whether each row after the first directly follows the previous one in time.

    Args:
        candles: (n, 6) valid candle frame.
        timeframe: of the candles.
    """
    return np.asarray(np.diff(timeframe.ordinals(candles["timestamp"])) == 1)


def candle_rows(ordinals: Ordinals, wanted: Ordinals) -> Ordinals:
    """Row of each wanted ordinal among increasing ``ordinals``; -1 where there is none.

    Args:
        ordinals: (n,) increasing.
        wanted: ordinals of any shape, which is the shape of the result.
    """
    if not len(ordinals):
        return np.full(wanted.shape, -1)
    rows = np.minimum(np.searchsorted(ordinals, wanted), len(ordinals) - 1)
    return np.where(ordinals[rows] == wanted, rows, -1)
