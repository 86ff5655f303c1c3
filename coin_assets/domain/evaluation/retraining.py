"""Which timeframes are trained again on which day."""

from collections.abc import Iterable
from datetime import date

from coin_assets.domain.timeframes import Timeframe

_MONDAY = 0


def due_timeframes(timeframes: Iterable[Timeframe], day: date) -> list[Timeframe]:
    """Those of ``timeframes`` that are trained on ``day`` (UTC), in their order.

    Weeks on Mondays and months on the 1st, when their newest candle has just closed; everything
    else every day.
    """
    return [timeframe for timeframe in timeframes if _is_due(timeframe, day)]


def _is_due(timeframe: Timeframe, day: date) -> bool:
    if timeframe.is_month:
        return day.day == 1
    return timeframe.unit != "w" or day.weekday() == _MONDAY
