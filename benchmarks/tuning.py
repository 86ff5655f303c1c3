"""Comparison of forecasters on the tuning spans, for settings and ideas.

Nothing here reads a candle of a test span: `load` refuses them.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from benchmarks.forecast_protocol import SYMBOLS, TUNING, Span, load, scored_origins, walk_forward
from benchmarks.forecast_scores import (
    NOMINAL,
    Scores,
    mean_ratio,
    outcome,
    ratio_interval,
    score,
    tercile_rows,
)
from benchmarks.harness import Figure
from coin_assets.domain.evaluation.bootstrap import block_length
from coin_assets.domain.forecasting.frame import Floats, Forecaster
from coin_assets.domain.forecasting.naive import naive_quantiles
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe

Make = Callable[[Series], Forecaster]  # returns an unfitted forecaster

_PERCENT = 100.0


def compare(timeframe: str, base: Make, idea: Make, every: int | None = None) -> str:
    """One line: the loss of ``idea`` above that of ``base``, mean of symbols.

    Args:
        timeframe: one of `TUNING`.
        every: distance of the scored origins in candles; by default that of the tuning span.
    """
    span = TUNING[timeframe]
    span = replace(span, every=every or span.every)
    ours, theirs = (scores_of(timeframe, span, make) for make in (idea, base))
    figure = compared(timeframe, span, "loss of the idea above the base", ours, theirs)
    return f"{figure.name}: {figure.value:+.2f}% ({figure.how})"


def scores_of(timeframe: str, span: Span, make: Make | None) -> list[Scores]:
    """Scores of each symbol, by models of ``make``; None is the naive forecast.

    Raises:
        HeldOut: ``span`` reaches into the test span.
    """
    scores = []
    for symbol in SYMBOLS:
        series = Series(symbol, Timeframe.parse(timeframe))
        candles = load(symbol, timeframe, span)
        origins = scored_origins(candles, series.timeframe, span)
        if make is None:
            quantiles = naive_quantiles(candles, origins, series.timeframe)
        else:
            quantiles = walk_forward(make, candles, series, origins)
        scores.append(score(quantiles, outcome(candles, series.timeframe, origins)))
    return scores


def compared(
    timeframe: str, span: Span, name: str, ours: list[Scores], theirs: list[Scores]
) -> Figure:
    """By how much one loss is above another, with its interval, and what the intervals held.

    Args:
        timeframe: begins the name of the figure.
        ours, theirs: of the same symbols and origins of ``span``.
    """
    losses, reference = [one.losses for one in ours], [one.losses for one in theirs]
    block = block_length(len(losses[0]), span.every)
    low, high = ratio_interval(losses, reference, block)
    covered = _PERCENT * float(np.mean([one.coverage_80 for one in ours]))
    coverage = np.array([one.tercile_coverage for one in ours])
    low_error, _, high_error = _PERCENT * np.abs(coverage - NOMINAL).mean(axis=0)
    above = [_PERCENT * (ratio - 1) for ratio in (mean_ratio(losses, reference), low, high)]
    how = f"95% interval {above[1]:+.2f} to {above[2]:+.2f}; 80% intervals held {covered:.1f}%"
    how += f", low and high volatility missed by {low_error:.1f} and {high_error:.1f} points"
    return Figure(f"{timeframe}: {name}", round(above[0], 2), "%", how)


def yearly(timeframe: str, span: Span, name: str, scores: list[Scores]) -> Figure:
    """Largest coverage error of a single year at low or high volatility, and those of all years.

    Args:
        timeframe: begins the name of the figure.
        span: of ``scores``; a year begins where it starts, and each year after that.
        scores: one a symbol.
    """
    errors, start = dict[datetime, Floats](), span.start
    while start <= scores[0].came.origins[-1]:
        errors[start] = _PERCENT * tercile_errors(scores, start, _year_after(start))
        start = _year_after(start)
    how = "at low and high volatility, mean of symbols: " + ", ".join(
        f"{low:.1f} and {high:.1f} in the year from {first:%Y-%m}"
        for first, (low, _, high) in errors.items()
    )
    worst = max(max(low, high) for low, _, high in errors.values())
    return Figure(f"{timeframe}: {name}, worst error of a year", round(worst, 1), "points", how)


def tercile_errors(scores: Sequence[Scores], start: datetime, end: datetime) -> Floats:
    """Coverage errors of the 80% interval over a part of a span, scored like a span of its own.

    Args:
        scores: one a symbol.
        start, end: bounds of the origins, half-open; each symbol has some there.

    Returns:
        In the low, mid and high volatility tercile of these origins: mean over symbols of the
        absolute errors, shape (3,).
    """
    errors = []
    for one in scores:
        rows = slice(*one.came.origins.searchsorted([start, end]))
        covered = one.covered[rows]
        terciles = tercile_rows(one.came.volatility[rows])
        errors.append([abs(float(covered[tercile].mean()) - NOMINAL) for tercile in terciles])
    return np.asarray(np.mean(errors, axis=0))


def _year_after(start: datetime) -> datetime:
    return start.replace(year=start.year + 1)
