"""Quantiles of standardised returns that depend on the state of the market.

The state is the volatility of the last `STEPS` returns. Quantiles of all states together hold the
right share of returns on average, but too few after calm candles and too many after volatile ones.
So they are estimated in groups of similar states, as in Mondrian conformal prediction (Vovk,
Gammerman and Shafer, Algorithmic Learning in a Random World, 2005), with two changes: each group is
shrunk towards all states together, and between the groups the quantiles are interpolated, so that
forecasts of neighbouring states do not jump.

Markets change, and the quantiles of past years with them. `QuantilesByState.adapted` follows the
newest returns by adaptive conformal inference (Gibbs and Candes, Adaptive conformal inference under
distribution shift, NeurIPS 2021).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from coin_assets.domain.forecasting.calibration import (
    UPPER_SHARES,
    effective_count,
    shrinkage_weight,
    standardised_quantiles,
)
from coin_assets.domain.forecasting.frame import MEDIAN, QUANTILES, STEPS, Floats
from coin_assets.domain.forecasting.har_features import FLOOR
from coin_assets.domain.forecasting.variance import trailing_sums
from coin_assets.domain.timeframes import Ordinals

_GROUPS = 5
_WINDOWS = (16, 8)  # together `STEPS` candles
_UPPER = slice(MEDIAN + 1, None)
_BEYOND = 1 - np.array(UPPER_SHARES)  # nominal share of |return| beyond each upper quantile
_WIDEST = 0.5  # limit of the logarithm by which `adapted` widens or narrows quantiles


def recent_volatility(returns: Floats, places: Ordinals, typical: float) -> Floats:
    """Log of the root mean square of the last `STEPS` one-step returns.

    Each value depends on these returns alone, to the bit.

    Args:
        returns: one-step log returns on the grid of candle numbers, shape (places,); NaN where
            unknown.
        places: of the rows on the grid, shape (rows,).
        typical: volatility where no return is known; `FLOOR` of it is the least volatility.

    Returns:
        Shape (rows,).
    """
    known = np.isfinite(returns)
    squares = _trailing(np.where(known, returns, 0.0) ** 2)[places]
    counts = _trailing(known * 1.0)[places]
    mean = np.where(counts > 0, squares / np.maximum(counts, 1.0), typical**2)
    return np.asarray(np.log(np.maximum(np.sqrt(mean), FLOOR * typical)), dtype=np.float64)


def _trailing(values: Floats) -> Floats:
    """Sum of the last `STEPS` values at each place."""
    first, then = _WINDOWS
    sums = trailing_sums(values, first)
    total = sums[first].copy()
    total[first:] += sums[then][:-first]
    return total


@dataclass(frozen=True, eq=False)
class QuantilesByState:
    """Quantiles of standardised returns by state.

    Attributes:
        states: of the groups, shape (groups,), non-decreasing.
        quantiles: of the groups, shape (groups, `STEPS`, quantiles); each as
            `standardised_quantiles`.
    """

    states: Floats
    quantiles: Floats

    @classmethod
    def fit(
        cls,
        returns: Floats,
        scales: Floats,
        states: Floats,
        pooled: Floats,
        prior_strength: float,
        weights: Floats | None = None,
    ) -> "QuantilesByState":
        """Estimate the quantiles in groups of as many rows each.

        Args:
            returns, scales, weights: see `standardised_quantiles`.
            states: of the rows, shape (rows,).
            pooled: quantiles of all states together, shape (`STEPS`, quantiles).
            prior_strength: weight of ``pooled``, in independent observations; see
                `shrinkage_weight`.
        """
        ordered = np.argsort(states, kind="stable")
        nodes, quantiles = [], []
        for rows in np.array_split(ordered, min(_GROUPS, len(ordered))):
            nodes.append(float(np.median(states[rows])))
            quantiles.append(pooled.copy())
            known = np.isfinite(returns[rows])
            if not known[:, 0].any():
                continue
            own_weights = None if weights is None else weights[rows]
            own = standardised_quantiles(returns[rows], scales[rows], 0.0, own_weights)
            for step in range(STEPS):
                count = effective_count(known[:, step], own_weights)
                weight = shrinkage_weight(count / (step + 1), prior_strength)
                quantiles[-1][step] = weight * own[step] + (1 - weight) * pooled[step]
        return cls(np.array(nodes), np.array(quantiles))

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "QuantilesByState":
        """Restore what `state` returned.

        Raises:
            ValueError, KeyError, TypeError: these are not quantiles by state.
        """
        nodes = np.asarray(state["states"], dtype=np.float64)
        quantiles = np.asarray(state["quantiles"], dtype=np.float64)
        if nodes.ndim != 1 or not len(nodes) or not np.isfinite(nodes).all():
            raise ValueError("states of the quantiles are not a list of finite values")
        if (np.diff(nodes) < 0).any():
            raise ValueError("states of the quantiles decrease")
        shape = (len(nodes), STEPS, len(QUANTILES))
        if quantiles.shape != shape or not np.isfinite(quantiles).all():
            raise ValueError(f"quantiles by state are not finite values of shape {shape}")
        if (np.diff(quantiles) < 0).any() or quantiles[..., MEDIAN].any():
            raise ValueError("quantiles by state decrease, or the median is not zero")
        return cls(nodes, quantiles)

    def state(self) -> dict[str, Any]:
        """JSON values; `from_state` restores them."""
        return {"states": self.states.tolist(), "quantiles": self.quantiles.tolist()}

    def at(self, states: Floats) -> Floats:
        """Quantiles at some states, interpolated between the groups and constant outside.

        Each row is the same to the bit whatever the other rows are. A weighted mean of two
        non-decreasing rows does not decrease, also after rounding.

        Args:
            states: shape (rows,).

        Returns:
            Shape (rows, `STEPS`, quantiles).
        """
        lower, upper, share = self._between(states)
        share = share[:, None, None]
        return np.asarray((1 - share) * self.quantiles[lower] + share * self.quantiles[upper])

    def adapted(
        self, returns: Floats, scales: Floats, states: Floats, rate: float
    ) -> "QuantilesByState":
        """These quantiles, widened where recent returns left them too often, narrowed where rarely.

        Row by row, the logarithm of the width of a quantile grows by ``rate`` times the share of
        the next `STEPS` returns beyond it, less its nominal share: in all states, because a market
        often changes in all of them together, and in the row's own state by as much again. So the
        share beyond tends to the nominal one in each state. A row sees only returns that had ended
        by then. The steps of a row count together: those of one state are too few to adapt each.

        Args:
            returns, scales: see `standardised_quantiles`, in the order of time.
            states: of the rows, shape (rows,).
            rate: above 0; the larger, the fewer rows are remembered, about 2 / ``rate``.
        """
        sizes, known = np.abs(returns / scales), np.isfinite(returns)
        lower, upper, share = self._between(states)
        widths = np.zeros((len(self.states), len(_BEYOND)))
        pending = np.zeros_like(widths)
        for start in range(0, len(states), STEPS):
            rows = slice(start, start + STEPS)
            low, high, part = lower[rows], upper[rows], share[rows, None]
            width = (1 - part) * widths[low] + part * widths[high]
            bounds = self.at(states[rows])[..., _UPPER] * np.exp(width)[:, None, :]
            beyond = (sizes[rows, :, None] > bounds) - _BEYOND
            change = rate / STEPS * (beyond * known[rows, :, None]).sum(axis=1)
            # The outcome of these rows is known after the next block only.
            widths = np.clip(widths + pending, -_WIDEST, _WIDEST)
            pending = np.zeros_like(widths) + change.sum(axis=0)
            np.add.at(pending, low, (1 - part) * change)
            np.add.at(pending, high, part * change)
        widths = np.clip(widths + pending, -_WIDEST, _WIDEST)
        own = self.quantiles[..., _UPPER] * np.exp(widths)[:, None, :]
        own = np.maximum.accumulate(own, axis=2)
        middle = np.zeros((*own.shape[:2], 1))
        return QuantilesByState(self.states, np.concatenate([-own[..., ::-1], middle, own], axis=2))

    def _between(self, states: Floats) -> tuple[Ordinals, Ordinals, Floats]:
        """Groups around each state, and the share of the upper one; each of shape (rows,)."""
        upper = np.searchsorted(self.states, states, side="right")
        lower = np.maximum(upper - 1, 0)
        upper = np.minimum(upper, len(self.states) - 1)
        gap = self.states[upper] - self.states[lower]  # above zero between two groups
        share = np.where(gap > 0, (states - self.states[lower]) / np.where(gap > 0, gap, 1.0), 0.0)
        return lower, upper, np.asarray(share)
