"""Outcomes and scores at the scored origins, with bootstrap intervals.

Intervals come from the moving block bootstrap of `coin_assets.domain.evaluation.bootstrap`. It is
paired: forecast and naive are drawn at the same origins, and all symbols together.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from coin_assets.domain.evaluation.bootstrap import block_starts, central_interval
from coin_assets.domain.evaluation.scoring import pinball_loss
from coin_assets.domain.forecasting.frame import MEDIAN, QUANTILES, STEPS, Floats
from coin_assets.domain.forecasting.naive import NAIVE_WINDOW
from coin_assets.domain.timeframes import Ordinals, Timeframe

_DRAWS = 2000
_TERCILES = 3
NOMINAL = 0.8  # nominal coverage of the published interval

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Outcome:
    """Outcomes after ``origins``.

    Attributes:
        last: closes at the origins, shape (origins,).
        actual: closes of the `STEPS` candles after each, shape (origins, `STEPS`); NaN in gaps.
        volatility: root mean square of the last `STEPS` one-step log returns known at each origin.
        realised: the same of the `STEPS` returns after each origin.
    """

    origins: pd.DatetimeIndex
    last: Floats
    actual: Floats
    volatility: Floats
    realised: Floats


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of one symbol's forecasts.

    Attributes:
        losses: pinball loss on log price at each origin, mean over steps and quantiles.
        misses: absolute error of the median on log price at each origin, mean over steps.
        coverage_80, coverage_90: share of closes inside the interval.
        tercile_coverage: coverage of the 80% interval in the low, mid and high volatility tercile
            of the origins, by the volatility known there.
        covered: coverage of the 80% interval at each origin.
        terciles: volatility tercile of each origin, 0, 1 or 2.
        came: the outcomes that the forecasts were scored against.
        direction: share of the medians that moved as the price did, ties excluded; NaN if all are
            ties, as with the last close for median.
        observed: share of closes at or below each quantile.
    """

    losses: Floats
    misses: Floats
    coverage_80: float
    coverage_90: float
    tercile_coverage: tuple[float, float, float]
    covered: Floats
    terciles: Ordinals
    came: Outcome
    direction: float
    observed: Floats


def outcome(candles: pd.DataFrame, timeframe: Timeframe, origins: pd.DatetimeIndex) -> Outcome:
    """Outcomes after ``origins``.

    Args:
        candles: candle frame that reaches `STEPS` candles beyond the last origin; a return across
            a gap does not count.
        timeframe: of the candles.
        origins: closes of candles.
    """
    close, last = _on_grid(candles, timeframe, origins)
    squares = np.diff(np.log(close), prepend=np.nan) ** 2
    steps = np.arange(1, STEPS + 1)
    after, before = last[:, None] + steps, last[:, None] - steps + 1
    return Outcome(
        origins,
        last=close[last],
        actual=close[after],
        volatility=_root_mean(squares[before]),
        realised=_root_mean(squares[after]),
    )


def score(quantiles: Floats, came: Outcome) -> Scores:
    """Score forecasts of the origins of ``came``.

    Args:
        quantiles: prices, shape (origins, `STEPS`, quantiles).
    """
    known = np.isfinite(came.actual)
    actual, median = np.log(came.actual), quantiles[:, :, MEDIAN]
    losses = pinball_loss(actual, np.log(quantiles)).mean(axis=2)
    misses = np.abs(actual - np.log(median))
    inside = _inside(quantiles, came.actual, 0.1, 0.9)
    terciles = np.empty(len(inside), dtype=np.int64)
    for tercile, rows in enumerate(tercile_rows(came.volatility)):
        terciles[rows] = tercile
    return Scores(
        losses=np.nanmean(losses, axis=1),
        misses=np.nanmean(misses, axis=1),
        coverage_80=_share(inside, known),
        coverage_90=_share(_inside(quantiles, came.actual, 0.05, 0.95), known),
        tercile_coverage=_by_tercile(inside, known, came.volatility),
        covered=(inside * known).sum(axis=1) / known.sum(axis=1),
        terciles=terciles,
        came=came,
        direction=_direction(median, came),
        observed=(came.actual[:, :, None] <= quantiles)[known].mean(axis=0),
    )


def known_variance(candles: pd.DataFrame, timeframe: Timeframe, came: Outcome) -> Floats:
    """Quantiles from the naive method with the variance of the candles to come; not a forecast.

    The h-step log returns of the trailing `NAIVE_WINDOW` candles are each divided by the root mean
    square of the `STEPS` returns that followed, and their quantiles multiplied by that of the
    `STEPS` returns to come.

    Returns:
        Quantiles of the price, shape (origins, `STEPS`, quantiles); the median is the last close.
    """
    close, last = _on_grid(candles, timeframe, came.origins)
    log_close = np.log(close)
    squares = np.diff(log_close, prepend=np.nan) ** 2
    steps = np.arange(1, STEPS + 1)
    quantiles = np.empty((len(last), STEPS, len(QUANTILES)))
    for row, newest in enumerate(last):
        starts = np.arange(max(0, newest - NAIVE_WINDOW), newest - STEPS + 1)
        after = starts[:, None] + steps
        returns = log_close[after] - log_close[starts][:, None]
        standardised = returns / _root_mean(squares[after])[:, None]
        quantiles[row] = np.nanquantile(standardised, QUANTILES, axis=0).T
    quantiles -= quantiles[:, :, [MEDIAN]]
    widened = np.exp(came.realised[:, None, None] * quantiles)
    return np.asarray(came.last[:, None, None] * widened, dtype=np.float64)


def mean_ratio(losses: Sequence[Floats], reference: Sequence[Floats]) -> float:
    """Mean over symbols of the ratio of mean losses."""
    pairs = zip(losses, reference, strict=True)
    return float(np.mean([ours.mean() / theirs.mean() for ours, theirs in pairs]))


def ratio_interval(
    losses: Sequence[Floats], reference: Sequence[Floats], block: int
) -> tuple[float, float]:
    """95% interval of `mean_ratio`.

    Args:
        losses: of each symbol at the same origins, shape (origins,).
        reference: the same of the forecast to compare with.
        block: neighbouring origins that are drawn together.
    """
    ours, theirs = np.array(losses), np.array(reference)
    drawn = _drawn(ours.shape[1], block)
    return central_interval(
        (ours[:, drawn].mean(axis=2) / theirs[:, drawn].mean(axis=2)).mean(axis=0)
    )


def coverage_interval(scores: Sequence[Scores], tercile: int, block: int) -> tuple[float, float]:
    """95% interval of the coverage in one volatility tercile, mean of symbols.

    Args:
        scores: one a symbol, at the same origins.
        tercile: 0, 1 or 2.
        block: as `ratio_interval`.
    """
    covered = np.array([one.covered for one in scores])
    counted = np.array([one.terciles == tercile for one in scores], dtype=np.float64)
    drawn = _drawn(covered.shape[1], block)
    hits, totals = ((each[:, drawn]).sum(axis=2) for each in (covered * counted, counted))
    with np.errstate(invalid="ignore"):
        return central_interval(np.nanmean(hits / totals, axis=0))


def tercile_rows(volatility: Floats) -> list[Ordinals]:
    """Rows of the low, mid and high volatility tercile."""
    return np.array_split(np.argsort(volatility, kind="stable"), _TERCILES)


def _drawn(origins: int, block: int) -> Ordinals:
    """Rows of each draw of the bootstrap, shape (draws, origins)."""
    starts = block_starts(origins, block, _DRAWS)
    return (starts[:, :, None] + np.arange(block)).reshape(_DRAWS, -1)[:, :origins]


def _on_grid(
    candles: pd.DataFrame, timeframe: Timeframe, origins: pd.DatetimeIndex
) -> tuple[Floats, Ordinals]:
    """Closes at their candle numbers, NaN in gaps, and where the last of each origin stands."""
    ordinals = timeframe.ordinals(candles["timestamp"])
    close = np.full(int(ordinals[-1] - ordinals[0]) + 1, np.nan)
    close[ordinals - ordinals[0]] = candles["close"]
    return close, timeframe.ordinals(origins) - 1 - ordinals[0]


def _root_mean(squares: Floats) -> Floats:
    return np.asarray(np.sqrt(np.nanmean(squares, axis=-1)), dtype=np.float64)


def _inside(quantiles: Floats, actual: Floats, low: float, high: float) -> Floats:
    lower, upper = (quantiles[:, :, QUANTILES.index(level)] for level in (low, high))
    return np.asarray((lower <= actual) & (actual <= upper), dtype=np.float64)


def _share(hits: Floats, known: Mask) -> float:
    return float(hits[known].mean())


def _by_tercile(inside: Floats, known: Mask, volatility: Floats) -> tuple[float, float, float]:
    low, mid, high = tercile_rows(volatility)
    return (
        _share(inside[low], known[low]),
        _share(inside[mid], known[mid]),
        _share(inside[high], known[high]),
    )


def _direction(median: Floats, came: Outcome) -> float:
    forecast = np.sign(median - came.last[:, None])
    moved = np.sign(came.actual - came.last[:, None])
    counted = (forecast != 0) & (moved != 0) & np.isfinite(moved)
    return float((forecast == moved)[counted].mean()) if counted.any() else float("nan")
