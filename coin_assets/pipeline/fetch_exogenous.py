"""Fetches the values of one exogenous series of one symbol."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from coin_assets.domain.forecasting.exogenous import ExogenousSource, Progress, empty_values
from coin_assets.domain.timeframes import Timeframe, next_month
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
        lost: months whose files were gone; they were fetched again, as far as the source keeps
            their values.
    """

    changed: int
    extent: Extent | None
    lost: tuple[datetime, ...] = ()


def is_due(progress: Progress | None, now: datetime) -> bool:
    """Whether the source has an hour that it was not asked for yet, or history."""
    return (
        progress is None or not progress.is_complete or progress.asked <= _HOUR.floor(now - _SETTLE)
    )


def needs_fetch(tables: ExogenousTables, symbol: str, name: str, now: datetime) -> bool:
    """Whether a series is due, or values of it are gone.

    Raises:
        CorruptArtefact: the record of the series is damaged.
    """
    return is_due(tables.progress(symbol, name), now) or bool(tables.lost(symbol, name))


def fetch_exogenous(
    tables: ExogenousTables,
    source: ExogenousSource,
    symbol: str,
    history_start: datetime,
    clock: Callable[[], datetime],
) -> ExogenousReport:
    """Fetch what the source was not asked for, and what it may have corrected since.

    Each part of the history is committed before the next is requested. In the end all stored values
    are read, so that damage is reported when a model needs them, or before.

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
    oldest = history_start if source.kept is None else max(history_start, now - source.kept)
    lost = tables.lost(symbol, source.name)
    for month in lost:
        first, end = max(month, oldest), min(next_month(month), progress.asked)
        fetched = source.values(symbol, first, end) if first < end else empty_values()
        report = tables.restore(symbol, source.name, month, fetched, seen=clock())
        changed += report.rows_changed
    start = progress.asked
    if progress.is_complete:
        start = start - _REREAD
    start = max(start, oldest)
    while start < now:
        end = min(start + _PART, now)
        fetched = source.values(symbol, start, end)
        changed += tables.add(symbol, source.name, fetched, end, seen=clock()).rows_changed
        start = end
    return ExogenousReport(changed, tables.examined(symbol, source.name), tuple(lost))
