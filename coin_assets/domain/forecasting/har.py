"""The forecaster: nobody knows the direction, but how far the price will go can be forecast.

The median is the last close. Around it lie quantiles of standardised returns times a scale that
ridge regression predicts for each step from `features`: a heterogeneous autoregression of the
logarithm of the volatility to come (Corsi 2009, see there). The fewer independent observations
there are, the more each part gives way to a simpler one: the regression to the mean of the recent
volatilities, that to the usual volatility, the quantiles of a step to those of one step.
"""

from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from coin_assets.domain.forecasting.calibration import log_returns, standardised_quantiles
from coin_assets.domain.forecasting.frame import MEDIAN, QUANTILES, STEPS, Floats
from coin_assets.domain.forecasting.har_features import FLOOR, GROUPS, FeatureSet, Grid
from coin_assets.domain.forecasting.har_scale import ScaleFitting, ScaleModel
from coin_assets.domain.forecasting.ridge import Linear
from coin_assets.domain.forecasting.trainable import MOST_CALIBRATED, why_no_model
from coin_assets.domain.forecasting.variance import forward_means, recent_means
from coin_assets.domain.timeframes import Ordinals, Timeframe
from coin_assets.errors import DataRefused, InsufficientData


class HarForecaster(BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """`Forecaster` with median = last close and quantiles scaled by a predicted volatility.

    Args:
        timeframe: name of the timeframe of the candles.
        longest: longest window of the features in candles, a power of two.
        groups: features besides the volatilities; see `FeatureSet`.
        range_share: see `candle_variance`.
        penalty: of the ridge regression, in rows; a very large one leaves the mean of the log
            volatilities.
        half_life: of the weights of its rows, in candles.
        half_trust: independent observations that count half in the quantiles; see `trust`.
        half_belief: those for which half of a deviation of the volatility is believed.
        centred: candles whose mean is the usual, a power of two.
        usual_belief: share of a deviation of the usual from that of the whole history that is
            believed.
        calibrated: newest candles that the quantiles are learned from; over long years markets
            become calmer or wilder than any scale expects.

    Attributes:
        typical_volatility_: mean volatility of a candle, as log return.
        scale_model_: features to the scale of the returns over 1..`STEPS` candles.
        quantiles_: of standardised log returns, shape (`STEPS`, quantiles); the median is 0.
    """

    name = "har_ridge"

    def __init__(
        self,
        timeframe: str,
        longest: int = 256,
        groups: tuple[str, ...] = GROUPS,
        range_share: float = 0.75,
        penalty: float = 150.0,
        half_life: float = 8192.0,
        half_trust: float = 40.0,
        half_belief: float = 300.0,
        centred: int = 256,
        usual_belief: float = 1.0,
        calibrated: int = MOST_CALIBRATED,
    ) -> None:
        self.timeframe = timeframe
        self.longest = longest
        self.groups = groups
        self.range_share = range_share
        self.penalty = penalty
        self.half_life = half_life
        self.half_trust = half_trust
        self.half_belief = half_belief
        self.centred = centred
        self.usual_belief = usual_belief
        self.calibrated = calibrated

    @property
    def context(self) -> int:
        return self.longest + self.centred

    @property
    def features(self) -> tuple[str, ...]:
        return self._features().names

    def fit(self, candles: pd.DataFrame) -> Self:
        """Learn scale and quantiles; see `Forecaster.fit`."""
        timeframe = Timeframe.parse(self.timeframe)
        if (reason := why_no_model(candles, timeframe, self.calibrated)) is not None:
            raise InsufficientData(reason)
        grid = Grid.of(candles, timeframe, self.range_share)
        places = np.flatnonzero(np.isfinite(grid.close))
        self.typical_volatility_ = float(grid.volatility[places].mean())
        columns, usual = self._columns(grid, places)
        variance = forward_means(grid.volatility**2, STEPS)[places]
        floor = FLOOR * self.typical_volatility_
        windows = len(self._features().windows)
        fitting = ScaleFitting(
            windows, self.penalty, self.half_life, self.half_belief, self.usual_belief
        )
        self.scale_model_, scales = fitting.fit(
            columns, usual, np.log(np.maximum(np.sqrt(variance), floor)), places
        )
        scales = scales[-self.calibrated :]
        returns = log_returns(grid.close)[places[-len(scales) :]]
        self.quantiles_ = standardised_quantiles(returns, scales, self.half_trust)
        return self

    def predict_quantiles(self, candles: pd.DataFrame, origins: pd.DatetimeIndex) -> Floats:
        """Quantiles of future closes; see `Forecaster.predict_quantiles`.

        Raises:
            DataRefused: an origin is no close of a candle.
        """
        check_is_fitted(self, "quantiles_")
        timeframe = Timeframe.parse(self.timeframe)
        grid = Grid.of(candles, timeframe, self.range_share)
        places = timeframe.ordinals(origins) - 1 - grid.first
        inside = np.clip(places, 0, len(grid.close) - 1)
        last = grid.close[inside]
        strange = (inside != places) | np.isnan(last)
        if strange.any():
            raise DataRefused(
                f"{int(strange.sum())} of {len(origins)} origins close no {timeframe} candle, "
                f"first {origins[strange][0]}. Ask for closes of the candles given."
            )
        scales = self.scale_model_.scales(*self._columns(grid, places))
        prices = last[:, None, None] * np.exp(scales[:, :, None] * self.quantiles_)
        return np.asarray(prices, dtype=np.float64)

    def state(self) -> dict[str, Any]:
        """Parameters and fitted values as JSON values."""
        check_is_fitted(self, "quantiles_")
        model = self.scale_model_
        return {
            "parameters": self.get_params() | {"groups": list(self.groups)},
            "features": list(self.features),
            "typical_volatility": self.typical_volatility_,
            "intercepts": model.linear.intercepts.tolist(),
            "coefficients": model.linear.coefficients.tolist(),
            "exponents": model.exponents.tolist(),
            "long_usual": model.long_usual.tolist(),
            "quantiles": self.quantiles_.tolist(),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """Inverse of `state`.

        Raises:
            ValueError, KeyError, TypeError: it is no state of this estimator.
        """
        parameters = state["parameters"]
        estimator = cls(**parameters | {"groups": tuple(parameters["groups"])})
        if parameters.keys() != estimator.get_params().keys():
            raise ValueError(f"parameters are {sorted(parameters)}, of another version of it")
        if list(estimator.features) != state["features"]:
            raise ValueError(f"features are {state['features']}, not {list(estimator.features)}")
        shape = (len(estimator.features), STEPS)
        estimator.typical_volatility_ = float(_finite(state, "typical_volatility", ()))
        estimator.scale_model_ = ScaleModel(
            Linear(_finite(state, "intercepts", (STEPS,)), _finite(state, "coefficients", shape)),
            exponents=_finite(state, "exponents", (STEPS,)),
            long_usual=_finite(state, "long_usual", (STEPS,)),
            usual_belief=estimator.usual_belief,
        )
        estimator.quantiles_ = _finite(state, "quantiles", (STEPS, len(QUANTILES)))
        if (np.diff(estimator.quantiles_) < 0).any() or estimator.quantiles_[:, MEDIAN].any():
            raise ValueError("quantiles decrease, or the median is not zero")
        if not estimator.typical_volatility_ > 0:
            raise ValueError("the typical volatility is not positive")
        shares = np.append(estimator.scale_model_.exponents, estimator.usual_belief)
        if not ((shares >= 0) & (shares <= 1)).all():
            raise ValueError("an exponent or the belief in the usual is not a share")
        return estimator

    def _columns(self, grid: Grid, places: Ordinals) -> tuple[list[Floats], list[Floats]]:
        """The features at places of candles, and their means over the `centred` newest there."""
        present = np.flatnonzero(np.isfinite(grid.close))
        columns = self._features().columns(grid, present, self.typical_volatility_)
        usual = recent_means(columns, present, len(grid.close), self.centred)
        rows = np.searchsorted(present, places)
        return [column[rows] for column in columns], [mean[places] for mean in usual]

    def _features(self) -> FeatureSet:
        return FeatureSet(Timeframe.parse(self.timeframe), self.longest, tuple(self.groups))


def _finite(state: dict[str, Any], name: str, shape: tuple[int, ...]) -> Floats:
    values = np.asarray(state[name], dtype=np.float64)
    if values.shape != shape or not np.isfinite(values).all():
        raise ValueError(f"{name} of shape {values.shape} are not finite ones of shape {shape}")
    return values
