"""Moving block bootstrap: intervals of means over neighbouring, correlated origins.

Source: Kunsch (The jackknife and the bootstrap for general stationary observations, Annals of
Statistics 17, 1989). Neighbouring origins are drawn together, because forecasts that overlap err
together. The draws depend on the number of origins alone, so intervals are reproducible.
"""

from dataclasses import dataclass
from math import ceil

import numpy as np

from coin_assets.domain.evaluation.matured import Matured
from coin_assets.domain.evaluation.scoring import (
    VOLATILITY_TERCILES,
    inside,
    mean_by_origin,
    volatility_terciles,
)
from coin_assets.domain.forecasting.frame import STEPS, Floats
from coin_assets.domain.timeframes import Ordinals

_SEED, _LEVEL, _DRAWS = 7, 0.95, 1000
# Fewer blocks than these say nothing about the spread between blocks.
_LEAST_BLOCKS = 3


@dataclass(frozen=True)
class TercileCoverage:
    """Coverage of the 80% interval in one volatility tercile.

    Attributes:
        origins: number of origins in the tercile with a known close.
        coverage: share of closes inside, mean over origins; None without an origin.
        interval: 95% interval of ``coverage``; None with too few blocks of origins.
    """

    origins: int
    coverage: float | None
    interval: tuple[float, float] | None


def block_length(origins: int, every: int) -> int:
    """Origins in a block, for origins that lie ``every`` candles apart.

    A block spans the overlap of forecasts, `STEPS` candles, and at least the cube root of the
    sample, because volatility is persistent (Hall, Horowitz and Jing, Biometrika 82, 1995).
    """
    return min(origins, max(ceil(STEPS / every), ceil(float(np.cbrt(origins)))))


def block_starts(origins: int, block: int, draws: int) -> Ordinals:
    """First rows of the drawn blocks, shape (draws, blocks); a draw covers ``origins`` rows."""
    generator = np.random.default_rng(_SEED)
    return generator.integers(0, origins - block + 1, (draws, ceil(origins / block)))


def central_interval(values: Floats) -> tuple[float, float]:
    """Interval that leaves out 2.5% of ``values`` at each end."""
    low, high = np.quantile(values, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return float(low), float(high)


def coverage_by_tercile(forecast: Matured, every: int = 1) -> dict[str, TercileCoverage]:
    """Coverage of the 80% interval in each volatility tercile, with its 95% interval.

    Args:
        forecast: matured forecasts, at least one.
        every: candles between neighbouring origins.

    Returns:
        Tercile, a member of `VOLATILITY_TERCILES` -> coverage.
    """
    covered = mean_by_origin(inside(forecast, 0.1, 0.9))
    block = block_length(len(forecast), every)
    starts = block_starts(len(forecast), block, _DRAWS)
    found = {}
    for name, rows in zip(
        VOLATILITY_TERCILES, volatility_terciles(forecast.volatility), strict=True
    ):
        counted = rows & np.isfinite(covered)
        origins = int(counted.sum())
        hits = _block_sums(np.where(counted, covered, 0.0), starts, block)
        totals = _block_sums(counted.astype(np.float64), starts, block)
        interval = None
        if origins and len(forecast) >= _LEAST_BLOCKS * block:
            drawn = totals > 0
            interval = central_interval(hits[drawn] / totals[drawn])
        found[name] = TercileCoverage(
            origins, float(covered[counted].mean()) if origins else None, interval
        )
    return found


def _block_sums(values: Floats, starts: Ordinals, block: int) -> Floats:
    """Sum of ``values`` over the blocks of each draw, shape (draws,)."""
    until = np.concatenate([[0.0], np.cumsum(values)])
    return np.asarray((until[starts + block] - until[starts]).sum(axis=1), dtype=np.float64)
