"""Compares stored candles with the market's candles of the same timeframe."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from coin_assets.domain.candles.comparison import MISSING, Comparison, compare_candles
from coin_assets.domain.candles.frame import empty_candles
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import month_start
from coin_assets.errors import CoinAssetsError
from coin_assets.market.base import Market, Page
from coin_assets.store.base import Store

QUICK, DEEP = "quick", "deep"
DEPTHS = {QUICK: timedelta(hours=24), DEEP: timedelta(days=90)}
_FEWEST_CANDLES = 3
# The store may not have the candles that closed this recently.
_GRACE = timedelta(minutes=10)


@dataclass(frozen=True)
class ReconcileWindow:
    """Range of candles of one series to compare.

    Attributes:
        first_expected, first_source: candles of the series, or of its source, before these are not
            kept.
        depth: how far to look back; at least the last three closed candles are compared.
        closed_by: candles that close up to here are final.
    """

    first_expected: datetime
    first_source: datetime
    depth: timedelta
    closed_by: datetime


@dataclass(frozen=True)
class Reconciled:
    """Outcome for one series: opens in ``[start, end)`` were compared.

    Attributes:
        explained: candles of the market that are not stored because it had no source candle of
            them, verified by the ledger.
        uncompared: stored candles that were left out: the market sends them broken, no longer
            serves them, or failed there.
        error: why a part of the range could not be read; the rest was compared.
    """

    series: Series
    start: datetime
    end: datetime
    comparison: Comparison
    explained: int
    uncompared: int = 0
    error: CoinAssetsError | None = None


def reconcile(
    store: Store, market: Market, series: Series, source: Series, window: ReconcileWindow
) -> Reconciled | None:
    """Compare the newest candles of a series; None without stored candles to compare.

    Raises:
        SymbolUnavailable: the market has no candles of this timeframe.
        TemporaryError: the market does not answer.
        InvalidCandles: its answer does not hold candles.
        CoinAssetsError: the first `Page.error`, if the market serves nothing of the range.
    """
    end = _end(store, market, series, source, window)
    if end is None:
        return None
    first = series.timeframe.ceil(max(window.first_expected, window.first_source))
    fewest = series.timeframe.shift(end, -_FEWEST_CANDLES)
    start = max(first, min(series.timeframe.floor(end - window.depth), fewest))
    if start >= end:
        return None
    pages = list(market.pages(series, start, end, window.closed_by))
    served = [page for page in pages if page.error is None and not page.is_unavailable]
    error = next((page.error for page in pages if page.error is not None), None)
    if error is not None and not served:
        raise error
    own = pd.concat([empty_candles(), *(page.candles for page in served)], ignore_index=True)
    own = _in_months(own, store.fetched_months(series))
    stored = store.read_candles(series, start, end)
    comparable = _answered_by(served, stored)
    found = Reconciled(
        series,
        start,
        end,
        compare_candles(comparable, own),
        explained=0,
        uncompared=len(stored) - len(comparable),
        error=error,
    )
    return _without_explained(store, source, found)


def _answered_by(pages: Iterable[Page], stored: pd.DataFrame) -> pd.DataFrame:
    """Stored candles inside ``pages``, except those that the market sends broken."""
    opens = stored["timestamp"]
    answered = np.zeros(len(stored), dtype=bool)
    for page in pages:
        inside = (opens >= page.start) & (opens < page.end)
        broken = opens.isin([refusal.start for refusal in page.refused])
        answered |= (inside & ~broken).to_numpy()
    return stored[answered].reset_index(drop=True)


def _end(
    store: Store, market: Market, series: Series, source: Series, window: ReconcileWindow
) -> datetime | None:
    """Close of the newest candle that store and market should both have."""
    newest = store.newest_candles({series, source})
    if series not in newest or source not in newest:
        return None
    covered = source.timeframe.close_of(newest[source])
    covered = store.read_ledger(source).absent_until(covered)
    horizon = market.horizon(series, window.closed_by)
    return series.timeframe.floor(min(covered, horizon, window.closed_by - _GRACE))


def _in_months(candles: pd.DataFrame, months: list[datetime]) -> pd.DataFrame:
    """``candles`` without those of months that were never fetched."""
    known = set(months)
    keep = [month_start(opened) in known for opened in candles["timestamp"]]
    return candles[np.array(keep, dtype=bool)].reset_index(drop=True)


def _without_explained(store: Store, source: Series, found: Reconciled) -> Reconciled:
    """Leave out missing derived candles whose source candles are verified absent.

    A fetched candle that the market has now is a difference, even if it was verified absent.
    """
    if found.series == source:
        return found
    differences, timeframe = found.comparison.differences, found.series.timeframe
    ledger = store.read_ledger(source)
    explained = [
        finding == MISSING and ledger.absent_until(opened) >= timeframe.close_of(opened)
        for opened, finding in zip(differences["timestamp"], differences["finding"], strict=True)
    ]
    kept = differences[~np.array(explained, dtype=bool)].reset_index(drop=True)
    comparison = replace(found.comparison, differences=kept)
    return replace(found, comparison=comparison, explained=sum(explained))
