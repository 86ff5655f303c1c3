"""Where the history begins that an exchange still serves."""

from collections.abc import Callable
from datetime import datetime

from coin_assets.domain.timeframes import Timeframe


def oldest_accepted(
    accepts: Callable[[datetime], bool], timeframe: Timeframe, refused: datetime, accepted: datetime
) -> datetime:
    """The oldest open that ``accepts`` holds of, by bisection.

    Args:
        accepts: whether the exchange answers for candles from an open on.
        refused, accepted: opens of which it does not hold, and does.
    """
    while timeframe.count(refused, accepted) > 1:
        middle = timeframe.shift(refused, timeframe.count(refused, accepted) // 2)
        if accepts(middle):
            accepted = middle
        else:
            refused = middle
    return accepted
