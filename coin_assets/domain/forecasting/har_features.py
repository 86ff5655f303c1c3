"""What is known at an origin that tells how much the price will move after it.

The heart is the heterogeneous autoregressive idea of Corsi (A simple approximate long-memory model
of realized volatility, J. Financial Econometrics 7, 2009): volatility over windows of very
different lengths. Means of the volatility are taken, not of the variance, so that one jump does
not fill every window (Forsberg and Ghysels, Why do absolute returns predict volatility so well?,
J. Financial Econometrics 5, 2007).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from coin_assets.domain.candles.frame import VALUES
from coin_assets.domain.candles.grid import CandleGrid, candle_returns
from coin_assets.domain.forecasting.frame import Floats
from coin_assets.domain.forecasting.variance import candle_variance, trailing_means, trailing_sums
from coin_assets.domain.timeframes import Ordinals, Timeframe

VOLUME, LEVERAGE, CALENDAR = GROUPS = ("volume", "leverage", "calendar")
# Windows, in candles, of the volume and of the returns.
_SHORT_WINDOWS = (1, 4, 16)
# A window never counts as calmer than this share of the typical candle, so that a flat stretch
# (halted market, zero volume) does not promise certainty.
FLOOR = 0.05
_LARGEST = 6.0  # of a fall, in standard deviations; of a volume ratio, as logarithm
_WEEK_SECONDS = 7 * 86400
# Waves a week: slow ones, and those about 1, 2, 3 and 4 a day, which tell the days apart.
_WAVES = (1, 2, 3, *(7 * daily + near for daily in (1, 2, 3, 4) for near in (-1, 0, 1)))


@dataclass(frozen=True)
class Grid:
    """Candles at their places on the grid of candle numbers; NaN where one is missing.

    Attributes:
        first: number of the candle at place 0.
        volatility: square root of `candle_variance`.
        returns: log returns of one candle; NaN where it or the one before is missing.
    """

    first: int
    close: Floats
    volume: Floats
    volatility: Floats
    returns: Floats

    @classmethod
    def of(cls, candles: pd.DataFrame, timeframe: Timeframe, range_share: float) -> "Grid":
        """The grid from the first to the last of ``candles``, which are at least one."""
        grid = CandleGrid.of(candles, timeframe)
        columns = {name: grid.spread(candles[name]) for name in VALUES}
        close = columns["close"]
        variance = candle_variance(
            columns["open"], columns["high"], columns["low"], close, range_share
        )
        returns = candle_returns(close)
        return cls(grid.first, close, columns["volume"], np.sqrt(variance), returns)


@dataclass(frozen=True)
class FeatureSet:
    """Which features are made.

    Attributes:
        longest: longest window in candles, a power of two; the others are its halves.
        groups: of `GROUPS`, what is made besides the volatility of each window.
    """

    timeframe: Timeframe
    longest: int
    groups: tuple[str, ...] = GROUPS

    @property
    def windows(self) -> tuple[int, ...]:
        """Windows of the volatility; its features come first, in this order."""
        return tuple(2**power for power in range(self.longest.bit_length()))

    @property
    def names(self) -> tuple[str, ...]:
        names = [f"volatility_{window}" for window in self.windows]
        short = [window for window in _SHORT_WINDOWS if window <= self.longest]
        for group in (VOLUME, LEVERAGE):
            names += [f"{group}_{window}" for window in short if group in self.groups]
        for wave in self._waves:
            names += [f"sine_{wave}", f"cosine_{wave}"]
        return tuple(names)

    def columns(self, grid: Grid, places: Ordinals, typical_volatility: float) -> list[Floats]:
        """The features of `names` at some places, none of them NaN.

        Args:
            places: of candles that are there.
            typical_volatility: what the floor is a share of.
        """
        means = trailing_means(grid.volatility, self.longest)
        floor = FLOOR * typical_volatility
        columns = [np.log(np.maximum(means[window][places], floor)) for window in self.windows]
        short = [window for window in _SHORT_WINDOWS if window <= self.longest]
        if VOLUME in self.groups:
            # The square root tames single huge trades, as with the volatility.
            volumes = trailing_means(np.sqrt(grid.volume), self.longest)
            usual = volumes[self.longest][places]
            columns += [_log_ratio(volumes[window][places], usual) for window in short]
        if LEVERAGE in self.groups:
            # Falls stir markets more than rises (Corsi and Reno, Discrete-time volatility
            # forecasting with persistent leverage effect, J. Business Econ. Stat. 30, 2012).
            returns = trailing_sums(grid.returns, self.longest)
            usual = np.maximum(means[self.longest][places], floor)
            for window in short:
                moved = returns[window][places] / (np.sqrt(window) * usual)
                columns.append(np.maximum(np.minimum(moved, 0.0), -_LARGEST))
        closed = (grid.first + places + 1) * self.timeframe.seconds
        angle = 2 * np.pi * (closed % _WEEK_SECONDS) / _WEEK_SECONDS
        for wave in self._waves:
            columns += [np.sin(wave * angle), np.cos(wave * angle)]
        return columns

    @property
    def _waves(self) -> tuple[int, ...]:
        """Those that candles of this timeframe can tell apart."""
        if CALENDAR not in self.groups or self.timeframe.is_month:
            return ()
        return tuple(wave for wave in _WAVES if 2 * wave * self.timeframe.seconds < _WEEK_SECONDS)


def _log_ratio(part: Floats, whole: Floats) -> Floats:
    """Twice the logarithm of ``part / whole`` within bounds; 0 where nothing was traded at all."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = 2 * np.log(part / whole)
    return np.where(whole > 0, np.clip(ratio, -_LARGEST, _LARGEST), 0.0)
