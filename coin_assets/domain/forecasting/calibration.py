"""Quantiles of standardised returns.

Filtered historical simulation: quantiles of past returns over their predicted scale
(Barone-Adesi, Giannopoulos and Vosper, VaR without correlations for portfolios of derivative
securities, J. Futures Markets 19, 1999). Each scale is predicted without the return that it
divides, as in split conformal prediction (Vovk, Gammerman and Shafer, Algorithmic Learning in a
Random World, 2005). In-sample scales would make the quantiles too narrow.
"""

import numpy as np

from coin_assets.domain.candles.grid import Mask
from coin_assets.domain.forecasting.frame import MEDIAN, QUANTILES, STEPS, Floats

# Shares of |return| below each upper quantile of a symmetric distribution.
UPPER_SHARES = tuple(round(2 * level - 1, 12) for level in QUANTILES[MEDIAN + 1 :])


def log_returns(close: Floats) -> Floats:
    """Log returns over the next 1 to `STEPS` candles.

    Args:
        close: prices on the grid of candle numbers, shape (places,); NaN where a candle is
            missing.

    Returns:
        Shape (places, `STEPS`); NaN where one of the two candles is missing.
    """
    returns = np.full((len(close), STEPS), np.nan)
    for step in range(1, min(STEPS, len(close) - 1) + 1):
        returns[:-step, step - 1] = np.log(close[step:] / close[:-step])
    return returns


def shrinkage_weight(observations: float, prior_strength: float) -> float:
    """Weight of an estimate against its prior, 0 to 1.

    Args:
        observations: number of independent observations behind the estimate.
        prior_strength: number of observations at which the weight is one half; with 0 the prior
            has no weight.
    """
    return observations / (observations + prior_strength) if observations else 0.0


def recency_weights(ages: Floats, half_life: float | None) -> Floats:
    """Weights of observations by age, 1 at age 0; all 1 without a half-life.

    Args:
        ages: in candles, any shape.
        half_life: age at which the weight is one half, in candles.
    """
    return np.ones_like(ages) if half_life is None else np.asarray(0.5 ** (ages / half_life))


def weighted_quantiles(values: Floats, weights: Floats, shares: tuple[float, ...]) -> Floats:
    """Values below which these shares of the weights lie, with half of each value's own weight.

    Args:
        values, weights: shape (n,), at least one; weights above zero.
        shares: 0 to 1.
    """
    order = np.argsort(values, kind="stable")
    ordered = weights[order]
    below = (np.cumsum(ordered) - ordered / 2) / ordered.sum()
    return np.asarray(np.interp(shares, below, values[order]), dtype=np.float64)


def standardised_quantiles(
    returns: Floats, scales: Floats, prior_strength: float, weights: Floats | None = None
) -> Floats:
    """Quantiles of returns over their scales, symmetric about zero.

    The direction is not forecast, so both tails are estimated from absolute returns. Overlapping
    h-step returns count as one in h. Each step is shrunk towards the quantiles of one step.

    Args:
        returns: log returns, shape (rows, `STEPS`); NaN where unknown; at least one one-step
            return is known.
        scales: predicted sizes of the returns, shape (rows, `STEPS`).
        prior_strength: weight of the one-step quantiles, in observations; see
            `shrinkage_weight`.
        weights: of the rows, shape (rows,), above zero; by default all are equal. Weighted rows
            count as fewer observations; see `effective_count`.

    Returns:
        Shape (`STEPS`, quantiles), without unit; non-decreasing along the last axis, 0 at the
        median.
    """
    sizes = np.abs(returns / scales)
    upper = np.empty((STEPS, len(UPPER_SHARES)))
    for step in range(1, STEPS + 1):
        is_known = np.isfinite(sizes[:, step - 1])
        own = _quantiles(sizes[is_known, step - 1], None if weights is None else weights[is_known])
        one_step = own if step == 1 else upper[0]
        weight = shrinkage_weight(effective_count(is_known, weights) / step, prior_strength)
        upper[step - 1] = weight * own + (1 - weight) * one_step
    return np.hstack([-upper[:, ::-1], np.zeros((STEPS, 1)), upper])


def effective_count(known: Mask, weights: Floats | None) -> float:
    """Number of equally weighted values that tell as much (Kish, Survey sampling, 1965).

    Args:
        known: which rows have a value, shape (rows,).
        weights: of the rows, shape (rows,), above zero; None weights all alike.
    """
    if weights is None or not known.any():
        return float(known.sum())
    counted = weights[known]
    return float(counted.sum() ** 2 / (counted**2).sum())


def _quantiles(sizes: Floats, weights: Floats | None) -> Floats:
    """Quantiles at `UPPER_SHARES`; 0 without a value."""
    if not len(sizes):
        return np.zeros(len(UPPER_SHARES))
    if weights is None:
        return np.asarray(np.quantile(sizes, UPPER_SHARES), dtype=np.float64)
    return weighted_quantiles(sizes, weights, UPPER_SHARES)
