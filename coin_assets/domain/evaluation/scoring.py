"""Scores of quantile forecasts.

The main score is the pinball loss (Koenker and Bassett, Regression Quantiles, Econometrica 46,
1978). It is consistent for quantiles: its expectation is least at the true quantile (Gneiting,
Quantiles as optimal point forecasts, Int. J. Forecasting 27, 2011). Sharpness is reported with
coverage, because intervals shall be narrow subject to calibration (Gneiting, Balabdaoui and
Raftery, JRSS B 69, 2007).
"""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from coin_assets.domain.candles.grid import Mask
from coin_assets.domain.evaluation.matured import Matured
from coin_assets.domain.forecasting.frame import MEDIAN, QUANTILES, STEPS, Floats, Forecaster
from coin_assets.domain.timeframes import Timeframe
from coin_assets.errors import InsufficientData

ORIGINS = 100
STEP_BUCKETS = ((1, 6), (7, 12), (13, 18), (19, 24))
# Terciles of low, mid and high volatility, by their keys in published evaluations.
VOLATILITY_TERCILES = ("calm", "middle", "wild")


@dataclass(frozen=True)
class Coverage:
    """Shares of closes inside the 80% and the 90% interval; None where no close is known."""

    coverage_80: float | None
    coverage_90: float | None


@dataclass(frozen=True)
class RoleScores:
    """Scores of matured forecasts and of the naive forecasts of the same origins.

    Each score is the mean over origins of the mean over steps whose candle exists. So each origin
    has the same weight.

    Attributes:
        origins, live, backtest: number of scored origins: all, live and backtest.
        versions: model version -> number of origins.
        pinball, naive_pinball: mean pinball loss over the quantiles, on log price.
        skill: 1 less the ratio of the two; None where the naive loss is zero.
        mae, naive_mae: mean absolute error of the median on log price, about a share of the price.
        smape: symmetric mean absolute percentage error of the median, 0 to 200 (Makridakis, Int.
            J. Forecasting 9, 1993).
        mase: mean absolute error of the median, in prices, over the mean absolute change of the
            close in the first candle after an origin (Hyndman and Koehler, Int. J. Forecasting
            22, 2006, with season 1 and the scored origins as sample); None where no close changed.
        directional_accuracy: share of steps at which median and close lie on the same side of the
            last close, among those where neither equals it; None where there are none, as for a
            method whose median is the last close.
        coverage: of all steps.
        coverage_by_steps: bucket of `STEP_BUCKETS`, as ``1-6`` -> coverage.
        coverage_by_volatility: tercile of the volatility known at the origin -> coverage; see
            `VOLATILITY_TERCILES`.
        sharpness: mean width of the 80% interval on log price.
        observed: share of closes at or below each quantile, in the order of `QUANTILES`.
    """

    origins: int
    live: int
    backtest: int
    versions: dict[str, int]
    pinball: float
    naive_pinball: float
    skill: float | None
    mae: float
    naive_mae: float
    smape: float
    mase: float | None
    directional_accuracy: float | None
    coverage: Coverage
    coverage_by_steps: dict[str, Coverage]
    coverage_by_volatility: dict[str, Coverage]
    sharpness: float
    observed: tuple[float, ...]

    def document(self) -> dict[str, Any]:
        """The scores as JSON values, with the overall coverage on the top level."""
        fields = asdict(self)
        overall = fields.pop("coverage")
        return {**fields, **overall, "observed": list(self.observed)}


def scores(forecast: Matured, naive: Matured) -> RoleScores:
    """Scores of forecasts and of the naive forecasts of the same origins.

    Args:
        forecast, naive: matured forecasts of the same origins, in the same order.

    Raises:
        InsufficientData: there is no origin.
    """
    if not len(forecast):
        raise InsufficientData("No forecast has matured. Scores need at least one.")
    actual, last = forecast.actual, forecast.last[:, None]
    median = forecast.quantiles[..., MEDIAN]
    error = np.abs(actual - median)
    one_step = np.abs(actual[:, :1] - last)
    pinball, naive_pinball = float(losses(forecast).mean()), float(losses(naive).mean())
    live = int(forecast.live.sum())
    return RoleScores(
        origins=len(forecast),
        live=live,
        backtest=len(forecast) - live,
        versions=dict(sorted(Counter(map(str, forecast.versions)).items())),
        pinball=pinball,
        naive_pinball=naive_pinball,
        skill=1 - pinball / naive_pinball if naive_pinball > 0 else None,
        mae=_mean(np.abs(np.log(actual) - np.log(median))),
        naive_mae=_mean(np.abs(np.log(actual) - np.log(naive.quantiles[..., MEDIAN]))),
        smape=_mean(200 * error / (np.abs(actual) + np.abs(median))),
        mase=_mean(error) / _mean(one_step) if np.nansum(one_step) > 0 else None,
        directional_accuracy=_directional_accuracy(actual - last, median - last),
        coverage=coverage_of(forecast),
        coverage_by_steps={
            f"{first}-{final}": coverage_of(forecast, steps=slice(first - 1, final))
            for first, final in STEP_BUCKETS
        },
        coverage_by_volatility={
            name: coverage_of(forecast, origins)
            for name, origins in zip(
                VOLATILITY_TERCILES, volatility_terciles(forecast.volatility), strict=True
            )
        },
        sharpness=float(np.log(_quantile(forecast, 0.9) / _quantile(forecast, 0.1)).mean()),
        observed=tuple(
            _mean(np.where(np.isfinite(actual), actual <= _quantile(forecast, level), np.nan))
            for level in QUANTILES
        ),
    )


def losses(forecast: Matured) -> Floats:
    """Mean pinball loss on log price at each origin, over quantiles and steps with a candle.

    Returns:
        Shape (n,), about a share of the price.
    """
    return mean_by_origin(
        pinball_loss(np.log(forecast.actual), np.log(forecast.quantiles)).mean(axis=2)
    )


def inside(forecast: Matured, lower: float, upper: float) -> Floats:
    """Whether each close lies in the closed interval between two quantiles.

    Args:
        forecast: matured forecasts.
        lower, upper: members of `QUANTILES`.

    Returns:
        1 or 0, shape (n, `STEPS`); NaN where the candle is missing.
    """
    actual = forecast.actual
    held = (_quantile(forecast, lower) <= actual) & (actual <= _quantile(forecast, upper))
    return np.where(np.isfinite(actual), held, np.nan)


def pinball_loss(
    actual: Floats, quantiles: Floats, levels: tuple[float, ...] = QUANTILES
) -> Floats:
    """Pinball loss of each quantile.

    With ``miss = actual - quantile`` the loss is ``level * miss`` if the miss is positive, and
    ``(level - 1) * miss`` if it is negative.

    Args:
        actual: outcomes, any shape; NaN where unknown.
        quantiles: forecasts, the shape of ``actual`` and a last axis of ``levels``.
        levels: levels of the quantiles, 0 to 1.

    Returns:
        Losses in the unit of the values, the shape of ``quantiles``; NaN where ``actual`` is.
    """
    miss = actual[..., None] - quantiles
    level = np.asarray(levels)
    return np.asarray(np.maximum(level * miss, (level - 1) * miss), dtype=np.float64)


def recent_loss(
    forecaster: Forecaster, candles: pd.DataFrame, timeframe: Timeframe, origins: int = ORIGINS
) -> float | None:
    """Mean pinball loss on log price at the newest matured origins.

    Missing candles are left out. The result is deterministic. On training candles the loss measures
    the fit, not the accuracy of forecasts.

    Args:
        forecaster: fitted.
        candles: candle frame; gaps are allowed; only the newest are used.
        timeframe: of the candles.
        origins: largest number of origins that are scored.

    Returns:
        The loss, about a share of the price; None if no origin has matured.
    """
    ordinals = timeframe.ordinals(candles["timestamp"])
    last = int(ordinals[-1]) if len(ordinals) else 0
    over = int(np.searchsorted(ordinals, last - STEPS, side="right"))
    first = max(0, over - origins)
    if first == over:
        return None
    seen = candles.iloc[max(0, first + 1 - forecaster.context) :]
    times = timeframe.close_all(candles["timestamp"].iloc[first:over])
    quantiles = np.log(forecaster.predict_quantiles(seen, times))
    log_close = np.full(int(ordinals[-1] - ordinals[first]), np.nan)  # of the candles after first
    log_close[ordinals[first + 1 :] - ordinals[first] - 1] = np.log(
        np.ascontiguousarray(candles["close"].iloc[first + 1 :])
    )
    starts = ordinals[first:over] - ordinals[first]
    actual = log_close[starts[:, None] + np.arange(STEPS)]
    losses = pinball_loss(actual, quantiles)
    return float(np.nanmean(losses)) if np.isfinite(losses).any() else None


def _quantile(forecast: Matured, level: float) -> Floats:
    return forecast.quantiles[..., QUANTILES.index(level)]


def mean_by_origin(cells: Floats) -> Floats:
    """Mean of the finite values of each row; NaN where there is none."""
    known = np.isfinite(cells)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(known, cells, 0.0).sum(axis=1) / known.sum(axis=1))


def _mean(cells: Floats) -> float:
    return float(np.nanmean(mean_by_origin(cells)))


def coverage_of(
    forecast: Matured, origins: Mask | None = None, steps: slice = slice(None)
) -> Coverage:
    """Coverage at some origins and steps; by default at all."""
    chosen = forecast if origins is None else forecast.at(origins)
    shares = []
    for lower, upper in ((0.1, 0.9), (0.05, 0.95)):
        cells = inside(chosen, lower, upper)[:, steps]
        shares.append(_mean(cells) if np.isfinite(cells).any() else None)
    return Coverage(*shares)


def volatility_terciles(volatility: Floats) -> tuple[Mask, Mask, Mask]:
    """Masks of the origins of low, mid and high volatility; equal values share a tercile."""
    if not np.isfinite(volatility).any():
        nowhere = np.zeros(len(volatility), dtype=bool)
        return nowhere, nowhere, nowhere
    lower, upper = np.nanquantile(volatility, (1 / 3, 2 / 3))
    low, high = volatility < lower, volatility > upper
    return low, ~low & ~high & np.isfinite(volatility), high


def _directional_accuracy(actual: Floats, forecast: Floats) -> float | None:
    """Share of changes of the same sign; zero and unknown changes are left out."""
    counted = np.isfinite(actual) & (actual != 0) & np.isfinite(forecast) & (forecast != 0)
    return float((np.sign(actual) == np.sign(forecast))[counted].mean()) if counted.any() else None
