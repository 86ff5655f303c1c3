"""Sanity check of a forecast before it is published: complete, ordered, and of a plausible scale.

The scale is compared with the volatility of recent one-step log returns, times the square root of
the step. The limits are wide: they detect a wrong unit, price or symbol, not a poor model.
"""

from collections import Counter
from collections.abc import Iterable

import numpy as np
import pandas as pd

from coin_assets.domain.candles.frame import broken_rules
from coin_assets.domain.candles.grid import adjacent
from coin_assets.domain.forecasting.frame import (
    MEDIAN,
    PRICE_COLUMNS,
    QUANTILE_COLUMNS,
    STEPS,
    Floats,
)
from coin_assets.domain.timeframes import Timeframe

RECENT_CANDLES = 200
FEWEST_RETURNS = 20  # with fewer the scale is not checked
TIMES_WIDTH = 30.0  # factor by which the 80% interval may be wider or narrower than expected
TIMES_MOVE = 30.0  # volatilities by which the median of step 1 may differ from the last close
# Least volatility of one day, as log return, that the upper limit is based on. Without it a sound
# model of a longer history would fail after a quiet stretch.
LEAST_DAILY_VOLATILITY = 0.004
_MAD = 0.6745  # median of the absolute value of a standard normal variable
_WIDTH_80 = 2 * 1.2816  # width of its 80% interval
_DAY_SECONDS = 86400
_CHECKED_STEPS = (1, STEPS)
_SHOWN = 5


def forecast_problems(
    forecast: pd.DataFrame, candles: pd.DataFrame, timeframe: Timeframe
) -> tuple[str, ...]:
    """Problems of the forecast of one origin; empty if it may be published.

    Args:
        forecast: rows of one origin and role, columns of `FORECAST_SCHEMA`, in any order.
        candles: candle frame up to the origin; the newest `RECENT_CANDLES` + 1 are used.
        timeframe: of forecast and candles.
    """
    rows = forecast.sort_values("step", kind="stable")
    shape = [
        *_step_problems(rows),
        *_origin_problems(rows, candles, timeframe),
        *_candle_problems(candles, timeframe),
    ]
    values = _value_problems(rows)
    if shape or values:
        return (*shape, *values)
    return (*shape, *_scale_problems(rows, candles, timeframe))


def _step_problems(rows: pd.DataFrame) -> list[str]:
    counts = Counter(int(step) for step in rows["step"].to_numpy())
    wanted = range(1, STEPS + 1)
    return [
        f"steps {_numbers(steps)} {what}"
        for steps, what in (
            ([step for step in wanted if step not in counts], "are missing"),
            ([step for step in counts if counts[step] > 1], "occur more than once"),
            ([step for step in counts if step not in wanted], f"are not among 1..{STEPS}"),
        )
        if steps
    ]


def _origin_problems(rows: pd.DataFrame, candles: pd.DataFrame, timeframe: Timeframe) -> list[str]:
    origins = pd.DatetimeIndex(rows["as_of"].unique())
    if len(origins) > 1:
        return [
            f"{len(origins)} origins in one forecast, {origins[0]} and {origins[-1]} among them"
        ]
    if candles.empty:
        return ["no candle is stored up to the origin"]
    close = timeframe.close_of(candles["timestamp"].iloc[-1].to_pydatetime())
    if len(origins) and origins[0] != pd.Timestamp(close):
        return [
            f"origin {origins[0]:%Y-%m-%d %H:%M} is not the close of the newest candle up to it, "
            f"{close:%Y-%m-%d %H:%M}"
        ]
    return []


def _candle_problems(candles: pd.DataFrame, timeframe: Timeframe) -> list[str]:
    """Rules that candles of before an upgrade may break."""
    broken = broken_rules(candles, candles["timestamp"], timeframe)
    return [f"its candles break the rule that {text}" for _, text, rows in broken if rows.any()]


def _value_problems(rows: pd.DataFrame) -> list[str]:
    prices = rows[PRICE_COLUMNS].to_numpy(dtype="float64")
    quantiles = rows[QUANTILE_COLUMNS].to_numpy(dtype="float64")
    found = []
    for what, broken in (
        ("values are not finite", ~np.isfinite(prices).all(axis=1)),
        ("prices are not above zero", (prices <= 0).any(axis=1)),
        ("quantiles cross", (np.diff(quantiles, axis=1) < 0).any(axis=1)),
        ("price is not the median", prices[:, 0] != quantiles[:, MEDIAN]),
    ):
        if broken.any():
            found.append(f"{what} at steps {_numbers(rows['step'].to_numpy()[broken])}")
    return found


def _scale_problems(rows: pd.DataFrame, candles: pd.DataFrame, timeframe: Timeframe) -> list[str]:
    recent = candles.tail(RECENT_CANDLES + 1)
    returns = _returns(recent, timeframe)
    if len(returns) < FEWEST_RETURNS:
        return []
    least, most = _volatilities(returns, timeframe)
    found = []
    last = float(recent["close"].iloc[-1])
    median, low, high = rows[["price", "q10", "q90"]].to_numpy(dtype="float64").T  # step 1 first
    off = float(np.log(median[0] / last))
    if abs(off) > TIMES_MOVE * most:
        found.append(
            f"step 1 lies {np.expm1(off):+.1%} off the last close {last:g}, where one candle moves "
            f"the price by about {np.expm1(most):.2%}"
        )
    for step in _CHECKED_STEPS:
        width = float(np.log(high[step - 1] / low[step - 1]))
        narrowest, widest = (each * _WIDTH_80 * np.sqrt(step) for each in (least, most))
        if not narrowest / TIMES_WIDTH <= width <= widest * TIMES_WIDTH:
            found.append(
                f"the 80% interval at step {step} is {np.expm1(width):.3%} wide, where recent "
                f"candles suggest {np.expm1(narrowest):.3%} to {np.expm1(widest):.3%}"
            )
    return found


def _returns(candles: pd.DataFrame, timeframe: Timeframe) -> Floats:
    """One-step log returns, without those across a gap."""
    returns = np.diff(np.log(candles["close"].to_numpy(dtype="float64")))
    return np.asarray(returns[adjacent(candles, timeframe)], dtype=np.float64)


def _volatilities(returns: Floats, timeframe: Timeframe) -> tuple[float, float]:
    """Lower and upper estimate of the one-step volatility: robust, and with all jumps."""
    robust = float(np.median(np.abs(returns))) / _MAD
    whole = float(np.sqrt(np.mean(returns**2)))
    least = LEAST_DAILY_VOLATILITY * float(np.sqrt(timeframe.seconds / _DAY_SECONDS))
    return min(robust, whole), max(robust, whole, least)


def _numbers(steps: Iterable[int]) -> str:
    """The first few steps as text, for example ``1, 2, 3 and 4 more``."""
    every = list(steps)
    more = len(every) - _SHOWN
    return ", ".join(str(step) for step in every[:_SHOWN]) + (
        f" and {more} more" if more > 0 else ""
    )
