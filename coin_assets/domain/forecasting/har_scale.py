"""How far the price will go: the scale of its returns over each of the coming steps.

A linear model of the logarithm of the volatility to come, corrected in three ways. The mean of
the recent log volatilities stands for what the regression cannot know yet. The exponential of a
mean logarithm is too small, and is put right by what it missed on average (Duan, Smearing estimate,
J. American Statistical Association 78, 1983). And of its deviations from the usual only a share is
believed, the smaller the shorter the history and the farther the step, because a fit on few
independent observations exaggerates, and those of h steps overlap h times. The usual is what the
same model says of the features' recent means, so that a market that has become calmer for years is
not measured by its wild youth; it may in turn be shrunk towards its own mean.
"""

from dataclasses import dataclass

import numpy as np

from coin_assets.domain.forecasting.calibration import trust
from coin_assets.domain.forecasting.frame import STEPS, Floats
from coin_assets.domain.forecasting.ridge import Linear, Moments
from coin_assets.domain.timeframe_rules import MOST_CALIBRATED
from coin_assets.domain.timeframes import Ordinals

# The newest rows that are predicted in hindsight, and by how many models of their time.
_HINDSIGHT, _BLOCKS = MOST_CALIBRATED, 16
_STEPS = np.arange(1, STEPS + 1)
_SQUARE_ROOTS = np.sqrt(_STEPS)


@dataclass(frozen=True, eq=False)
class ScaleModel:
    """A fitted model of the scale.

    Attributes:
        linear: features to the log volatility of a candle, mean over the next 1..`STEPS`.
        exponents: share of its deviations from the usual that is believed, shape (`STEPS`,).
        long_usual: mean over the newest rows of the log volatility that was usual there, as
            models of their time put it, shape (`STEPS`,).
        usual_belief: share of the deviations of the usual from that mean that is believed.
    """

    linear: Linear
    exponents: Floats
    long_usual: Floats
    usual_belief: float

    def scales(self, columns: list[Floats], usual: list[Floats]) -> Floats:
        """Size of the log return over 1..`STEPS` candles, shape (rows, `STEPS`).

        Each row is the same to the bit whatever the others are.

        Args:
            columns: of features.
            usual: what the same features were on average of late.
        """
        return self.believed(self.linear.predict(columns), self.linear.predict(usual))

    def believed(self, predicted: Floats, centre: Floats) -> Floats:
        """The same by what ``linear`` predicts, and by what it says of the usual."""
        # In this order, so that a usual that is believed wholly stays the same to the bit.
        usual = centre + (1 - self.usual_belief) * (self.long_usual - centre)
        log_volatility = usual + self.exponents * (predicted - centre)
        return np.asarray(np.exp(log_volatility) * _SQUARE_ROOTS, dtype=np.float64)


@dataclass(frozen=True)
class ScaleFitting:
    """How a `ScaleModel` is fitted.

    Attributes:
        windows: of the columns, so many at the beginning are log volatilities.
        penalty: of the ridge regression, in rows.
        half_life: of the weights of its rows, in candles.
        half_belief: independent observations for which half of a deviation is believed; see
            `trust`.
        usual_belief: see `ScaleModel`.
    """

    windows: int
    penalty: float
    half_life: float
    half_belief: float
    usual_belief: float

    def fit(
        self,
        columns: list[Floats],
        usual: list[Floats],
        log_volatility: Floats,
        places: Ordinals,
    ) -> tuple[ScaleModel, Floats]:
        """Learn from all rows; see how models of their time would have done on the newest.

        Each block of rows is predicted by a model of the rows whose outcome was known before it.
        The first quarter of a short history has the first model that there is.

        Args:
            columns, usual: see `ScaleModel.scales`; none of them NaN.
            log_volatility: what came, shape (rows, `STEPS`); NaN where unknown.
            places: of the rows on the grid, increasing.

        Returns:
            The model, and the scales it gives for the newest rows in hindsight.
        """
        rows = len(places)
        simple, simple_usual = (
            np.mean(each[: self.windows], axis=0)[:, None] for each in (columns, usual)
        )
        known = np.asarray(np.isfinite(log_volatility).all(axis=1))
        matrix, targets = np.column_stack(columns), log_volatility - simple
        weights = 0.5 ** ((places[-1] - places) / self.half_life)
        moments, used = Moments.zero(len(columns), STEPS), 0
        first = max(0, rows - _HINDSIGHT)
        starts = np.linspace(max(first, rows // 4), rows - 1, _BLOCKS + 1).astype(np.int64)
        predicted, centre = np.empty((0, STEPS)), np.empty((0, STEPS))
        for start, end in zip(starts, [*starts[1:-1], rows, rows], strict=True):
            over = int(np.searchsorted(places, places[start] - STEPS, side="right"))
            new = np.arange(used, over)[known[used:over]]
            moments, used = moments + Moments.of(matrix[new], targets[new], weights[new]), over
            correction = moments.solve(self.penalty * weights[start])
            if start < starts[-1]:
                block = slice(first + len(predicted), int(end))
                inside = correction.predict([column[block] for column in columns])
                predicted = np.concatenate([predicted, simple[block] + inside])
                inside = correction.predict([column[block] for column in usual])
                centre = np.concatenate([centre, simple_usual[block] + inside])
        missed = (log_volatility[first:] - predicted)[known[first:]]
        level = np.log(np.exp(missed).mean(axis=0)) if len(missed) else np.zeros(STEPS)
        coefficients = correction.coefficients.copy()
        coefficients[: self.windows] += 1 / self.windows
        model = ScaleModel(
            Linear(correction.intercepts + level, coefficients),
            exponents=np.array([trust(known.sum() / step, self.half_belief) for step in _STEPS]),
            long_usual=(centre + level).mean(axis=0),
            usual_belief=self.usual_belief,
        )
        return model, model.believed(predicted + level, centre + level)
