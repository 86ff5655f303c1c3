"""The naive forecast as a method that is trained and stored, to challenge the champion.

Its forecasts are those of `naive_quantiles`, which all losses are compared with. Where an origin
has too few returns for them, it uses the quantiles of the returns that it saw when it was fitted.
"""

from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from coin_assets.domain.candles.grid import CandleGrid, candle_rows
from coin_assets.domain.forecasting.frame import MEDIAN, QUANTILES, STEPS, Floats, require_closes
from coin_assets.domain.forecasting.naive import (
    FEWEST_RETURNS,
    NAIVE_WINDOW,
    has_naive,
    naive_quantiles,
)
from coin_assets.domain.forecasting.trainable import why_no_model
from coin_assets.domain.methods import METHODS, NAIVE
from coin_assets.domain.timeframes import Timeframe
from coin_assets.errors import InsufficientData

_DECIMALS = 12  # mathematical libraries agree on these, so artefacts are the same bytes


class NaiveForecaster(BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """`Forecaster` of the naive forecast.

    Args:
        timeframe: name of the timeframe of the candles, in ccxt notation.
        window: number of candles up to an origin whose returns are used.

    Attributes:
        returns_: quantiles of log returns over 1 to `STEPS` candles when it was fitted, shape
            (`STEPS`, quantiles); 0 at the median.
    """

    name = METHODS[NAIVE].forecaster
    features: tuple[str, ...] = ()

    def __init__(self, timeframe: str, window: int = NAIVE_WINDOW) -> None:
        self.timeframe = timeframe
        self.window = window

    @property
    def context(self) -> int:
        """Number of candles up to an origin that its forecast reads."""
        return self.window

    def fit(self, candles: pd.DataFrame) -> Self:
        """Take the quantiles of the newest returns.

        A step with fewer than `FEWEST_RETURNS` returns has those of the step before it, times the
        square root of the ratio of the steps.

        Args:
            candles: candle frame; gaps are allowed.

        Raises:
            InsufficientData: `why_no_model` gives a reason against it.
        """
        timeframe = Timeframe.parse(self.timeframe)
        if (reason := why_no_model(candles, timeframe)) is not None:
            raise InsufficientData(reason)
        closes = np.log(np.ascontiguousarray(candles["close"], dtype=np.float64))
        grid = CandleGrid.of(candles, timeframe).on_grid(closes)[-self.window :]
        quantiles = np.zeros((STEPS, len(QUANTILES)))
        for step in range(1, STEPS + 1):
            returns = grid[step:] - grid[:-step]
            known = returns[np.isfinite(returns)]
            if step > 1 and len(known) < FEWEST_RETURNS:
                quantiles[step - 1] = quantiles[step - 2] * np.sqrt(step / (step - 1))
            elif len(known):
                quantiles[step - 1] = np.quantile(known, QUANTILES)
        quantiles[:, :MEDIAN] = np.minimum(quantiles[:, :MEDIAN], 0.0)
        quantiles[:, MEDIAN] = 0.0
        quantiles[:, MEDIAN:] = np.maximum(quantiles[:, MEDIAN:], 0.0)
        self.returns_ = np.round(quantiles, _DECIMALS)
        return self

    def predict_quantiles(self, candles: pd.DataFrame, origins: pd.DatetimeIndex) -> Floats:
        """Quantiles of future closes; see `Forecaster.predict_quantiles`.

        Raises:
            DataRefused: an origin is not the close of a candle in ``candles``.
            NotFittedError: `fit` was not called.
        """
        check_is_fitted(self, "returns_")
        timeframe = Timeframe.parse(self.timeframe)
        rows = candle_rows(
            timeframe.ordinals(candles["timestamp"]), timeframe.ordinals(origins) - 1
        )
        require_closes(rows >= 0, origins, timeframe)
        last = np.ascontiguousarray(candles["close"], dtype=np.float64)[rows]
        prices = np.asarray(last[:, None, None] * np.exp(self.returns_), dtype=np.float64)
        known = has_naive(candles, origins, timeframe, self.window)
        prices[known] = naive_quantiles(candles, origins[known], timeframe, self.window)
        return prices

    def state(self) -> dict[str, Any]:
        """Parameters and fitted values as JSON values.

        Raises:
            NotFittedError: `fit` was not called.
        """
        check_is_fitted(self, "returns_")
        return {
            "timeframe": self.timeframe,
            "window": self.window,
            "returns": self.returns_.tolist(),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """The estimator that gave ``state``.

        Raises:
            ValueError, KeyError, TypeError: ``state`` is not a state of this estimator.
        """
        window, returns = state["window"], np.asarray(state["returns"], dtype=np.float64)
        if not isinstance(window, int) or window < 2 * STEPS:
            raise ValueError(f"window {window!r} is not a number of candles of {2 * STEPS} or more")
        if returns.shape != (STEPS, len(QUANTILES)) or not np.isfinite(returns).all():
            raise ValueError(f"returns of shape {returns.shape} are not finite quantiles")
        if (np.diff(returns) < 0).any() or returns[:, MEDIAN].any():
            raise ValueError("quantiles decrease, or the median is not zero")
        estimator = cls(Timeframe.parse(state["timeframe"]).name, window)
        estimator.returns_ = returns
        return estimator
