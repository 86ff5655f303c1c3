"""The rule that decides whether a model can be trained on candles."""

import numpy as np
import pandas as pd

from coin_assets.domain.candles.grid import adjacent
from coin_assets.domain.forecasting.calibration import recency_weights
from coin_assets.domain.timeframe_rules import MOST_CALIBRATED, rules_of
from coin_assets.domain.timeframes import Timeframe

# The 80% interval ends where 20% of the returns are larger. If fewer differ from zero, both ends
# are the last close. The rest is a margin.
LEAST_MOVED = 0.22


def minimum_candles(timeframe: Timeframe) -> int:
    """Least number of candles that a model needs."""
    return rules_of(timeframe).minimum_candles


def calibrated_candles(timeframe: Timeframe) -> int:
    """Number of newest candles that the quantiles of a forecast are estimated from."""
    return rules_of(timeframe).calibrated_candles


def why_no_model(
    candles: pd.DataFrame,
    timeframe: Timeframe,
    calibrated: int | None = None,
    half_life: float | None = None,
) -> str | None:
    """The reason why no model can be trained on ``candles``; None if one can.

    Args:
        candles: candle frame; gaps are allowed.
        timeframe: of the candles.
        calibrated: number of newest candles in which the price has to move; by default it and
            ``half_life`` are those of the timeframe.
        half_life: of the weights of these candles, in candles; None weights all alike.
    """
    if calibrated is None:
        rules = rules_of(timeframe)
        calibrated, half_life = rules.calibrated_candles, rules.calibration_half_life
    few = too_few(len(candles), timeframe)
    return few or hardly_moves(candles, timeframe, calibrated, half_life)


def too_few(count: int, timeframe: Timeframe) -> str | None:
    """The reason in the number of candles; None if there are enough."""
    needed = minimum_candles(timeframe)
    if count >= needed:
        return None
    return f"{count} {timeframe} candles are too few; a forecast needs {needed}."


def hardly_moves(
    candles: pd.DataFrame, timeframe: Timeframe, calibrated: int, half_life: float | None = None
) -> str | None:
    """The reason in the prices; None if they move often enough.

    A move across a missing candle does not count, because its one-step return is unknown.
    """
    newest = candles.tail(min(calibrated, MOST_CALIBRATED))
    known = adjacent(newest, timeframe)
    moves = np.diff(newest["close"].to_numpy())[known] != 0
    if not len(moves):
        return (
            f"No two of {len(newest)} {timeframe} candles follow each other; a forecast needs "
            "the move from one candle to the next."
        )
    places = timeframe.ordinals(newest["timestamp"])
    weights = recency_weights((places[-1] - places[:-1])[known], half_life)
    share = float(np.average(moves, weights=weights))
    if share >= LEAST_MOVED:
        return None
    return (
        f"The price hardly ever moved in {len(newest)} {timeframe} candles: {share:.1%} of them "
        f"closed at another price than the one before; a forecast needs {LEAST_MOVED:.0%}."
    )
