"""Search for the oldest candle that an exchange still serves."""

from collections.abc import Callable
from datetime import datetime

from coin_assets.domain.timeframes import Timeframe


def oldest_accepted(
    accepts: Callable[[datetime], bool], timeframe: Timeframe, refused: datetime, accepted: datetime
) -> datetime:
    """Oldest open for which ``accepts`` is true, by bisection.

    Args:
        accepts: whether the exchange answers a request from an open on.
        timeframe: of the opens.
        refused, accepted: opens for which ``accepts`` is false, and true.
    """
    while timeframe.count(refused, accepted) > 1:
        middle = timeframe.shift(refused, timeframe.count(refused, accepted) // 2)
        if accepts(middle):
            accepted = middle
        else:
            refused = middle
    return accepted
