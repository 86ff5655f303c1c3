"""Removing what is older than a key's retention, so that nobody misses it afterwards."""

from dataclasses import dataclass
from datetime import datetime

from coin_assets.domain.candles import empty_candles
from coin_assets.domain.keys import Key
from coin_assets.domain.timeframes import EPOCH, month_start, next_month
from coin_assets.store.base import Store


@dataclass(frozen=True)
class Removed:
    """Rows of one key that were removed, or would be: all that is older than ``kept_from``."""

    key: Key
    kept_from: datetime
    candles: int
    forecasts: int
    revisions: int

    @property
    def rows(self) -> int:
        return self.candles + self.forecasts + self.revisions


def count_old(store: Store, key: Key, kept_from: datetime) -> Removed:
    """What `remove_old` would remove."""
    span = EPOCH, kept_from
    return Removed(
        key,
        kept_from,
        store.count_candles(key, *span),
        len(store.read_forecasts(key, *span)),
        len(store.read_revisions(key, *span)),
    )


def remove_old(store: Store, key: Key, kept_from: datetime) -> Removed:
    """Remove what opens, or has its origin, before ``kept_from``.

    It may be killed at any moment and repeated: what is left over is still before that time.
    """
    span = EPOCH, kept_from
    fetched = store.fetched_months(key)
    candles = store.delete_candles(key, *span)
    cut = month_start(kept_from)
    if cut in fetched and cut < kept_from:
        # Its rest was asked for, even if the market has no candle in it.
        store.merge_candles(key, empty_candles(), cut, next_month(cut))
    removed = Removed(
        key,
        kept_from,
        candles,
        store.delete_forecasts(key, *span),
        store.delete_revisions(key, *span),
    )
    store.update_ledger(key, lambda ledger: ledger.forgotten_before(kept_from))
    return removed
