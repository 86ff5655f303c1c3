"""Figures of the benchmark ``forecasts``, with their limits."""

from collections.abc import Callable, Sequence

import numpy as np

from benchmarks.forecast_bars import (
    COVERAGE_MEAN,
    COVERAGE_WORST,
    HIGH_VOLATILITY,
    LOW_VOLATILITY,
    MEDIAN_ERROR,
    NAIVE_MEAN,
    NAIVE_WORST,
    PROPHET,
    verdicts,
)
from benchmarks.forecast_cases import PROPHET_EVERY, Case, Duel
from benchmarks.forecast_scores import (
    NOMINAL,
    Scores,
    coverage_interval,
    mean_ratio,
    ratio_interval,
)
from benchmarks.harness import Figure, say
from coin_assets.domain.evaluation.bootstrap import block_length
from coin_assets.domain.forecasting.frame import Floats

_LOW, _HIGH = 0, 2  # positions in `Scores.tercile_coverage`


def figures_of(timeframe: str, every: int, cases: Sequence[Case]) -> list[Figure]:
    """Figures of one timeframe; prints each verdict.

    Args:
        timeframe: name in ccxt notation.
        every: candles between neighbouring origins.
        cases: one a symbol.
    """
    champions, naives = [case.champion for case in cases], [case.naive for case in cases]
    losses, naive_losses = [one.losses for one in champions], [one.losses for one in naives]
    block = block_length(len(losses[0]), every)
    measured = _measured(cases)
    bound = mean_ratio([case.bound.losses for case in cases], naive_losses)
    reach = (1 - measured[NAIVE_MEAN]) / (1 - bound)
    duels = [case.prophet for case in cases if case.prophet is not None]
    return [
        *_bar_figures(
            timeframe,
            measured,
            {
                NAIVE_MEAN: _interval(losses, naive_losses, block),
                LOW_VOLATILITY: _covered(champions, _LOW, block),
                HIGH_VOLATILITY: _covered(champions, _HIGH, block),
            },
        ),
        *(
            _figure(
                timeframe,
                f"pinball to naive, {case.series.symbol}",
                mean_ratio([case.champion.losses], [case.naive.losses]),
                _interval([case.champion.losses], [case.naive.losses], block),
            )
            for case in cases
        ),
        _figure(timeframe, "bound", bound, "not a forecast: pinball to naive if variance is known"),
        _percent(timeframe, "reached of what the bound leaves", reach, "0 is naive, 100 the bound"),
        *_coverage_figures(timeframe, "published", champions),
        *_coverage_figures(timeframe, "naive", naives),
        *(_prophet_figures(timeframe, duels) if duels else ()),
        _direction(timeframe, champions),
        Figure(f"{timeframe}: origins", len(losses[0]), "", "scored, of each symbol"),
    ]


def _measured(cases: Sequence[Case]) -> dict[str, float]:
    """Measure -> value, for the limits of `BARS`."""
    champions, naives = [case.champion for case in cases], [case.naive for case in cases]
    ratios = [mean_ratio([case.champion.losses], [case.naive.losses]) for case in cases]
    errors = [_error(one.coverage_80) for one in champions]
    measured = {
        NAIVE_MEAN: float(np.mean(ratios)),
        NAIVE_WORST: max(ratios),
        MEDIAN_ERROR: mean_ratio([one.misses for one in champions], [one.misses for one in naives]),
        COVERAGE_MEAN: float(np.mean(errors)),
        COVERAGE_WORST: max(errors),
        LOW_VOLATILITY: _mean(champions, lambda one: _error(one.tercile_coverage[_LOW])),
        HIGH_VOLATILITY: _mean(champions, lambda one: _error(one.tercile_coverage[_HIGH])),
    }
    duels = [case.prophet for case in cases if case.prophet is not None]
    if duels:
        theirs = [duel.rival.losses for duel in duels]
        measured[PROPHET] = mean_ratio([duel.champion.losses for duel in duels], theirs)
    return measured


def _bar_figures(timeframe: str, measured: dict[str, float], notes: dict[str, str]) -> list[Figure]:
    found = []
    for verdict in verdicts(timeframe, measured):
        say(str(verdict))
        parts = [f"{verdict.word}, the bar is {verdict.bar:g}", notes.get(verdict.measure)]
        how = "; ".join(part for part in parts if part)
        found.append(_figure(timeframe, verdict.measure, verdict.value, how))
    return found


def _prophet_figures(timeframe: str, duels: Sequence[Duel]) -> list[Figure]:
    ratio = mean_ratio([one.rival.losses for one in duels], [one.naive.losses for one in duels])
    count, every = len(duels[0].rival.losses), PROPHET_EVERY[timeframe]
    how = f"mean of symbols, {count} origins of each: 1 in {every} of those scored"
    rivals = [duel.rival for duel in duels]
    return [
        _figure(timeframe, "Prophet, pinball to naive", ratio, how),
        *_coverage_figures(timeframe, "Prophet", rivals),
    ]


def _coverage_figures(timeframe: str, who: str, scores: Sequence[Scores]) -> list[Figure]:
    parts = np.mean([one.tercile_coverage for one in scores], axis=0)
    lower, middle, upper = (f"{100 * part:.1f}" for part in parts)
    low, high = (100 * pick(one.coverage_80 for one in scores) for pick in (min, max))
    how = f"symbols {low:.1f} to {high:.1f}; low volatility {lower}, mid {middle}, high {upper}"
    return [
        _percent(timeframe, f"{who}, 80% covers", _mean(scores, lambda one: one.coverage_80), how),
        _percent(
            timeframe,
            f"{who}, 90% covers",
            _mean(scores, lambda one: one.coverage_90),
            "mean of symbols",
        ),
    ]


def _direction(timeframe: str, scores: Sequence[Scores]) -> Figure:
    known = [one.direction for one in scores if not np.isnan(one.direction)]
    how = "share of medians that moved as the price did, mean of the symbols that have any"
    if not known:
        return Figure(f"{timeframe}: direction", "none", "", "all medians are the last close")
    return _percent(timeframe, "direction", float(np.mean(known)), how)


def _mean(scores: Sequence[Scores], value: Callable[[Scores], float]) -> float:
    return float(np.mean([value(one) for one in scores]))


def _interval(losses: Sequence[Floats], reference: Sequence[Floats], block: int) -> str:
    low, high = ratio_interval(losses, reference, block)
    return f"95% interval {low:.3f} to {high:.3f} by blocks of {block} origins"


def _covered(scores: Sequence[Scores], tercile: int, block: int) -> str:
    low, high = coverage_interval(scores, tercile, block)
    return f"95% interval of what is covered {100 * low:.1f}% to {100 * high:.1f}%"


def _figure(timeframe: str, name: str, value: float, how: str) -> Figure:
    """A ratio or an error, with three decimals."""
    return Figure(f"{timeframe}: {name}", f"{value:.3f}", "", how)


def _percent(timeframe: str, name: str, share: float, how: str) -> Figure:
    return Figure(f"{timeframe}: {name}", 100 * share, "%", how)


def _error(coverage: float) -> float:
    """Coverage error in points."""
    return 100 * abs(coverage - NOMINAL)
