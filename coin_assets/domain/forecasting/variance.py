"""How much a candle moved, and how much the candles before and after an origin did.

All arrays lie on the grid of candle numbers: one place for each candle that a gapless market
would have. A trailing value is the same to the bit whatever else is in the array, because it is
made of the same additions in the same order; `numpy.cumsum` would not give that.
"""

import numpy as np

from coin_assets.domain.forecasting.frame import Floats
from coin_assets.domain.timeframes import Ordinals


def candle_variance(
    opened: Floats, high: Floats, low: Floats, close: Floats, range_share: float
) -> Floats:
    """Variance of the log price within each candle, from its range and its return.

    The Garman-Klass estimator (On the estimation of security price volatilities from historical
    data, Journal of Business 53, 1980) averaged with the squared return. Both start at the close
    before, so that a jump between candles counts as movement; at the open where that candle is
    missing, so that what happened in a gap does not.

    Args:
        opened, high, low, close: prices, NaN where a candle is missing.
        range_share: weight of Garman-Klass; the rest is that of the squared return.

    Returns:
        Squared log returns, NaN where a candle is missing.
    """
    before = opened.copy()
    before[1:] = np.where(np.isnan(close[:-1]), opened[1:], close[:-1])
    log_range = np.log(np.maximum(high, before) / np.minimum(low, before))
    log_return = np.log(close / before)
    ranged = 0.5 * log_range**2 - (2 * np.log(2) - 1) * log_return**2
    return np.asarray(range_share * ranged + (1 - range_share) * log_return**2, dtype=np.float64)


def trailing_sums(values: Floats, longest: int) -> dict[int, Floats]:
    """Sums of the last 1, 2, 4, ... ``longest`` values at each place, NaN counting as zero.

    Args:
        longest: a power of two.

    Returns:
        Arrays of the shape of ``values`` by window; places before the first count as zero.
    """
    total = np.where(np.isnan(values), 0.0, values)
    sums = {1: total}
    window = 1
    while window < longest:
        longer = total.copy()
        longer[window:] += total[:-window]
        total = longer
        window *= 2
        sums[window] = total
    return sums


def trailing_means(values: Floats, longest: int) -> dict[int, Floats]:
    """Means of those of the last 1, 2, 4, ... ``longest`` values that are not NaN; NaN if none."""
    counts = trailing_sums(np.isfinite(values).astype(np.float64), longest)
    with np.errstate(invalid="ignore"):
        return {
            window: total / counts[window]
            for window, total in trailing_sums(values, longest).items()
        }


def recent_means(columns: list[Floats], places: Ordinals, length: int, window: int) -> list[Floats]:
    """Mean of each column over those of the last ``window`` places that it has values at.

    Args:
        columns: values at ``places`` of a grid of ``length`` places.
        window: a power of two.

    Returns:
        Arrays of ``length`` values; NaN where no place before has one.
    """
    filled = np.zeros(length)
    filled[places] = 1.0
    counts = trailing_sums(filled, window)[window]
    means = []
    with np.errstate(invalid="ignore"):
        for column in columns:
            filled[places] = column
            means.append(trailing_sums(filled, window)[window] / counts)
    return means


def forward_means(values: Floats, steps: int) -> Floats:
    """Mean of the next 1..``steps`` values at each place.

    Returns:
        Shape (places, steps); NaN where the values end before, or a quarter of them is missing.
    """
    present = np.isfinite(values)
    filled = np.where(present, values, 0.0)
    total, count = np.zeros(len(values)), np.zeros(len(values))
    means = np.full((len(values), steps), np.nan)
    for step in range(1, min(steps, len(values) - 1) + 1):
        total[:-step] += filled[step:]
        count[:-step] += present[step:]
        enough = count[:-step] > 0.75 * step
        means[:-step, step - 1][enough] = total[:-step][enough] / count[:-step][enough]
    return means
