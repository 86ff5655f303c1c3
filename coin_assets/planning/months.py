"""Cached calendar arithmetic for the planner.

The planner needs it for every series at every tick, and most series share the results.
"""

from datetime import datetime
from functools import lru_cache

from coin_assets.domain.timeframes import Timeframe, just_after, months_between
from coin_assets.planning.facts import PlanningFacts

_MONTH = Timeframe("1M")


def months_never_fetched(facts: PlanningFacts, until: datetime) -> tuple[datetime, ...]:
    """Expected months up to ``until``, a month's start, that were never fetched; ascending."""
    return _months_lacking(facts.fetched, facts.timeframe, facts.first, until)


@lru_cache(maxsize=8192)
def _months_lacking(
    fetched: frozenset[datetime], timeframe: Timeframe, first: datetime, until: datetime
) -> tuple[datetime, ...]:
    expected = months_between(first_open_of(timeframe, first), just_after(until))
    return tuple(month for month in expected if month not in fetched)


@lru_cache(maxsize=1024)
def month_before(timeframe: Timeframe, close: datetime) -> datetime:
    """The month before the one in which the candle that closes at ``close`` opens."""
    return _MONTH.shift(timeframe.shift(close, -1), -1)


@lru_cache(maxsize=1024)
def first_open_of(timeframe: Timeframe, first: datetime) -> datetime:
    """As `Timeframe.ceil`."""
    return timeframe.ceil(first)


@lru_cache(maxsize=1024)
def close_of(timeframe: Timeframe, opened: datetime) -> datetime:
    """As `Timeframe.close_of`."""
    return timeframe.close_of(opened)


@lru_cache(maxsize=1024)
def floor_of(timeframe: Timeframe, time: datetime) -> datetime:
    """As `Timeframe.floor`."""
    return timeframe.floor(time)
