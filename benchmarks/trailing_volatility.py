"""Comparison method: quantiles scaled by the trailing volatility.

The median is the last close. The quantiles are those of past h-step log returns, each divided by
the volatility at its own origin and multiplied by the volatility at the present one. Volatility is
the exponentially weighted root mean square of one-step log returns (RiskMetrics Technical
Document, J.P. Morgan 1996); quantiles of standardised returns are filtered historical simulation
(Barone-Adesi, Giannopoulos and Vosper 1999). Where few independent h-step returns exist, their
quantiles are shrunk towards those of one step, scaled by the square root of time.
"""

from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from coin_assets.domain.forecasting.frame import MEDIAN, QUANTILES, STEPS, Floats
from coin_assets.domain.forecasting.trainable import minimum_candles
from coin_assets.domain.timeframes import Ordinals, Timeframe
from coin_assets.errors import InsufficientData

# Least volatility, as share of its median. Without it a flat stretch (halted market, zero volume)
# would give intervals of zero width.
_FLOOR = 0.1


class VolatilityScaledBaseline(BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """`Forecaster` with median = last close and volatility-scaled empirical quantiles.

    Args:
        timeframe: name of the timeframe of the candles.
        window: number of one-step returns in the volatility.
        half_life: of the weights of those returns, in candles.
        shrinkage: number of independent h-step returns at which the own quantiles of a step have
            weight one half.

    Attributes:
        quantiles_: shape (`STEPS`, quantiles), of standardised log returns; the median is 0.
        typical_volatility_: median volatility of one step, as log return.
    """

    name = "volatility_scaled_baseline"
    features = ("volatility",)

    def __init__(
        self, timeframe: str, window: int = 120, half_life: float = 20.0, shrinkage: float = 20.0
    ) -> None:
        self.timeframe = timeframe
        self.window = window
        self.half_life = half_life
        self.shrinkage = shrinkage

    @property
    def context(self) -> int:
        return self.window + 1

    def fit(self, candles: pd.DataFrame) -> Self:
        """Fit the quantiles of standardised returns; see `Forecaster.fit`."""
        timeframe = Timeframe.parse(self.timeframe)
        needed = minimum_candles(timeframe)
        if len(candles) < needed:
            raise InsufficientData(
                f"{len(candles)} {timeframe} candles are too few; a forecast needs {needed}."
            )
        log_close = np.log(np.ascontiguousarray(candles["close"]))
        ordinals = timeframe.ordinals(candles["timestamp"])
        grid = _on_grid(log_close, ordinals)
        volatility = self._volatility(np.diff(grid, prepend=np.nan))
        # The volatility of few returns is not used.
        volatility[: min(self.window, needed) // 2] = np.nan
        self.typical_volatility_ = float(np.nanmedian(volatility))
        if not self.typical_volatility_ > 0:
            raise InsufficientData(
                f"The price hardly ever moved in {len(candles)} {timeframe} candles."
            )
        self.quantiles_ = self._shrunk_quantiles(grid, self._scale(volatility))
        return self

    def predict_quantiles(self, candles: pd.DataFrame, origins: pd.DatetimeIndex) -> Floats:
        """Quantiles of future closes; see `Forecaster.predict_quantiles`."""
        check_is_fitted(self, "quantiles_")
        timeframe = Timeframe.parse(self.timeframe)
        ordinals = timeframe.ordinals(candles["timestamp"])
        close = np.ascontiguousarray(candles["close"])
        grid = _on_grid(np.log(close), ordinals)
        positions = timeframe.ordinals(origins) - 1 - ordinals[0]
        returns = np.diff(grid, prepend=np.nan)
        scale = self._scale(self._volatility(returns)[positions])
        last = close[np.searchsorted(ordinals, timeframe.ordinals(origins) - 1)]
        prices = last[:, None, None] * np.exp(scale[:, None, None] * self.quantiles_[None])
        return np.asarray(prices, dtype=np.float64)

    def state(self) -> dict[str, Any]:
        """Parameters and fitted values as JSON values."""
        check_is_fitted(self, "quantiles_")
        return {
            "parameters": self.get_params(),
            "typical_volatility": self.typical_volatility_,
            "quantiles": self.quantiles_.tolist(),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """Inverse of `state`."""
        estimator = cls(**state["parameters"])
        estimator.typical_volatility_ = float(state["typical_volatility"])
        estimator.quantiles_ = np.asarray(state["quantiles"], dtype=np.float64)
        if estimator.quantiles_.shape != (STEPS, len(QUANTILES)):
            raise ValueError(f"quantiles have shape {estimator.quantiles_.shape}")
        return estimator

    def _volatility(self, returns: Floats) -> Floats:
        """Weighted root mean square of the last `window` returns at each position; NaN if none.

        The sums run lag by lag over whole arrays, so that the value at a position is the same to
        the bit whatever else is in the array.
        """
        present = np.isfinite(returns)
        squares = np.where(present, returns, 0.0) ** 2
        total = np.zeros(len(returns))
        weights = np.zeros(len(returns))
        for lag in range(min(self.window, len(returns))):
            weight = 0.5 ** (lag / self.half_life)
            total[lag:] += weight * squares[: len(returns) - lag]
            weights[lag:] += weight * present[: len(returns) - lag]
        with np.errstate(invalid="ignore"):
            return np.asarray(np.sqrt(total / weights), dtype=np.float64)

    def _scale(self, volatility: Floats) -> Floats:
        """Volatility of at least the floor; the typical one where unknown after a gap."""
        known = np.maximum(volatility, _FLOOR * self.typical_volatility_)
        return np.where(np.isnan(volatility), self.typical_volatility_, known)

    def _shrunk_quantiles(self, grid: Floats, scale: Floats) -> Floats:
        one_step = _centred_quantiles((grid[1:] - grid[:-1]) / scale[:-1])
        rows = []
        for step in range(1, STEPS + 1):
            standardised = (grid[step:] - grid[:-step]) / scale[:-step]
            count = int(np.isfinite(standardised).sum())
            own_share = (count / step) / (count / step + self.shrinkage)
            scaled = np.sqrt(step) * one_step
            own = _centred_quantiles(standardised) if count else scaled
            rows.append(own_share * own + (1 - own_share) * scaled)
        return np.array(rows)


def _on_grid(values: Floats, ordinals: Ordinals) -> Floats:
    """Values on the grid of candle numbers, NaN where a candle is missing."""
    grid = np.full(int(ordinals[-1] - ordinals[0]) + 1, np.nan)
    grid[ordinals - ordinals[0]] = values
    return grid


def _centred_quantiles(values: Floats) -> Floats:
    quantiles = np.nanquantile(values, QUANTILES)
    return np.asarray(quantiles - quantiles[MEDIAN], dtype=np.float64)
