"""Comparing what is stored with what the market says itself, without Dagster."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from coin_assets.domain.candles import empty_candles
from coin_assets.domain.keys import Key
from coin_assets.domain.reconciliation import MISSING, Comparison, compare_candles
from coin_assets.domain.timeframes import month_start
from coin_assets.market.base import Market
from coin_assets.store.base import Store

QUICK, DEEP = "quick", "deep"
DEPTHS = {QUICK: timedelta(hours=24), DEEP: timedelta(days=90)}
_FEWEST_CANDLES = 3
# What closed just now may be on its way into the store.
_GRACE = timedelta(minutes=10)


@dataclass(frozen=True)
class Window:
    """What of a key to compare, and as of when.

    Attributes:
        first_expected, first_source: candles of the key, or of its source, before these are not
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
    """Outcome for one key: opens in ``[start, end)`` were compared.

    Attributes:
        explained: candles of the market that are not stored because it had no source candle of
            them, verified by the ledger.
    """

    key: Key
    start: datetime
    end: datetime
    comparison: Comparison
    explained: int


def reconcile(
    store: Store, market: Market, key: Key, source: Key, window: Window
) -> Reconciled | None:
    """Compare the newest candles of a key; None if nothing that could be compared is stored.

    Raises:
        SymbolUnavailable: the market has no candles of this timeframe itself.
        TemporaryError: the market does not answer.
        InvalidCandles: what it answers are no candles.
    """
    end = _end(store, market, key, source, window)
    if end is None:
        return None
    first = max(window.first_expected, window.first_source)
    first = first if key.timeframe.is_open_time(first) else key.timeframe.next(first)
    fewest = key.timeframe.shift(end, -_FEWEST_CANDLES)
    start = max(first, min(key.timeframe.floor(end - window.depth), fewest))
    if start >= end:
        return None
    pages = [page.candles for page in market.pages(key, start, end, window.closed_by)]
    own = pd.concat([empty_candles(), *pages], ignore_index=True) if pages else empty_candles()
    own = _in_months(own, store.fetched_months(key))
    comparison = compare_candles(store.read_candles(key, start, end), own)
    return _without_explained(store, source, Reconciled(key, start, end, comparison, 0))


def _end(store: Store, market: Market, key: Key, source: Key, window: Window) -> datetime | None:
    """Close of the newest candle that store and market should both have."""
    newest = store.newest_candles({key, source})
    if key not in newest or source not in newest:
        return None
    covered = source.timeframe.close_of(newest[source])
    covered = store.read_ledger(source).absent_until(covered)
    horizon = market.horizon(key, window.closed_by)
    return key.timeframe.floor(min(covered, horizon, window.closed_by - _GRACE))


def _in_months(candles: pd.DataFrame, months: list[datetime]) -> pd.DataFrame:
    """Months that nobody ever asked for are not missing."""
    known = set(months)
    keep = [month_start(opened) in known for opened in candles["timestamp"]]
    return candles[np.array(keep, dtype=bool)].reset_index(drop=True)


def _without_explained(store: Store, source: Key, found: Reconciled) -> Reconciled:
    """Leave out derived candles of which the market had no source candle when asked twice.

    A fetched candle that the market has by now is a difference, whatever it said before.
    """
    if found.key == source:
        return found
    differences, timeframe = found.comparison.differences, found.key.timeframe
    ledger = store.read_ledger(source)
    explained = [
        finding == MISSING and ledger.absent_until(opened) >= timeframe.close_of(opened)
        for opened, finding in zip(differences["timestamp"], differences["finding"], strict=True)
    ]
    kept = differences[~np.array(explained, dtype=bool)].reset_index(drop=True)
    comparison = replace(found.comparison, differences=kept)
    return replace(found, comparison=comparison, explained=sum(explained))
