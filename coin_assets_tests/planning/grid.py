"""Calendars of the made-up world, counted out candle by candle rather than computed."""

from bisect import bisect_left, bisect_right
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_STEPS = {"1m": 1, "5m": 5, "15m": 15, "1h": 60, "4h": 240, "1d": 1440, "1w": 10080}


class Grid:
    """All opens of a timeframe in a span, by number, and where each month of them begins.

    Attributes:
        times: opens, ascending; the close of candle ``n`` is ``times[n + 1]``.
    """

    def __init__(self, name: str, start: datetime, end: datetime) -> None:
        self.times = _counted(name, start, end)
        self.number = {time: n for n, time in enumerate(self.times)}
        self.month_of = [_first_of_month(time) for time in self.times]
        self.months = {
            month: (bisect_left(self.times, month), bisect_left(self.times, _month_after(month)))
            for month in dict.fromkeys(self.month_of)
        }

    def closed_by(self, time: datetime) -> int:
        """How many candles of the span are closed at ``time``."""
        return bisect_right(self.times, time) - 1

    def opened_by(self, time: datetime) -> int:
        """Number of the first candle that opens at or after ``time``."""
        return bisect_left(self.times, time)


@lru_cache(maxsize=64)
def grid(name: str, start: datetime, end: datetime) -> Grid:
    return Grid(name, start, end)


def _counted(name: str, start: datetime, end: datetime) -> list[datetime]:
    """Opens from the first at or after ``start``, a first of a month, until one after ``end``."""
    time = start
    if name == "1w":
        while time.isoweekday() != 1:
            time += timedelta(days=1)
    found: list[datetime] = []
    while not found or found[-1] <= end:
        found.append(time)
        time = _month_after(time) if name == "1M" else time + timedelta(minutes=_STEPS[name])
    return found


def _first_of_month(time: datetime) -> datetime:
    return datetime(time.year, time.month, 1, tzinfo=UTC)


def _month_after(time: datetime) -> datetime:
    later = _first_of_month(time) + timedelta(days=31)
    return _first_of_month(later)
