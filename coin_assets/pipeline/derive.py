"""Derives candles of coarser timeframes from the stored candles of their source."""

from dataclasses import dataclass, replace
from datetime import datetime

import pandas as pd

from coin_assets.domain.candles.frame import by_month, empty_candles
from coin_assets.domain.candles.resampling import derive
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import months_between
from coin_assets.pipeline.month_report import MonthReport, month_report, newest_due
from coin_assets.store.base import Store
from coin_assets.store.coverage import require_covered, require_newest


@dataclass(frozen=True)
class Derivation:
    """A request to derive candles of one series.

    Attributes:
        start, end: window of whole months, half-open.
        first_source: source candles before this are not kept (history start, retention); buckets
            that would need them are left as they are stored.
        closed_by: time up to which the source's market is expected to have candles.
    """

    series: Series
    source: Series
    start: datetime
    end: datetime
    first_source: datetime
    closed_by: datetime


def derive_candles(store: Store, derivation: Derivation) -> list[MonthReport]:
    """Derive the closed candles of whole months and store them; returns a report a month.

    Raises:
        MonthsNotFetched: source candles of these months were never stored.
        CandlesNotYetAvailable: the source does not reach the close of the newest due candle.
    """
    series, source, closed_by = derivation.series, derivation.source, derivation.closed_by
    first = _first_whole_bucket(derivation)
    due = newest_due(series.timeframe, first, derivation.end, closed_by)
    derived, lacking = empty_candles(), pd.Series(dtype="int64")
    if due is not None:
        close = series.timeframe.close_of(due)
        require_covered(store, source, first, close)
        require_newest(store, source, source.timeframe.shift(close, -1))
        buckets = derive(
            store.read_candles(source, first, close),
            source.timeframe,
            series.timeframe,
            first,
            derivation.end,
            covered_until=close,
        )
        derived, lacking = buckets.candles, buckets.missing
    expected = _expected(store, series, derived, first, closed_by)
    start, end = derivation.start, derivation.end
    begin = min(max(start, first), end)
    changed = store.write_candles(series, derived, begin, end).changed_by_month
    if start < begin:  # fetched: stored candles stay, and no more can be derived
        store.merge_candles(series, empty_candles(), start, begin)
    stored = store.read_candles(series, start, end)
    months = months_between(start, end)
    partial = {month: len(rows) for month, rows in by_month(derived[lacking > 0], months)}
    return [
        replace(
            month_report(series, month, candles, expected, None),
            rows_changed=changed.get(month, 0),
            partial=partial[month],
        )
        for month, candles in by_month(stored, months)
    ]


def _first_whole_bucket(derivation: Derivation) -> datetime:
    start = max(derivation.start, derivation.first_source)
    return derivation.series.timeframe.ceil(start)


def _expected(
    store: Store, series: Series, derived: pd.DataFrame, first: datetime, closed_by: datetime
) -> tuple[datetime, datetime] | None:
    """Range in which buckets are expected: from the first one of the series on."""
    extent = store.extent(series)
    opens = [extent.first] if extent is not None else []
    if len(derived):
        opens.append(derived["timestamp"].iloc[0].to_pydatetime())
    return (max(first, min(opens)), series.timeframe.floor(closed_by)) if opens else None
