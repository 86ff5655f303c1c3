"""The training schedule by timeframe."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta

from coin_assets.domain.timeframe_rules import rules_of
from coin_assets.domain.timeframes import Timeframe

# After midnight UTC, the schedule launches its training when the candles of the day are stored.
MINUTE = 35
# From then on, who misses a version requests its training; the schedule comes first.
_REQUESTED_FROM = timedelta(minutes=MINUTE + 10)


def due_timeframes(timeframes: Iterable[Timeframe], day: date) -> list[Timeframe]:
    """Timeframes that are trained on ``day`` (UTC), in the order given."""
    return [each for each in timeframes if rules_of(each).retraining.is_due(day)]


def due_cutoff(timeframe: Timeframe, now: datetime) -> datetime:
    """Cutoff that the newest version must have reached at ``now``.

    The last candle of the day before the schedule's last training: a training of that day that was
    killed, or that a machine slept through, is due until there is a version of it.
    """
    day = (now.astimezone(UTC) - _REQUESTED_FROM).date()
    while not rules_of(timeframe).retraining.is_due(day):
        day -= timedelta(days=1)
    return timeframe.floor(datetime.combine(day, time(), UTC))
