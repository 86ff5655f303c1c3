"""Whether a model can be trained on candles, and if not, why."""

import numpy as np
import pandas as pd

from coin_assets.domain.candles.grid import adjacent
from coin_assets.domain.timeframes import Timeframe

# A forecaster learns its quantiles from this many candles at most.
MOST_CALIBRATED = 8192
# The 80% interval ends where 20% of the returns are larger. If fewer differ from zero, both ends
# are the last close. The rest is a margin.
LEAST_MOVED = 0.22


def minimum_candles(timeframe: Timeframe) -> int:
    """Candles needed for a forecast."""
    if timeframe.is_month:
        return 24
    if timeframe.unit == "w":
        return 52
    return 120 if timeframe.unit == "d" else 240


def calibrated_candles(timeframe: Timeframe) -> int:
    """Number of newest candles that the quantiles of a forecast are learned from.

    The whole history of long timeframes is several markets in a row, so these use few candles.
    """
    if timeframe.is_month or timeframe.unit == "w":
        return 156
    return 320 if timeframe.unit == "d" else MOST_CALIBRATED


def why_no_model(
    candles: pd.DataFrame, timeframe: Timeframe, calibrated: int | None = None
) -> str | None:
    """The reason why no model can be trained on ``candles``; None if one can.

    Args:
        candles: candle frame.
        calibrated: newest candles in which the price has to move; default `calibrated_candles`.
    """
    few = too_few(len(candles), timeframe)
    return few or hardly_moves(candles, timeframe, calibrated or calibrated_candles(timeframe))


def too_few(count: int, timeframe: Timeframe) -> str | None:
    """The part of `why_no_model` that the number of candles decides."""
    needed = minimum_candles(timeframe)
    if count >= needed:
        return None
    return f"{count} {timeframe} candles are too few; a forecast needs {needed}."


def hardly_moves(candles: pd.DataFrame, timeframe: Timeframe, calibrated: int) -> str | None:
    """The part of `why_no_model` that prices decide.

    A move across a missing candle does not count: the return of one step is not known there.
    """
    newest = candles.tail(min(calibrated, MOST_CALIBRATED))
    moves = np.diff(newest["close"].to_numpy())[adjacent(newest, timeframe)] != 0
    if not len(moves):
        return (
            f"No two of {len(newest)} {timeframe} candles follow each other; a forecast needs "
            "the move from one candle to the next."
        )
    share = float(moves.mean())
    if share >= LEAST_MOVED:
        return None
    return (
        f"The price hardly ever moved in {len(newest)} {timeframe} candles: {share:.1%} of them "
        f"closed at another price than the one before; a forecast needs {LEAST_MOVED:.0%}."
    )
