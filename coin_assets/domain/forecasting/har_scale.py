"""Model of the scale of returns over each of the next 24 candles.

The model predicts the mean log volatility of the next 1 to 24 candles in four parts:

1. the mean of the log volatilities of all windows, as the simple prediction;
2. a ridge regression on all features, which corrects the simple prediction;
3. the smearing correction of Duan (Smearing estimate, J. American Statistical Association 78,
   1983), because the exponential of a mean logarithm is too small;
4. shrinkage of the result towards the long-run level: the shorter the history and the farther the
   step, the smaller the weight, because h-step observations overlap h times.

The long-run level is the same model's prediction from the recent means of its features. It follows
markets that become calmer over years. It may be shrunk towards its own mean over the history.
"""

from dataclasses import dataclass

import numpy as np

from coin_assets.domain.forecasting.calibration import shrinkage_weight
from coin_assets.domain.forecasting.frame import STEPS, Floats
from coin_assets.domain.forecasting.ridge import Linear, Moments
from coin_assets.domain.timeframe_rules import MOST_CALIBRATED
from coin_assets.domain.timeframes import Ordinals

# Newest rows that get an out-of-sample prediction, and the number of models that predict them.
_HINDSIGHT, _BLOCKS = MOST_CALIBRATED, 16
_STEPS = np.arange(1, STEPS + 1)
_SQUARE_ROOTS = np.sqrt(_STEPS)


@dataclass(frozen=True, eq=False)
class ScaleModel:
    """A fitted model of the scale.

    Attributes:
        linear: maps features to the log volatility of one candle, mean over the next 1 to `STEPS`
            candles.
        exponents: shrinkage weight of deviations from the long-run level, shape (`STEPS`,), each
            0 to 1.
        mean_level: mean of the long-run level over the newest rows, as log volatility, shape
            (`STEPS`,); each row is predicted by a model of earlier rows.
        level_weight: shrinkage weight of deviations of the long-run level from ``mean_level``, 0
            to 1.
    """

    linear: Linear
    exponents: Floats
    mean_level: Floats
    level_weight: float

    def scales(self, columns: list[Floats], level_columns: list[Floats]) -> Floats:
        """Predicted size of the log return over 1 to `STEPS` candles.

        Each row is the same to the bit whatever the other rows are.

        Args:
            columns: features, one array of shape (rows,) each.
            level_columns: recent means of the same features, same shapes.

        Returns:
            Shape (rows, `STEPS`), as log returns.
        """
        return self.shrunk(self.linear.predict(columns), self.linear.predict(level_columns))

    def shrunk(self, predicted: Floats, level: Floats) -> Floats:
        """Scales from predicted log volatilities, after shrinkage.

        Args:
            predicted: prediction from the features, shape (rows, `STEPS`).
            level: prediction from the recent means of the features, same shape.

        Returns:
            Shape (rows, `STEPS`), as log returns.
        """
        # In this order, a weight of 1 leaves the level the same to the bit.
        long_run = level + (1 - self.level_weight) * (self.mean_level - level)
        log_volatility = long_run + self.exponents * (predicted - level)
        return np.asarray(np.exp(log_volatility) * _SQUARE_ROOTS, dtype=np.float64)


@dataclass(frozen=True)
class ScaleFitting:
    """Settings by which a `ScaleModel` is fitted.

    Attributes:
        windows: number of leading columns that are log volatilities.
        penalty: of the ridge regression, in rows.
        half_life: of the weights of the rows, in candles.
        prior_strength: of the long-run level, in independent observations; see
            `shrinkage_weight`.
        level_weight: see `ScaleModel`.
    """

    windows: int
    penalty: float
    half_life: float
    prior_strength: float
    level_weight: float

    def fit(
        self,
        columns: list[Floats],
        level_columns: list[Floats],
        log_volatility: Floats,
        places: Ordinals,
    ) -> tuple[ScaleModel, Floats]:
        """Fit to all rows, and predict the newest ones out of sample.

        Each block of rows is predicted by a model of the rows whose outcome was known before the
        block. In a short history the first model predicts the first quarter as well.

        Args:
            columns, level_columns: see `ScaleModel.scales`; without NaN.
            log_volatility: observed log volatilities, shape (rows, `STEPS`); NaN where unknown.
            places: candle numbers of the rows, shape (rows,), increasing.

        Returns:
            The model, and the out-of-sample scales of the newest rows, shape (newest rows,
            `STEPS`).
        """
        rows = len(places)
        simple, simple_level = (
            np.mean(each[: self.windows], axis=0)[:, None] for each in (columns, level_columns)
        )
        known = np.asarray(np.isfinite(log_volatility).all(axis=1))
        matrix, targets = np.column_stack(columns), log_volatility - simple
        weights = 0.5 ** ((places[-1] - places) / self.half_life)
        moments, used = Moments.zero(len(columns), STEPS), 0
        first = max(0, rows - _HINDSIGHT)
        starts = np.linspace(max(first, rows // 4), rows - 1, _BLOCKS + 1).astype(np.int64)
        predicted, level = np.empty((0, STEPS)), np.empty((0, STEPS))
        for start, end in zip(starts, [*starts[1:-1], rows, rows], strict=True):
            over = int(np.searchsorted(places, places[start] - STEPS, side="right"))
            new = np.arange(used, over)[known[used:over]]
            moments, used = moments + Moments.of(matrix[new], targets[new], weights[new]), over
            correction = moments.solve(self.penalty * weights[start])
            if start < starts[-1]:
                block = slice(first + len(predicted), int(end))
                added = correction.predict([column[block] for column in columns])
                predicted = np.concatenate([predicted, simple[block] + added])
                added = correction.predict([column[block] for column in level_columns])
                level = np.concatenate([level, simple_level[block] + added])
        missed = (log_volatility[first:] - predicted)[known[first:]]
        smearing = np.log(np.exp(missed).mean(axis=0)) if len(missed) else np.zeros(STEPS)
        coefficients = correction.coefficients.copy()
        coefficients[: self.windows] += 1 / self.windows
        observations = known.sum() / _STEPS
        model = ScaleModel(
            Linear(correction.intercepts + smearing, coefficients),
            exponents=np.array([shrinkage_weight(n, self.prior_strength) for n in observations]),
            mean_level=(level + smearing).mean(axis=0),
            level_weight=self.level_weight,
        )
        return model, model.shrunk(predicted + smearing, level + smearing)
