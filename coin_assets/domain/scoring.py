"""How good quantile forecasts were, once the candles are known.

The pinball (or check) loss of Koenker and Bassett, Regression Quantiles, Econometrica 46 (1978):
its expectation is least exactly at the quantile, so it cannot be improved by saying anything but
what one believes (Gneiting, Quantiles as optimal point forecasts, Int. J. Forecasting 27, 2011).
"""

import numpy as np
import pandas as pd

from coin_assets.domain.forecasting import QUANTILES, STEPS, Floats, Forecaster
from coin_assets.domain.timeframes import Timeframe

ORIGINS = 100


def pinball_loss(
    actual: Floats, quantiles: Floats, levels: tuple[float, ...] = QUANTILES
) -> Floats:
    """Loss of each quantile: ``level * miss`` above it, ``(1 - level) * miss`` below.

    Args:
        actual: what came, any shape; NaN where it is not known.
        quantiles: what was said, the shape of ``actual`` and ``levels`` as last axis.

    Returns:
        Losses in the unit of the values, the shape of ``quantiles``, NaN where ``actual`` is.
    """
    miss = actual[..., None] - quantiles
    level = np.asarray(levels)
    return np.asarray(np.maximum(level * miss, (level - 1) * miss), dtype=np.float64)


def recent_loss(
    forecaster: Forecaster, candles: pd.DataFrame, timeframe: Timeframe, origins: int = ORIGINS
) -> float | None:
    """Mean pinball loss on log price at the last origins whose `STEPS` candles are over.

    Missing candles are left out. The same forecaster and candles give the same number. On the
    candles it was trained on it tells how well a model fits, not how well it forecasts.

    Args:
        candles: gaps are allowed; the loss looks at the last of them only.
        origins: at most so many are scored.

    Returns:
        The loss, about a share of the price; None if no origin is that old.
    """
    ordinals = timeframe.ordinals(candles["timestamp"])
    last = int(ordinals[-1]) if len(ordinals) else 0
    over = int(np.searchsorted(ordinals, last - STEPS, side="right"))
    first = max(0, over - origins)
    if first == over:
        return None
    seen = candles.iloc[max(0, first + 1 - forecaster.context) :]
    times = timeframe.close_all(candles["timestamp"].iloc[first:over])
    quantiles = np.log(forecaster.predict_quantiles(seen, times))
    log_close = np.full(int(ordinals[-1] - ordinals[first]), np.nan)  # of the candles after first
    log_close[ordinals[first + 1 :] - ordinals[first] - 1] = np.log(
        np.ascontiguousarray(candles["close"].iloc[first + 1 :])
    )
    starts = ordinals[first:over] - ordinals[first]
    actual = log_close[starts[:, None] + np.arange(STEPS)]
    losses = pinball_loss(actual, quantiles)
    return float(np.nanmean(losses)) if np.isfinite(losses).any() else None
