"""Features of the volatility forecast.

The main features are log volatilities over windows of 1, 2, 4, ... candles: the heterogeneous
autoregressive model of Corsi (A simple approximate long-memory model of realized volatility, J.
Financial Econometrics 7, 2009). Windows average the volatility, not the variance, so that one jump
does not dominate every window (Forsberg and Ghysels, Why do absolute returns predict volatility so
well?, J. Financial Econometrics 5, 2007).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from coin_assets.domain.candles.frame import VALUES
from coin_assets.domain.candles.grid import CandleGrid, candle_returns
from coin_assets.domain.forecasting.frame import Floats
from coin_assets.domain.forecasting.realised import VARIANCE
from coin_assets.domain.forecasting.variance import candle_variance, trailing_means, trailing_sums
from coin_assets.domain.timeframes import Ordinals, Timeframe

VOLUME, LEVERAGE, CALENDAR = GROUPS = ("volume", "leverage", "calendar")
# Windows, in candles, of the volume and of the returns.
_SHORT_WINDOWS = (1, 4, 16)
# Least volatility of a window, as share of the mean volatility of a candle. Without it a flat
# stretch (halted market, zero volume) would give intervals of zero width.
FLOOR = 0.05
_LARGEST = 6.0  # limit of a fall, in standard deviations, and of a log volume ratio
_WEEK_SECONDS = 7 * 86400
# Sine and cosine waves, in cycles a week: slow ones, and those near 1, 2, 3 and 4 a day, which
# separate the days of the week.
_WAVES = (1, 2, 3, *(7 * daily + near for daily in (1, 2, 3, 4) for near in (-1, 0, 1)))


@dataclass(frozen=True)
class Grid:
    """Candles on the grid of candle numbers, NaN where a candle is missing.

    All arrays have shape (places,).

    Attributes:
        first: number of the candle at place 0.
        close: prices.
        volume: in units of the base asset.
        volatility: square root of the variance of the candle, as log return.
        returns: one-step log returns; NaN where a candle or the one before is missing.
    """

    first: int
    close: Floats
    volume: Floats
    volatility: Floats
    returns: Floats

    @classmethod
    def of(
        cls,
        candles: pd.DataFrame,
        timeframe: Timeframe,
        range_share: float,
        *,
        realised: bool = False,
    ) -> "Grid":
        """The grid from the first to the last of ``candles``.

        Args:
            candles: candle frame with at least one candle.
            range_share: see `candle_variance`.
            realised: whether the column `VARIANCE` of ``candles``, where it has a value, replaces
                the variance from the range.
        """
        grid = CandleGrid.of(candles, timeframe)
        columns = {name: grid.on_grid(candles[name]) for name in VALUES}
        close = columns["close"]
        variance = candle_variance(
            columns["open"], columns["high"], columns["low"], close, range_share
        )
        if realised and VARIANCE in candles:
            measured = grid.on_grid(candles[VARIANCE])
            variance = np.where(np.isnan(measured), variance, measured)
        returns = candle_returns(close)
        return cls(grid.first, close, columns["volume"], np.sqrt(variance), returns)


@dataclass(frozen=True)
class FeatureSet:
    """Choice of features.

    Attributes:
        timeframe: of the candles.
        longest: longest window in candles, a power of two; the others are its halves.
        groups: members of `GROUPS` that are added to the volatility of each window.
    """

    timeframe: Timeframe
    longest: int
    groups: tuple[str, ...] = GROUPS

    @property
    def windows(self) -> tuple[int, ...]:
        """Windows of the volatility in candles; their features come first, in this order."""
        return tuple(2**power for power in range(self.longest.bit_length()))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features, in the order of `columns`."""
        names = [f"volatility_{window}" for window in self.windows]
        short = [window for window in _SHORT_WINDOWS if window <= self.longest]
        for group in (VOLUME, LEVERAGE):
            names += [f"{group}_{window}" for window in short if group in self.groups]
        for wave in self._waves:
            names += [f"sine_{wave}", f"cosine_{wave}"]
        return tuple(names)

    def columns(self, grid: Grid, places: Ordinals, typical_volatility: float) -> list[Floats]:
        """Features in the order of `names`, without NaN.

        Args:
            grid: candles.
            places: places of ``grid`` that have a candle, shape (rows,).
            typical_volatility: mean volatility of a candle, as log return; `FLOOR` is a share of
                it.

        Returns:
            One array of shape (rows,) a feature.
        """
        means = trailing_means(grid.volatility, self.longest)
        floor = FLOOR * typical_volatility
        columns = [np.log(np.maximum(means[window][places], floor)) for window in self.windows]
        short = [window for window in _SHORT_WINDOWS if window <= self.longest]
        if VOLUME in self.groups:
            # The square root limits the weight of single huge trades.
            volumes = trailing_means(np.sqrt(grid.volume), self.longest)
            mean = volumes[self.longest][places]
            columns += [_log_ratio(volumes[window][places], mean) for window in short]
        if LEVERAGE in self.groups:
            # Falls raise volatility more than rises do (Corsi and Reno, Discrete-time volatility
            # forecasting with persistent leverage effect, J. Business Econ. Stat. 30, 2012).
            returns = trailing_sums(grid.returns, self.longest)
            mean = np.maximum(means[self.longest][places], floor)
            for window in short:
                moved = returns[window][places] / (np.sqrt(window) * mean)
                columns.append(np.maximum(np.minimum(moved, 0.0), -_LARGEST))
        closed = (grid.first + places + 1) * self.timeframe.seconds
        angle = 2 * np.pi * (closed % _WEEK_SECONDS) / _WEEK_SECONDS
        for wave in self._waves:
            columns += [np.sin(wave * angle), np.cos(wave * angle)]
        return columns

    @property
    def _waves(self) -> tuple[int, ...]:
        """Cycles a week that candles of this timeframe can resolve."""
        if CALENDAR not in self.groups:
            return ()
        return tuple(wave for wave in _WAVES if 2 * wave * self.timeframe.seconds < _WEEK_SECONDS)


def _log_ratio(part: Floats, whole: Floats) -> Floats:
    """Twice the log of ``part / whole``, clipped to `_LARGEST`; 0 where nothing was traded."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = 2 * np.log(part / whole)
    return np.where(whole > 0, np.clip(ratio, -_LARGEST, _LARGEST), 0.0)
