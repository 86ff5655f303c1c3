"""Redoing what revised candles touch, without Dagster.

What is touched follows from the revisions alone, never from what differs in the store, so that a
redo killed anywhere and started again does the same. Marking the revisions comes last.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from coin_assets.domain.candles.revisions import to_redo, touched_buckets
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import just_after, month_start, next_month
from coin_assets.pipeline.derive import Derivation, derive_candles
from coin_assets.pipeline.month_report import MonthReport
from coin_assets.store.base import Store


@dataclass(frozen=True)
class Pending:
    """Revisions of one fetched key that are to be handled.

    Attributes:
        opens: of the revised candles, each once, ascending.
        closed_by: stored candles reach this time; nothing is redone beyond it.
    """

    source: Series
    revisions: pd.DataFrame
    opens: pd.DatetimeIndex
    closed_by: datetime


def pending_revisions(
    store: Store, source: Series, start: datetime, closed_by: datetime
) -> Pending:
    """Revisions of a fetched key since ``start`` whose consequences were not drawn yet."""
    revisions = store.read_revisions(source, start, closed_by)
    opens = pd.DatetimeIndex(revisions["timestamp"])
    if revisions["redone_at"].isna().any():
        stored = store.read_candles(source, opens[0], just_after(opens[-1]))
        revisions = to_redo(revisions, stored, closed_by)
        opens = pd.DatetimeIndex(revisions["timestamp"]).unique()
    else:
        revisions, opens = revisions[:0], opens[:0]
    newest = store.newest_candles([source]).get(source)
    if newest is not None:
        covered = store.read_ledger(source).absent_until(source.timeframe.close_of(newest))
        closed_by = min(closed_by, covered)
    return Pending(source, revisions, opens, closed_by)


def touched_candles(
    store: Store, pending: Pending, series: Series, first_source: datetime
) -> pd.DatetimeIndex:
    """Opens of the closed candles of ``key`` that the revisions touch, in months it has.

    Args:
        first_source: buckets that need source candles before this are left as they are stored.
    """
    if series == pending.source:
        return pending.opens
    buckets = touched_buckets(pending.opens, series.timeframe)
    if not len(buckets):
        return buckets
    closed = series.timeframe.close_all(buckets) <= pd.Timestamp(pending.closed_by)
    kept = buckets >= pd.Timestamp(first_source)
    fetched = set(store.fetched_months(series))
    known = np.array([month_start(opened) in fetched for opened in buckets])
    touched: pd.DatetimeIndex = buckets[closed & kept & known]
    return touched


def redo_candles(
    store: Store,
    pending: Pending,
    series: Series,
    opens: Iterable[datetime],
    first_source: datetime,
) -> list[MonthReport]:
    """Derive again the months of ``key`` that contain ``opens``; of a fetched key nothing."""
    if series == pending.source:
        return []
    reports = []
    for month in sorted({month_start(opened) for opened in opens}):
        window = month, next_month(month)
        derivation = Derivation(series, pending.source, *window, first_source, pending.closed_by)
        reports += derive_candles(store, derivation)
    return reports


def mark_redone(store: Store, pending: Pending, now: datetime) -> None:
    """Everything that these revisions touch is redone."""
    if len(pending.revisions):
        store.record_revisions(pending.source, pending.revisions.assign(redone_at=now))
