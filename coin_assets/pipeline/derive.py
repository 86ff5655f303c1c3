"""Derives candles of coarser timeframes from the stored candles of their source."""

from dataclasses import dataclass, replace
from datetime import datetime

import pandas as pd

from coin_assets.domain.candles.frame import between, empty_candles
from coin_assets.domain.candles.resampling import derive
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import months_between, next_month
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
    reports = []
    for month in months_between(derivation.start, derivation.end):
        until = next_month(month)
        candles = between(derived, month, until)
        window = min(max(month, first), until), until
        if first < until:
            changed = store.write_candles(series, candles, *window).rows_changed
        else:  # fetched: stored candles stay, and no more can be derived
            changed = store.merge_candles(series, empty_candles(), month, until).rows_changed
        inside = derived["timestamp"].isin(candles["timestamp"]).to_numpy()
        partial = int((lacking[inside] > 0).sum())
        stored = store.read_candles(series, month, until)
        report = month_report(series, month, stored, expected, None)
        reports.append(replace(report, rows_changed=changed, partial=partial))
    return reports


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
