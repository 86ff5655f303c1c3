"""Fetches the values of one exogenous series of one symbol."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from coin_assets.domain.forecasting.exogenous import ExogenousSource, Progress
from coin_assets.domain.timeframes import Timeframe
from coin_assets.store.base import Extent
from coin_assets.store.exogenous import ExogenousTables

_HOUR = Timeframe("1h")
# From an hour to the first request for its value.
_SETTLE = timedelta(minutes=1)
# Values that are read again at each fetch, for corrections.
_REREAD = timedelta(days=2)
# Of a history, committed at once: a killed fetch repeats as much.
_PART = timedelta(days=90)


@dataclass(frozen=True)
class ExogenousReport:
    """Result of a fetch.

    Attributes:
        changed: number of values added or corrected.
        extent: of the stored values; None if the source has none for the symbol.
    """

    changed: int
    extent: Extent | None


def is_due(progress: Progress | None, now: datetime) -> bool:
    """Whether the source has an hour that it was not asked for yet, or history."""
    return (
        progress is None or not progress.is_complete or progress.asked <= _HOUR.floor(now - _SETTLE)
    )


def fetch_exogenous(
    tables: ExogenousTables,
    source: ExogenousSource,
    symbol: str,
    history_start: datetime,
    clock: Callable[[], datetime],
) -> ExogenousReport:
    """Fetch what the source was not asked for, and what it may have corrected since.

    Each part of the history is committed before the next is requested.

    Args:
        clock: returns the time (UTC).

    Raises:
        MarketUnavailable, RangeRefused, MarketDefect: see `ExogenousSource`; what was fetched
            before is stored.
        DataRefused: the source sent values that break a rule.
        CorruptArtefact: a stored file is damaged.
    """
    now, changed = clock(), 0
    progress = tables.begin(symbol, source.name, history_start, now)
    start = progress.asked
    if progress.is_complete:
        start = max(history_start, start - _REREAD)
    if source.kept is not None:
        start = max(start, now - source.kept)
    while start < now:
        end = min(start + _PART, now)
        fetched = source.values(symbol, start, end)
        changed += tables.add(symbol, source.name, fetched, end, seen=clock()).rows_changed
        start = end
    return ExogenousReport(changed, tables.extent(symbol, source.name))
