"""Benchmark ``forecast_ablation``: the contribution of each part of the forecaster."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from benchmarks.forecast_protocol import TUNING, Span
from benchmarks.harness import Bench, Figure, say, timed
from benchmarks.trailing_volatility import VolatilityScaledBaseline
from benchmarks.tuning import Make, compared, scores_of, yearly
from coin_assets.domain.forecasting.frame import Forecaster
from coin_assets.domain.forecasting.har import HarForecaster
from coin_assets.domain.forecasting.har_features import CALENDAR, LEVERAGE, VOLUME
from coin_assets.domain.series import Series
from coin_assets.models.forecasters import new_forecaster

# A penalty that leaves no coefficient, or a half-life that makes all weights equal.
_ENDLESS = 1e12
# Part that is left out -> parameters that leave it out.
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "the calendar": {"groups": (VOLUME, LEVERAGE)},
    "the volume": {"groups": (LEVERAGE, CALENDAR)},
    "the falls": {"groups": (VOLUME, CALENDAR)},
    "all but volatilities": {"groups": ()},
    "the variance of hours, by the own range": {"realised": False},
    "the range, by squared returns alone": {"range_share": 0.0, "realised": False},
    "the regression, by the mean of the log volatilities": {"penalty": _ENDLESS},
    "forgetting in the regression": {"half_life": _ENDLESS},
    "shrinkage": {"scale_prior_strength": 0.0},
    "the recent long-run level, by that of 4096 candles": {"level_window": 4096},
    "the shrinkage of the long-run level": {"level_weight": 1.0},
    "forgetting in the quantiles": {"calibrated": 8192, "calibration_half_life": None},
}
# Timeframe -> other settings that were compared with the chosen ones.
ALTERNATIVES: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "1d": {
        "a prior strength of 300": {"scale_prior_strength": 300.0},
        "a prior strength of 2000": {"scale_prior_strength": 2000.0},
        "quantiles from 256 candles": {"calibrated": 256},
        "quantiles from 500 candles": {"calibrated": 500},
        "quantiles from 500 candles, a prior strength of 300, no shrinkage of the level": {
            "calibrated": 500,
            "scale_prior_strength": 300.0,
            "level_weight": 1.0,
        },
        "the variance of hours, a prior strength of 250, a half-life of 160 candles": {
            "realised": True,
            "scale_prior_strength": 250.0,
            "calibration_half_life": 160.0,
        },
        "quantiles by state, a prior strength of 40": {"state_prior_strength": 40.0},
        "quantiles by state, adapted at a rate of 0.005": {
            "state_prior_strength": 40.0,
            "adaptation_rate": 0.005,
        },
    },
    "1w": {
        "a prior strength of 300": {"scale_prior_strength": 300.0},
        "a prior strength of 50": {"scale_prior_strength": 50.0},
        "a prior strength of the quantiles of 40": {"quantile_prior_strength": 40.0},
        "quantiles from 156 candles, all alike": {
            "calibrated": 156,
            "calibration_half_life": None,
        },
        "all as before: own range, prior strengths 300 and 40, 156 candles all alike": {
            "realised": False,
            "scale_prior_strength": 300.0,
            "quantile_prior_strength": 40.0,
            "calibrated": 156,
            "calibration_half_life": None,
        },
    },
}
# Settings of the quantiles by state, compared at every origin: coverage by tercile needs many.
_NOT_ADAPTED: Mapping[str, Any] = {"adaptation_rate": None}
_NO_STATE = "quantiles that do not depend on the state"
_RATES = (0.0025, 0.0075)
BY_STATE: Mapping[str, Mapping[str, Any]] = {
    "quantiles by state that are not adapted": _NOT_ADAPTED,
    "a prior strength of 20, not adapted": {"state_prior_strength": 20.0, **_NOT_ADAPTED},
    "a prior strength of 100, not adapted": {"state_prior_strength": 100.0, **_NOT_ADAPTED},
    "a half-life of 2000 candles, not adapted": {"calibration_half_life": 2000.0, **_NOT_ADAPTED},
    **{f"an adaptation rate of {rate}": {"adaptation_rate": rate} for rate in _RATES},
}
_EVERY_ORIGIN = ("1h", "4h")


def measure(bench: Bench) -> list[Figure]:
    """Increase of the loss on the tuning spans when a part of the forecaster is left out.

    Each variant is trained for the first instant of each month and forecasts the month's origins,
    as in ``forecasts``, but on the spans before the test spans and without store and registry. The
    figure is the increase of its pinball loss over that of the whole forecaster at the same
    origins, mean of three symbols. Above 0 the part helps. Intervals are 95%, by the paired block
    bootstrap. The remark gives the coverage of the variant's 80% intervals, and its mean error in
    the terciles of low and high volatility. Settings of the quantiles by state are compared at
    every origin, and with the errors of each single year. The test spans are not read.
    """
    figures = []
    for timeframe in bench.pick(tuple(TUNING), ("1w",)):
        seconds, found = timed(_figures, timeframe, TUNING[timeframe])
        say(f"{timeframe}: {len(found) - 1} variants in {seconds:.0f} s")
        figures += found
    return figures


def _figures(timeframe: str, span: Span) -> list[Figure]:
    whole = scores_of(timeframe, span, new_forecaster)
    naive = scores_of(timeframe, span, None)
    variants: dict[str, Make] = {
        f"without {part}": partial(_varied, changes=changes) for part, changes in VARIANTS.items()
    }
    variants["with trailing volatility alone"] = _trailing_volatility
    variants |= {
        f"with {setting}": partial(_varied, changes=changes)
        for setting, changes in ALTERNATIVES.get(timeframe, {}).items()
    }
    found = [compared(timeframe, span, "whole, above naive", whole, naive)]
    for name, make in variants.items():
        scores = scores_of(timeframe, span, make)
        found.append(compared(timeframe, span, name, scores, whole))
    if timeframe in _EVERY_ORIGIN:
        found += _at_every_origin(timeframe, replace(span, every=1))
    return found


def _at_every_origin(timeframe: str, span: Span) -> list[Figure]:
    """Figures against quantiles that depend on no state."""
    plain = {"state_prior_strength": None, **_NOT_ADAPTED}
    without = scores_of(timeframe, span, partial(_varied, changes=plain))
    name = f"{timeframe}, every origin"
    found = [
        compared(
            name, span, f"{_NO_STATE}, above naive", without, scores_of(timeframe, span, None)
        ),
        yearly(name, span, _NO_STATE, without),
    ]
    makes: dict[str, Make] = {"whole": new_forecaster}
    for setting, changes in BY_STATE.items():
        makes[f"with {setting}"] = partial(_varied, changes=changes)
    for part, make in makes.items():
        scores = scores_of(timeframe, span, make)
        found.append(compared(name, span, f"{part}, above {_NO_STATE}", scores, without))
        found.append(yearly(name, span, part, scores))
    return found


def _varied(series: Series, changes: Mapping[str, Any]) -> Forecaster:
    forecaster = new_forecaster(series)
    if not isinstance(forecaster, HarForecaster):
        raise TypeError(f"The forecaster of {series}, {forecaster.name}, has no such parts.")
    varied: HarForecaster = forecaster.set_params(**changes)
    return varied


def _trailing_volatility(series: Series) -> Forecaster:
    return VolatilityScaledBaseline(series.timeframe.name)
