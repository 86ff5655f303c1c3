"""The forecaster: the median is the last close, the quantile spread is modelled.

Ridge regression predicts the volatility of the next 1 to 24 candles from `har_features`: a
heterogeneous autoregression of log volatility (HAR-RV; Corsi, J. Financial Econometrics 7, 2009).
Quantiles of standardised returns are multiplied by that scale. Each estimate is shrunk towards a
simpler one where independent observations are few: the regression towards the mean of the recent
log volatilities, the volatility towards its long-run level, the quantiles of a step towards those
of one step.
"""

from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from coin_assets.domain.forecasting.calibration import (
    log_returns,
    recency_weights,
    standardised_quantiles,
)
from coin_assets.domain.forecasting.frame import MEDIAN, QUANTILES, STEPS, Floats, require_closes
from coin_assets.domain.forecasting.har_features import FLOOR, GROUPS, FeatureSet, Grid
from coin_assets.domain.forecasting.har_scale import ScaleFitting, ScaleModel
from coin_assets.domain.forecasting.ridge import Linear
from coin_assets.domain.forecasting.state_calibration import QuantilesByState, recent_volatility
from coin_assets.domain.forecasting.trainable import why_no_model
from coin_assets.domain.forecasting.variance import forward_means, recent_means
from coin_assets.domain.timeframe_rules import MOST_CALIBRATED
from coin_assets.domain.timeframes import Ordinals, Timeframe
from coin_assets.errors import InsufficientData

# Parameter -> its name in stored artefacts. Stored names never change, so that artefacts of
# earlier releases stay readable and the same candles give the same bytes.
_STORED_NAMES = {
    "quantile_prior_strength": "half_trust",
    "scale_prior_strength": "half_belief",
    "level_window": "centred",
    "level_weight": "usual_belief",
}
_PARAMETER_NAMES = {stored: name for name, stored in _STORED_NAMES.items()}
# Parameters that later releases added, with the values at which they change nothing. These are not
# stored.
_WITHOUT: dict[str, Any] = {
    "realised": False,
    "calibration_half_life": None,
    "state_prior_strength": None,
    "adaptation_rate": None,
}


class HarForecaster(BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """`Forecaster` whose quantiles are scaled by a predicted volatility.

    Args:
        timeframe: name of the timeframe of the candles, in ccxt notation.
        longest: longest window of the features in candles, a power of two.
        groups: feature groups besides the volatilities; see `FeatureSet`.
        range_share: weight of the range in the variance of a candle; see `candle_variance`.
        penalty: of the ridge regression, in rows; as it grows, the prediction tends to the mean of
            the log volatilities.
        half_life: of the weights of the regression's rows, in candles.
        quantile_prior_strength: of the one-step quantiles, in independent observations; see
            `shrinkage_weight`.
        scale_prior_strength: of the long-run level of the volatility, in the same unit.
        level_window: candles whose mean is the long-run level, a power of two.
        level_weight: shrinkage weight of the long-run level against its mean over the history, 0 to
            1.
        calibrated: newest candles that the quantiles are estimated from. Over many years the
            spread of standardised returns changes.
        calibration_half_life: of the weights of these candles, in candles; None weights all alike.
        realised: whether the variance of a candle is the column `VARIANCE` of the frame, where it
            has a value; see `realised`.
        state_prior_strength: of the quantiles of all states together against those of similar
            states, in independent observations; None does not let the quantiles depend on the
            state.
        adaptation_rate: at which the quantiles by state follow the newest returns; see
            `QuantilesByState.adapted`. None does not adapt them. It needs ``state_prior_strength``.

    Attributes:
        typical_volatility_: mean volatility of one candle, as log return.
        scale_model_: predicts the scale of the returns over 1 to `STEPS` candles.
        quantiles_: of standardised log returns, shape (`STEPS`, quantiles); 0 at the median.
        quantiles_by_state_: the same by state; None without.
    """

    name = "har_ridge"

    def __init__(  # scikit-learn's get_params and clone need one parameter for each
        self,
        timeframe: str,
        longest: int = 256,
        groups: tuple[str, ...] = GROUPS,
        range_share: float = 0.75,
        penalty: float = 150.0,
        half_life: float = 8192.0,
        quantile_prior_strength: float = 40.0,
        scale_prior_strength: float = 300.0,
        level_window: int = 256,
        level_weight: float = 1.0,
        calibrated: int = MOST_CALIBRATED,
        calibration_half_life: float | None = None,
        realised: bool = False,
        state_prior_strength: float | None = None,
        adaptation_rate: float | None = None,
    ) -> None:
        self.timeframe = timeframe
        self.longest = longest
        self.groups = groups
        self.range_share = range_share
        self.penalty = penalty
        self.half_life = half_life
        self.quantile_prior_strength = quantile_prior_strength
        self.scale_prior_strength = scale_prior_strength
        self.level_window = level_window
        self.level_weight = level_weight
        self.calibrated = calibrated
        self.calibration_half_life = calibration_half_life
        self.realised = realised
        self.state_prior_strength = state_prior_strength
        self.adaptation_rate = adaptation_rate

    @property
    def context(self) -> int:
        """Number of candles up to an origin that its forecast reads."""
        return self.longest + self.level_window

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features, in the order of the regression's columns."""
        return self._features().names

    def fit(self, candles: pd.DataFrame) -> Self:
        """Fit scale and quantiles to a candle frame.

        Args:
            candles: candle frame; gaps are allowed.

        Raises:
            InsufficientData: `why_no_model` gives a reason against it.
            ValueError: there are no quantiles by state to adapt.
        """
        if self.adaptation_rate is not None and self.state_prior_strength is None:
            raise ValueError("adaptation_rate needs state_prior_strength: it adapts states")
        timeframe = Timeframe.parse(self.timeframe)
        reason = why_no_model(candles, timeframe, self.calibrated, self.calibration_half_life)
        if reason is not None:
            raise InsufficientData(reason)
        grid = self._grid(candles)
        places = np.flatnonzero(np.isfinite(grid.close))
        self.typical_volatility_ = float(grid.volatility[places].mean())
        columns, level_columns = self._columns(grid, places)
        variance = forward_means(grid.volatility**2, STEPS)[places]
        floor = FLOOR * self.typical_volatility_
        windows = len(self._features().windows)
        fitting = ScaleFitting(
            windows, self.penalty, self.half_life, self.scale_prior_strength, self.level_weight
        )
        self.scale_model_, scales = fitting.fit(
            columns, level_columns, np.log(np.maximum(np.sqrt(variance), floor)), places
        )
        scales = scales[-self.calibrated :]
        newest = places[-len(scales) :]
        weights = None
        if self.calibration_half_life is not None:
            weights = recency_weights(places[-1] - newest, self.calibration_half_life)
        returns = log_returns(grid.close)[newest]
        self.quantiles_ = standardised_quantiles(
            returns, scales, self.quantile_prior_strength, weights
        )
        self.quantiles_by_state_ = None
        if self.state_prior_strength is not None:
            rows = returns, scales, self._states(grid, newest)
            by_state = QuantilesByState.fit(
                *rows, self.quantiles_, self.state_prior_strength, weights
            )
            if self.adaptation_rate is not None:
                by_state = by_state.adapted(*rows, self.adaptation_rate)
            self.quantiles_by_state_ = by_state
        return self

    def predict_quantiles(self, candles: pd.DataFrame, origins: pd.DatetimeIndex) -> Floats:
        """Quantiles of future closes; see `Forecaster.predict_quantiles`.

        Raises:
            DataRefused: an origin is not the close of a candle in ``candles``.
            NotFittedError: `fit` was not called.
        """
        check_is_fitted(self, "quantiles_")
        timeframe = Timeframe.parse(self.timeframe)
        grid = self._grid(candles)
        places = timeframe.ordinals(origins) - 1 - grid.first
        inside = np.clip(places, 0, len(grid.close) - 1)
        last = grid.close[inside]
        require_closes((inside == places) & ~np.isnan(last), origins, timeframe)
        scales = self.scale_model_.scales(*self._columns(grid, places))
        quantiles = self.quantiles_
        if self.quantiles_by_state_ is not None:
            quantiles = self.quantiles_by_state_.at(self._states(grid, places))
        prices = last[:, None, None] * np.exp(scales[:, :, None] * quantiles)
        return np.asarray(prices, dtype=np.float64)

    def state(self) -> dict[str, Any]:
        """Parameters and fitted values as JSON values, under the names of stored artefacts.

        Raises:
            NotFittedError: `fit` was not called.
        """
        check_is_fitted(self, "quantiles_")
        model, by_state = self.scale_model_, self.quantiles_by_state_
        parameters = self.get_params() | {"groups": list(self.groups)}
        return {
            "parameters": {
                _STORED_NAMES.get(name, name): value
                for name, value in parameters.items()
                if name not in _WITHOUT or value != _WITHOUT[name]
            },
            "features": list(self.features),
            "typical_volatility": self.typical_volatility_,
            "intercepts": model.linear.intercepts.tolist(),
            "coefficients": model.linear.coefficients.tolist(),
            "exponents": model.exponents.tolist(),
            "long_usual": model.mean_level.tolist(),
            "quantiles": self.quantiles_.tolist(),
            **({} if by_state is None else {"quantiles_by_state": by_state.state()}),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """The estimator that gave ``state``.

        Raises:
            ValueError, KeyError, TypeError: ``state`` is not a state of this estimator.
        """
        stored = state["parameters"]
        if "usual_belief" not in stored:  # champions of older homes: the long-run level in full
            stored = stored | {"usual_belief": 1.0}
            state = state | {"long_usual": [0.0] * STEPS}
        parameters = _WITHOUT | {
            _PARAMETER_NAMES.get(name, name): value for name, value in stored.items()
        }
        estimator = cls(**parameters | {"groups": tuple(parameters["groups"])})
        if parameters.keys() != estimator.get_params().keys():
            raise ValueError(f"parameters are {sorted(stored)}, of another version of the method")
        if list(estimator.features) != state["features"]:
            raise ValueError(f"features are {state['features']}, not {list(estimator.features)}")
        shape = (len(estimator.features), STEPS)
        estimator.typical_volatility_ = float(_finite(state, "typical_volatility", ()))
        estimator.scale_model_ = ScaleModel(
            Linear(_finite(state, "intercepts", (STEPS,)), _finite(state, "coefficients", shape)),
            exponents=_finite(state, "exponents", (STEPS,)),
            mean_level=_finite(state, "long_usual", (STEPS,)),
            level_weight=estimator.level_weight,
        )
        estimator.quantiles_ = _finite(state, "quantiles", (STEPS, len(QUANTILES)))
        if (np.diff(estimator.quantiles_) < 0).any() or estimator.quantiles_[:, MEDIAN].any():
            raise ValueError("quantiles decrease, or the median is not zero")
        by_state = state.get("quantiles_by_state")
        if (by_state is None) != (estimator.state_prior_strength is None):
            raise ValueError("quantiles by state need their prior strength, and it needs them")
        if by_state is None and estimator.adaptation_rate is not None:
            raise ValueError("there are no quantiles by state to adapt")
        if not ((estimator.state_prior_strength or 0) >= 0 <= (estimator.adaptation_rate or 0)):
            raise ValueError("a prior strength or rate of the quantiles by state is negative")
        estimator.quantiles_by_state_ = by_state and QuantilesByState.from_state(by_state)
        if not estimator.typical_volatility_ > 0:
            raise ValueError("the typical volatility is not positive")
        if not isinstance(estimator.realised, bool):
            raise TypeError("realised is neither true nor false")
        shares = np.append(estimator.scale_model_.exponents, estimator.level_weight)
        if not ((shares >= 0) & (shares <= 1)).all():
            raise ValueError("an exponent or the weight of the long-run level is not a share")
        return estimator

    def _columns(self, grid: Grid, places: Ordinals) -> tuple[list[Floats], list[Floats]]:
        """Features at ``places``, and their means over the `level_window` candles up to there."""
        present = np.flatnonzero(np.isfinite(grid.close))
        columns = self._features().columns(grid, present, self.typical_volatility_)
        means = recent_means(columns, present, len(grid.close), self.level_window)
        rows = np.searchsorted(present, places)
        return [column[rows] for column in columns], [mean[places] for mean in means]

    def _states(self, grid: Grid, places: Ordinals) -> Floats:
        return recent_volatility(grid.returns, places, self.typical_volatility_)

    def _grid(self, candles: pd.DataFrame) -> Grid:
        timeframe = Timeframe.parse(self.timeframe)
        return Grid.of(candles, timeframe, self.range_share, realised=self.realised)

    def _features(self) -> FeatureSet:
        return FeatureSet(Timeframe.parse(self.timeframe), self.longest, tuple(self.groups))


def _finite(state: dict[str, Any], name: str, shape: tuple[int, ...]) -> Floats:
    values = np.asarray(state[name], dtype=np.float64)
    if values.shape != shape or not np.isfinite(values).all():
        raise ValueError(f"{name} of shape {values.shape} are not finite values of shape {shape}")
    return values
