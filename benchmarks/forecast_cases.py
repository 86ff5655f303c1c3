"""Scores of one symbol and timeframe of the benchmark ``forecasts``, by method."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.forecast_pictures import Fan
from benchmarks.forecast_protocol import Span, load_hours, load_test, scored_origins
from benchmarks.forecast_scores import Outcome, Scores, known_variance, outcome, score
from benchmarks.harness import say, timed
from benchmarks.prophet_forecasts import prophet_quantiles
from benchmarks.published_path import installation
from coin_assets.domain.forecasting.frame import Floats
from coin_assets.domain.forecasting.naive import naive_quantiles
from coin_assets.domain.series import Series
from coin_assets.domain.timeframe_rules import rules_of
from coin_assets.domain.timeframes import Timeframe

# Prophet takes half a second an origin, so it forecasts every n-th scored origin. Five times 25
# hours covers each hour of the day as well.
PROPHET_EVERY = {"1h": 5, "4h": 5, "1d": 2, "1w": 1}


@dataclass(frozen=True, eq=False)
class Duel:
    """Scores of a rival, the champion and the naive forecast at the same origins."""

    rival: Scores
    champion: Scores
    naive: Scores


@dataclass(frozen=True, eq=False)
class Case:
    """Scores of one symbol and timeframe.

    Attributes:
        champion, naive: scores at all origins.
        bound: scores with the variance to come known; not a forecast.
        prophet: scores at some of the origins; None if Prophet is not installed.
        fan: the champion's forecast at the newest scored origin.
    """

    series: Series
    champion: Scores
    naive: Scores
    bound: Scores
    prophet: Duel | None
    fan: Fan


def scored_case(symbol: str, timeframe: str, span: Span, prophet_at_most: int | None) -> Case:
    """Forecast and score one symbol.

    Args:
        symbol: in ccxt notation.
        timeframe: in ccxt notation.
        span: origins to score.
        prophet_at_most: largest number of origins of Prophet; None does not limit it.
    """
    series = Series(symbol, Timeframe.parse(timeframe))
    candles = load_test(symbol, timeframe)
    origins = scored_origins(candles, series.timeframe, span)
    is_measured = rules_of(series.timeframe).realised
    hours = load_hours(symbol, series.timeframe.floor(span.end)) if is_measured else None
    with installation(series, candles, span.end, hours) as home:
        seconds, _ = timed(home.live, origins)
        quantiles = home.quantiles(origins)
    say(f"{series}: {len(origins)} origins scored; forecast in {seconds:.0f} s")
    came = outcome(candles, series.timeframe, origins)
    naive = naive_quantiles(candles, origins, series.timeframe)
    every = slice(None, None, PROPHET_EVERY[timeframe])
    chosen = np.arange(len(origins))[every][:prophet_at_most]
    return Case(
        series,
        score(quantiles, came),
        score(naive, came),
        score(known_variance(candles, series.timeframe, came), came),
        _duel(series, candles, came, quantiles, naive, chosen) if len(chosen) else None,
        Fan.of(series, candles, origins[-1], quantiles[-1]),
    )


def _duel(
    series: Series,
    candles: pd.DataFrame,
    came: Outcome,
    champion: Floats,
    naive: Floats,
    chosen: npt.NDArray[np.int64],
) -> Duel:
    part = outcome(candles, series.timeframe, came.origins[chosen])
    seconds, quantiles = timed(prophet_quantiles, candles, series.timeframe, part.origins)
    say(f"{series}: Prophet at {len(chosen)} of these origins in {seconds:.0f} s")
    return Duel(score(quantiles, part), score(champion[chosen], part), score(naive[chosen], part))
