"""What the candle assets do, without Dagster: pull, derive, and count what is there."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd

from coin_assets.domain.candles import between, empty_candles
from coin_assets.domain.gaps import Gap, find_gaps
from coin_assets.domain.keys import Key
from coin_assets.domain.resampling import derive
from coin_assets.domain.timeframes import Timeframe, month_label, months_between, next_month
from coin_assets.errors import CandlesNotYetAvailable
from coin_assets.market.base import Market
from coin_assets.store.base import Store
from coin_assets.store.coverage import require_months, require_newest

_INSTANT = timedelta.resolution


@dataclass(frozen=True)
class MonthReport:
    """What one month holds after a step.

    Attributes:
        gaps: missing candles among those that should be there by now, since the key's first one.
        partial: derived buckets that lack source candles; 0 for fetched candles.
        rows_changed: rows that differ from what was stored before.
    """

    month: datetime
    rows: int
    rows_changed: int
    gaps: list[Gap]
    partial: int
    first: datetime | None
    last: datetime | None

    @property
    def missing(self) -> int:
        return sum(gap.count for gap in self.gaps)


def newest_due(
    timeframe: Timeframe, start: datetime, end: datetime, closed_by: datetime
) -> datetime | None:
    """Open of the newest candle that opens in ``[start, end)`` and is closed at ``closed_by``."""
    opened = min(timeframe.newest_closed(closed_by), timeframe.floor(end - _INSTANT))
    return opened if opened >= start else None


def pull_candles(
    store: Store,
    market: Market,
    key: Key,
    start: datetime,
    end: datetime,
    closed_by: datetime,
    reread: int,
    progress: Callable[[MonthReport], None],
) -> list[MonthReport]:
    """Fetch the closed candles of whole months and store them, month by month.

    The running month continues from its newest stored candles; every other month is read whole,
    so that materialising it again repairs it.

    Raises:
        CandlesNotYetAvailable: the market does not have the newest due candle yet.
    """
    limit = min(closed_by, market.horizon(key, closed_by))
    reports = []
    listed = _first_open_before(store, key, start)
    pages = market.pages(key, _resume_from(store, key, start, end, closed_by, reread), end, limit)
    for month, fetched in _by_month(pages, start, end):
        until = next_month(month)
        changed = store.merge_candles(key, fetched, month, until).rows_changed
        candles = store.read_candles(key, month, until)
        listed = listed or _first_open(candles)
        reports.append(_report(key, month, candles, changed, 0, listed, limit))
        progress(reports[-1])
    due = newest_due(key.timeframe, start, end, limit)
    if due is not None and not store.count_candles(key, due, due + _INSTANT):
        _require_later_candle(market, key, due, closed_by)
    return reports


def derive_candles(
    store: Store,
    key: Key,
    source: Key,
    start: datetime,
    end: datetime,
    closed_by: datetime,
    history_start: datetime,
) -> list[MonthReport]:
    """Derive the closed candles of whole months from those of ``source`` and store them.

    Args:
        closed_by: time up to which the source's market is expected to have candles.

    Raises:
        MonthsNotFetched: source candles of these months were never stored.
        CandlesNotYetAvailable: the source does not reach the close of the newest due candle.
    """
    first = key.timeframe.floor(max(start, history_start))
    if first < max(start, history_start):
        first = key.timeframe.next(first)
    due = newest_due(key.timeframe, first, end, closed_by)
    derived, missing = empty_candles(), pd.Series(dtype="int64")
    if due is not None:
        close = key.timeframe.close_of(due)
        require_months(store, source, first, close)
        require_newest(store, source, source.timeframe.shift(close, -1))
        buckets = derive(
            store.read_candles(source, first, close),
            source.timeframe,
            key.timeframe,
            first,
            end,
            covered_until=close,
        )
        derived, missing = buckets.candles, buckets.missing
    reports = []
    listed = _first_open_before(store, key, start) or _first_open(derived)
    for month in months_between(start, end):
        until = next_month(month)
        candles = between(derived, month, until)
        changed = store.write_candles(key, candles, month, until).rows_changed
        inside = derived["timestamp"].isin(candles["timestamp"]).to_numpy()
        partial = int((missing[inside] > 0).sum())
        reports.append(_report(key, month, candles, changed, partial, listed, closed_by))
    return reports


def describe(reports: list[MonthReport]) -> str:
    """One line for the log."""
    rows, changed = sum(r.rows for r in reports), sum(r.rows_changed for r in reports)
    months = month_label(reports[0].month)
    if len(reports) > 1:
        months += f" to {month_label(reports[-1].month)}"
    return f"{rows} candles in {months}, {changed} changed"


def _resume_from(
    store: Store, key: Key, start: datetime, end: datetime, closed_by: datetime, reread: int
) -> datetime:
    running_month_alone = start <= closed_by < end == next_month(start)
    newest = store.newest_candles([key]).get(key)
    if running_month_alone and newest is not None and newest >= start:
        return max(start, key.timeframe.shift(newest, 1 - reread))
    return start


def _by_month(
    pages: Iterable[pd.DataFrame], start: datetime, end: datetime
) -> Iterator[tuple[datetime, pd.DataFrame]]:
    """Each month of the window with all its candles, as soon as the pages have passed it."""
    pending = months_between(start, end)
    held = empty_candles()
    for page in pages:
        held = pd.concat([held, page], ignore_index=True)
        while len(pending) > 1 and held["timestamp"].iloc[-1] >= pending[1]:
            month = pending.pop(0)
            yield month, between(held, month, pending[0])
            held = between(held, pending[0], end)
    for month in pending:
        yield month, between(held, month, next_month(month))


def _require_later_candle(market: Market, key: Key, due: datetime, closed_by: datetime) -> None:
    """A candle that the market skipped is absent for good; one that comes last may be late."""
    later = market.pages(key, key.timeframe.next(due), closed_by, closed_by)
    if next(iter(later), None) is None:
        raise CandlesNotYetAvailable(
            f"{key} candle {due:%Y-%m-%d %H:%M} closed at {key.timeframe.close_of(due):%H:%M} but "
            "the market does not have it yet, nor any later one. What it has was stored; it is "
            "asked again by the next run."
        )


def _first_open_before(store: Store, key: Key, start: datetime) -> datetime | None:
    extent = store.extent(key)
    return extent.first if extent is not None and extent.first < start else None


def _first_open(candles: pd.DataFrame) -> datetime | None:
    return None if candles.empty else candles["timestamp"].iloc[0].to_pydatetime()


def _report(
    key: Key,
    month: datetime,
    candles: pd.DataFrame,
    changed: int,
    partial: int,
    listed: datetime | None,
    limit: datetime,
) -> MonthReport:
    """Facts of a month; gaps count from ``listed``, the key's first candle, up to ``limit``."""
    first = _first_open(candles)
    last = None if candles.empty else candles["timestamp"].iloc[-1].to_pydatetime()
    gaps: list[Gap] = []
    if listed is not None:
        until = min(next_month(month), key.timeframe.floor(limit))
        gaps = find_gaps(candles["timestamp"], key.timeframe, max(month, listed), until)
    return MonthReport(month, len(candles), changed, gaps, partial, first, last)
