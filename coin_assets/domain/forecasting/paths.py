"""Sample paths: joint trajectories of the `STEPS` closes of a forecast.

Quantiles say nothing of how the steps hang together. The Schaake shuffle (Clark, Gangopadhyay, Hay,
Rajagopalan and Wilby, J. Hydrometeorology 5, 2004) takes that from the past: each path follows one
past trajectory, and has at each step the rank that this one has among all of them. The values of a
step are the forecast's own quantiles. There is no random number: the same past and forecast give
the same paths.

Past trajectories are standardised, so that wild times do not have all the outer ranks: the log of
the close over the median that was forecast for it, in widths of that forecast's 80% interval.
"""

from dataclasses import dataclass

import numpy as np

from coin_assets.domain.candles.grid import candle_rows
from coin_assets.domain.forecasting.frame import MEDIAN, QUANTILES, STEPS, Floats
from coin_assets.domain.timeframes import Ordinals

# Fewest past trajectories behind the paths of a forecast.
FEWEST_TRAJECTORIES = STEPS
_LOW, _HIGH = QUANTILES.index(0.1), QUANTILES.index(0.9)
_LEVELS = np.asarray(QUANTILES)


@dataclass(frozen=True, eq=False)
class Trajectories:
    """What followed past forecasts, standardised.

    Attributes:
        origins: ordinals of their first forecast candles, shape (m,), ascending.
        moves: shape (m, `STEPS`), finite.
    """

    origins: Ordinals
    moves: Floats


def trajectories(
    origins: Ordinals, quantiles: Floats, candles: Ordinals, close: Floats
) -> Trajectories:
    """The past forecasts whose `STEPS` candles all exist, with what followed.

    Args:
        origins: ordinals of the first forecast candles, shape (m,), ascending.
        quantiles: prices, shape (m, `STEPS`, quantiles).
        candles: ordinals of the candles, shape (n,), ascending.
        close: their closes, shape (n,).
    """
    rows = candle_rows(candles, origins[:, None] + np.arange(STEPS))
    closes = np.append(close, np.nan)[rows]  # row -1
    with np.errstate(invalid="ignore", divide="ignore"):
        width = np.log(quantiles[..., _HIGH] / quantiles[..., _LOW])
        moves = np.log(closes / quantiles[..., MEDIAN]) / width
    known = np.isfinite(moves).all(axis=1)
    return Trajectories(origins[known], moves[known])


def first_needed(origin: int, count: int) -> int:
    """Ordinal of the oldest forecast that the paths of a forecast at ``origin`` follow."""
    return origin - STEPS * (count + 1) + 1


def sample_paths(quantiles: Floats, origins: Ordinals, past: Trajectories, count: int) -> Floats:
    """``count`` paths of each forecast.

    A path follows a trajectory whose last candle closed by the origin, so later candles change
    nothing. The trajectories are spread evenly over the newest ``count * STEPS`` candles: they do
    not overlap where each of these has a forecast. Fewer than ``count`` are used several times.

    Args:
        quantiles: prices, shape (n, `STEPS`, quantiles), non-decreasing along the last axis.
        origins: ordinals of the first forecast candles, shape (n,).
        past: of the same series.
        count: number of paths.

    Returns:
        Prices, shape (n, count, `STEPS`); NaN for a forecast with fewer than
        `FEWEST_TRAJECTORIES` past ones.
    """
    last = origins - STEPS  # the newest whose candles have closed
    end = np.searchsorted(past.origins, last, side="right")
    found = end - np.searchsorted(past.origins, last - STEPS * count, side="right")
    enough = found >= FEWEST_TRAJECTORIES
    paths = np.full((len(origins), count, STEPS), np.nan)
    back = np.arange(count)[::-1] * found[enough, None] // count
    chosen = end[enough, None] - 1 - back
    order = np.argsort(past.moves[chosen], axis=1, kind="stable")
    values = marginals(quantiles[enough], count)
    drawn = np.empty_like(values)
    np.put_along_axis(drawn, order, values, axis=1)
    paths[enough] = drawn
    return paths


def marginals(quantiles: Floats, count: int) -> Floats:
    """Quantiles at the levels ``(k + 0.5) / count``, from those of a forecast.

    The log price is linear in the log odds of the level between two given quantiles, and goes on
    likewise beyond the outer ones: the tails are those of a logistic distribution.

    Args:
        quantiles: prices, shape (n, `STEPS`, quantiles), non-decreasing along the last axis.

    Returns:
        Prices, shape (n, count, `STEPS`), non-decreasing along the middle axis.
    """
    place = _log_odds((np.arange(count) + 0.5) / count)
    known = _log_odds(_LEVELS)
    below = np.clip(np.searchsorted(known, place, side="right") - 1, 0, len(known) - 2)
    share = ((place - known[below]) / (known[below + 1] - known[below]))[:, None]
    prices = np.log(quantiles).swapaxes(1, 2)
    low, high = prices[:, below], prices[:, below + 1]
    return np.asarray(np.exp(low + share * (high - low)), dtype=np.float64)


def _log_odds(levels: Floats) -> Floats:
    return np.asarray(np.log(levels / (1 - levels)), dtype=np.float64)
