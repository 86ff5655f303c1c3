"""Holdout validation, recorded with every training.

The method is fitted without the newest candles and scored on them (Tashman, Out-of-sample tests of
forecasting accuracy, Int. J. Forecasting 16, 2000). The stored version is fitted to all candles.
The scores describe the method on this series; no decision uses them.
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
_SHARE = 5  # at most one candle in five is held out
_LOWER, _UPPER = QUANTILES.index(0.1), QUANTILES.index(0.9)


@dataclass(frozen=True)
class Validation:
    """Scores on held-out candles. Steps without a candle are left out.

    Attributes:
        origins: number of origins that were scored.
        loss, naive: mean pinball loss on log price, of the method and of the naive forecast.
        coverage_80: share of closes inside the 80% interval.
    """

    origins: int
    loss: float
    naive: float
    coverage_80: float

    @property
    def skill(self) -> float | None:
        """1 less the ratio of the losses; None where the naive loss is zero."""
        return 1 - self.loss / self.naive if self.naive > 0 else None


def validation(
    forecaster: Forecaster, candles: pd.DataFrame, timeframe: Timeframe
) -> Validation | None:
    """Fit to all but the newest candles, and score forecasts of these.

    Args:
        forecaster: unfitted; this function fits it.
        candles: candle frame; a fifth, at most `HOLDOUT` candles, is held out.
        timeframe: of the candles.

    Returns:
        The scores; None if the rest is too short to fit, or no held-out origin has a naive
        forecast.
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
    """Metadata fields of a version; null where there are no scores."""
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
    """Log closes of the `STEPS` candles after each origin; NaN where a candle is missing."""
    wanted = timeframe.ordinals(origins)[:, None] + np.arange(STEPS)
    rows = candle_rows(timeframe.ordinals(candles["timestamp"]), wanted)
    closes = np.log(np.ascontiguousarray(candles["close"], dtype=np.float64))
    return np.append(closes, np.nan)[rows]  # row -1 stands for a missing candle
