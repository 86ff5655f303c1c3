"""How far back candles of a timeframe are kept, and so expected."""

from datetime import datetime, timedelta


def kept_from(now: datetime, keep: timedelta) -> datetime:
    """Nothing that opens before this time is kept: ``keep`` before the last UTC midnight.

    It moves once a day, so that what is expected and what is derived do not change by the minute.
    """
    return now.replace(hour=0, minute=0, second=0, microsecond=0) - keep
