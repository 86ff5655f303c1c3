"""Recomputes the derived candles affected by late or revised candles.

The recorded revisions alone determine what is affected, not the contents of the store. So a
recomputation that was killed and starts again does the same. Its last act marks the revisions.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from coin_assets.domain.candles.revisions import to_recompute, touched_buckets
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import just_after, month_start, next_month
from coin_assets.pipeline.derive import Derivation, derive_candles
from coin_assets.pipeline.month_report import MonthReport
from coin_assets.store.base import Store


@dataclass(frozen=True)
class PendingRevisions:
    """Revisions of one fetched series that await recomputation.

    Attributes:
        opens: of the revised candles, each once, ascending.
        revisions: rows of the store that are not marked.
        closed_by: stored candles reach this time; nothing is recomputed beyond it.
    """

    source: Series
    revisions: pd.DataFrame
    opens: pd.DatetimeIndex
    closed_by: datetime


def pending_revisions(
    store: Store, source: Series, start: datetime, closed_by: datetime
) -> PendingRevisions:
    """Revisions of a fetched series since ``start`` that await recomputation."""
    revisions = store.read_revisions(source, start, closed_by)
    opens = pd.DatetimeIndex(revisions["timestamp"])
    if revisions["redone_at"].isna().any():
        stored = store.read_candles(source, opens[0], just_after(opens[-1]))
        revisions = to_recompute(revisions, stored, closed_by)
        opens = pd.DatetimeIndex(revisions["timestamp"]).unique()
    else:
        revisions, opens = revisions[:0], opens[:0]
    newest = store.newest_candles([source]).get(source)
    if newest is not None:
        covered = store.read_ledger(source).absent_until(source.timeframe.close_of(newest))
        closed_by = min(closed_by, covered)
    return PendingRevisions(source, revisions, opens, closed_by)


def touched_candles(
    store: Store, pending: PendingRevisions, series: Series, first_source: datetime
) -> pd.DatetimeIndex:
    """Opens of the closed candles of ``series`` that the revisions affect, in fetched months.

    Args:
        first_source: buckets that need source candles before this stay as they are stored.
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


def recompute_candles(
    store: Store,
    pending: PendingRevisions,
    series: Series,
    opens: Iterable[datetime],
    first_source: datetime,
) -> list[MonthReport]:
    """Derive the months of ``series`` that contain ``opens`` again; a fetched series stays."""
    if series == pending.source:
        return []
    reports = []
    for month in sorted({month_start(opened) for opened in opens}):
        window = month, next_month(month)
        derivation = Derivation(series, pending.source, *window, first_source, pending.closed_by)
        reports += derive_candles(store, derivation)
    return reports


def mark_recomputed(store: Store, pending: PendingRevisions, now: datetime) -> None:
    """Mark these revisions as handled at ``now``."""
    if len(pending.revisions):
        store.record_revisions(pending.source, pending.revisions.assign(redone_at=now))
