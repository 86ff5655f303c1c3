"""Removing what is too old of a key, candles to model versions, so that nobody misses it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from coin_assets.domain.candles.frame import empty_candles
from coin_assets.domain.evaluation.version_retention import expendable_versions
from coin_assets.domain.evaluation.windows import window_of
from coin_assets.domain.series import Key
from coin_assets.domain.timeframes import EPOCH, month_start, next_month
from coin_assets.models.registry import ModelRegistry, ModelVersion
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


def old_versions(
    store: Store, registry: ModelRegistry, key: Key, evaluated: frozenset[str], now: datetime
) -> list[ModelVersion]:
    """Model versions that are old and that nothing refers to; see `expendable_versions`.

    Kept are all that ever held a role, and those whose forecasts the next evaluation scores.

    Args:
        evaluated: versions that stored evaluations name.

    Raises:
        CorruptArtefact: what refers to versions cannot be read.
    """
    versions = registry.versions(key)
    named = registry.roles(key).appointed | evaluated
    newest = store.newest_candles([key]).get(key)
    if newest is not None and expendable_versions(versions, named, now):
        start, _ = window_of(key.timeframe, key.timeframe.close_of(newest))
        until = max(now, key.timeframe.close_of(newest)) + timedelta.resolution
        named |= frozenset(store.read_forecasts(key, start, until)["model_version"])
    return expendable_versions(versions, named, now)
