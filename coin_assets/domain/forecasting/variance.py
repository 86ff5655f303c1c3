"""Variance of a candle, and sums and means over windows of candles.

All arrays lie on the grid of candle numbers, with one place for each candle of a gapless market. A
trailing value does not depend on the rest of the array, to the bit, because it is built by the
same additions in the same order. `numpy.cumsum` does not guarantee that.
"""

import numpy as np

from coin_assets.domain.forecasting.frame import Floats
from coin_assets.domain.timeframes import Ordinals

RANGE_SHARE = 0.75  # weight of the range in the variance of a candle; see `candle_variance`


def candle_variance(
    opened: Floats, high: Floats, low: Floats, close: Floats, range_share: float
) -> Floats:
    """Variance of the log price within each candle, from its range and its return.

    The Garman-Klass estimator (On the estimation of security price volatilities from historical
    data, Journal of Business 53, 1980), averaged with the squared return. Both start at the close
    of the candle before, so that a jump between candles is counted. Where that candle is missing
    they start at the open, so that movement in a gap is not counted.

    Args:
        opened, high, low, close: prices, shape (places,); NaN where a candle is missing.
        range_share: weight of Garman-Klass, 0 to 1; the squared return has the rest.

    Returns:
        Squared log returns, shape (places,); NaN where a candle is missing.
    """
    before = opened.copy()
    before[1:] = np.where(np.isnan(close[:-1]), opened[1:], close[:-1])
    log_range = np.log(np.maximum(high, before) / np.minimum(low, before))
    log_return = np.log(close / before)
    ranged = 0.5 * log_range**2 - (2 * np.log(2) - 1) * log_return**2
    return np.asarray(range_share * ranged + (1 - range_share) * log_return**2, dtype=np.float64)


def trailing_sums(values: Floats, longest: int) -> dict[int, Floats]:
    """Sums of the last 1, 2, 4, ... ``longest`` values at each place.

    NaN, and places before the first, count as zero.

    Args:
        values: shape (places,).
        longest: longest window, a power of two.

    Returns:
        Window -> sums, shape (places,).
    """
    total = np.where(np.isnan(values), 0.0, values)
    sums = {1: total}
    window = 1
    while window < longest:
        total = _doubled(total.copy(), window)
        window *= 2
        sums[window] = total
    return sums


def _doubled(sums: Floats, window: int) -> Floats:
    """Sums of ``2 * window`` values in place of ``sums``, those of ``window`` values."""
    sums[window:] += sums[:-window]  # numpy adds what was there before
    return sums


def _trailing_sum(values: Floats, window: int) -> Floats:
    """The sums of one window of `trailing_sums`, without those of the windows before."""
    total = np.where(np.isnan(values), 0.0, values)
    reached = 1
    while reached < window:
        total = _doubled(total, reached)
        reached *= 2
    return total


def trailing_means(values: Floats, longest: int) -> dict[int, Floats]:
    """Means of the last 1, 2, 4, ... ``longest`` values at each place.

    NaN is left out; the mean of no values is NaN. Arguments and result as `trailing_sums`.
    """
    counts = trailing_sums(np.isfinite(values).astype(np.float64), longest)
    with np.errstate(invalid="ignore"):
        return {
            window: total / counts[window]
            for window, total in trailing_sums(values, longest).items()
        }


def recent_means(columns: list[Floats], places: Ordinals, length: int, window: int) -> list[Floats]:
    """Mean of each column over the last ``window`` places.

    Places without a value are left out.

    Args:
        columns: values at ``places``, one array of shape (rows,) each.
        places: increasing places on the grid, shape (rows,).
        length: number of places of the grid.
        window: number of places, a power of two.

    Returns:
        One array of shape (length,) a column; NaN where the window has no value.
    """
    filled = np.zeros(length)
    filled[places] = 1.0
    counts = _trailing_sum(filled, window)
    means = []
    with np.errstate(invalid="ignore"):
        for column in columns:
            filled[places] = column
            means.append(_trailing_sum(filled, window) / counts)
    return means


def forward_means(values: Floats, steps: int) -> Floats:
    """Mean of the next 1 to ``steps`` values at each place.

    Args:
        values: shape (places,); NaN where unknown.
        steps: longest window.

    Returns:
        Shape (places, steps); NaN where the array ends before, or a quarter or more of the values
        is unknown.
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
