"""From a predicted scale to quantiles that hold what they say.

Quantiles of standardised returns are filtered historical simulation (Barone-Adesi, Giannopoulos
and Vosper, VaR without correlations for portfolios of derivative securities, J. Futures Markets
19, 1999). The returns are standardised by predictions made without them, as in split conformal
prediction (Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005): a model
flatters itself on what it was fitted to.
"""

import numpy as np

from coin_assets.domain.forecasting.frame import MEDIAN, QUANTILES, STEPS, Floats

# Shares of |return| below each upper quantile of a symmetric distribution.
_SHARES = tuple(round(2 * level - 1, 12) for level in QUANTILES[MEDIAN + 1 :])


def log_returns(close: Floats) -> Floats:
    """Log returns over the next 1..`STEPS` candles at each place of a grid; NaN if one is missing.

    Returns:
        Shape (places, `STEPS`).
    """
    returns = np.full((len(close), STEPS), np.nan)
    for step in range(1, min(STEPS, len(close) - 1) + 1):
        returns[:-step, step - 1] = np.log(close[step:] / close[:-step])
    return returns


def trust(observations: float, half: float) -> float:
    """Weight of what independent observations say against what is said without them.

    Args:
        half: observations that count as much as that; zero believes them alone.
    """
    return observations / (observations + half) if observations else 0.0


def standardised_quantiles(returns: Floats, scales: Floats, half: float) -> Floats:
    """Quantiles of returns over their scales, symmetric about zero.

    Nobody knows the direction, so both tails are learned from all returns. h-step returns that
    overlap count as one in h; where they are few, the quantiles of one step stand in.

    Args:
        returns: shape (rows, `STEPS`), NaN where unknown; of one step, at least one known.
        scales: the shape of ``returns``, each predicted from before its return.
        half: see `trust`.

    Returns:
        Shape (`STEPS`, quantiles), non-decreasing along the last axis, zero at the median.
    """
    sizes = np.abs(returns / scales)
    upper = np.empty((STEPS, len(_SHARES)))
    for step in range(1, STEPS + 1):
        known = sizes[:, step - 1][np.isfinite(sizes[:, step - 1])]
        own = np.quantile(known, _SHARES) if len(known) else np.zeros(len(_SHARES))
        one_step = own if step == 1 else upper[0]
        share = trust(len(known) / step, half)
        upper[step - 1] = share * own + (1 - share) * one_step
    return np.hstack([-upper[:, ::-1], np.zeros((STEPS, 1)), upper])
