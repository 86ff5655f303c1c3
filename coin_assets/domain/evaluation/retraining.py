"""The training schedule by timeframe."""

from collections.abc import Iterable
from datetime import date

from coin_assets.domain.timeframes import Timeframe

_MONDAY = 0


def due_timeframes(timeframes: Iterable[Timeframe], day: date) -> list[Timeframe]:
    """Timeframes that are trained on ``day`` (UTC), in the order given.

    Weeks are trained on Mondays and months on the 1st, when their newest candle has just closed.
    All others are trained every day.
    """
    return [timeframe for timeframe in timeframes if _is_due(timeframe, day)]


def _is_due(timeframe: Timeframe, day: date) -> bool:
    if timeframe.is_month:
        return day.day == 1
    return timeframe.unit != "w" or day.weekday() == _MONDAY
