"""How a method does on candles that it was not fitted to: a fact recorded with every training.

One holdout at the end, as long as the candles allow (Tashman, Out-of-sample tests of forecasting
accuracy, Int. J. Forecasting 16, 2000). The version itself is fitted to all candles; this tells of
the method on this key, and nothing is chosen by it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from coin_assets.domain.candles.grid import candle_rows
from coin_assets.domain.evaluation.scoring import pinball_loss
from coin_assets.domain.forecasting.frame import QUANTILES, STEPS, Floats, Forecaster
from coin_assets.domain.forecasting.naive import (
    NAIVE_WINDOW,
    has_naive,
    naive_quantiles,
)
from coin_assets.domain.timeframes import Timeframe
from coin_assets.errors import InsufficientData

HOLDOUT = 500
_SHARE = 5  # at most one candle in so many is held out
_LOWER, _UPPER = QUANTILES.index(0.1), QUANTILES.index(0.9)


@dataclass(frozen=True)
class Validation:
    """Scores on held-out candles; of one origin, the steps whose candle is known count.

    Attributes:
        origins: how many were scored.
        loss, naive: mean pinball loss on log price, of the method and of the naive forecast.
        coverage_80: share of closes inside the 80% interval.
    """

    origins: int
    loss: float
    naive: float
    coverage_80: float

    @property
    def skill(self) -> float | None:
        """Share of the naive loss that the method saves; None where the naive loss is zero."""
        return 1 - self.loss / self.naive if self.naive > 0 else None


def validation(
    forecaster: Forecaster, candles: pd.DataFrame, timeframe: Timeframe
) -> Validation | None:
    """Fit to all but the last candles, and score the forecasts of those.

    Args:
        forecaster: unfitted; it is fitted here.
        candles: a fifth of them, at most `HOLDOUT`, is held out.

    Returns:
        None if the rest is too short to fit, or no held-out origin has a naive forecast.
    """
    held = min(len(candles) // _SHARE, HOLDOUT)
    before = len(candles) - held
    try:
        fitted = forecaster.fit(candles.iloc[:before])
    except InsufficientData:
        return None
    seen = candles.iloc[max(0, before - max(fitted.context, NAIVE_WINDOW)) :]
    origins = timeframe.close_all(candles["timestamp"].iloc[before - 1 : -1])
    origins = origins[has_naive(seen, origins, timeframe)]
    actual = _log_closes_after(candles, origins, timeframe)
    if not np.isfinite(actual).any():
        return None
    quantiles = np.log(fitted.predict_quantiles(seen, origins))
    naive = np.log(naive_quantiles(seen, origins, timeframe))
    inside = (quantiles[..., _LOWER] <= actual) & (actual <= quantiles[..., _UPPER])
    return Validation(
        origins=int(np.isfinite(actual).any(axis=1).sum()),
        loss=float(np.nanmean(pinball_loss(actual, quantiles))),
        naive=float(np.nanmean(pinball_loss(actual, naive))),
        coverage_80=float(inside[np.isfinite(actual)].mean()),
    )


def validation_facts(scores: Validation | None) -> dict[str, Any]:
    """As kept in the metadata of a version; null where there are no scores."""
    return {
        "validation_origins": None if scores is None else scores.origins,
        "validation_loss": None if scores is None else scores.loss,
        "validation_naive": None if scores is None else scores.naive,
        "validation_skill": None if scores is None else scores.skill,
        "validation_coverage_80": None if scores is None else scores.coverage_80,
    }


def _log_closes_after(
    candles: pd.DataFrame, origins: pd.DatetimeIndex, timeframe: Timeframe
) -> Floats:
    """Log closes of the `STEPS` candles after each origin; NaN where there is no such candle."""
    wanted = timeframe.ordinals(origins)[:, None] + np.arange(STEPS)
    rows = candle_rows(timeframe.ordinals(candles["timestamp"]), wanted)
    closes = np.log(np.ascontiguousarray(candles["close"], dtype=np.float64))
    return np.append(closes, np.nan)[rows]  # row -1 is that of no candle
