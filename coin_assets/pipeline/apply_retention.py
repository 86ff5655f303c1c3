"""Removing what is too old of a key, candles to model versions, so that nobody misses it."""

from dataclasses import dataclass
from datetime import datetime

from coin_assets.domain.candles.frame import empty_candles
from coin_assets.domain.evaluation.version_retention import expendable_versions
from coin_assets.domain.evaluation.windows import window_of
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import EPOCH, just_after, month_start, next_month
from coin_assets.models.registry import ModelRegistry, ModelVersion
from coin_assets.store.base import Store


@dataclass(frozen=True)
class Removed:
    """Rows of one key that were removed, or would be: all that is older than ``kept_from``."""

    series: Series
    kept_from: datetime
    candles: int
    forecasts: int
    revisions: int

    @property
    def rows(self) -> int:
        return self.candles + self.forecasts + self.revisions


def count_old(store: Store, series: Series, kept_from: datetime) -> Removed:
    """What `remove_old` would remove."""
    span = EPOCH, kept_from
    return Removed(
        series,
        kept_from,
        store.count_candles(series, *span),
        len(store.read_forecasts(series, *span)),
        len(store.read_revisions(series, *span)),
    )


def remove_old(store: Store, series: Series, kept_from: datetime) -> Removed:
    """Remove what opens, or has its origin, before ``kept_from``.

    It may be killed at any moment and repeated: what is left over is still before that time.
    """
    span = EPOCH, kept_from
    fetched = store.fetched_months(series)
    candles = store.delete_candles(series, *span)
    cut = month_start(kept_from)
    if cut in fetched and cut < kept_from:
        # Its rest was asked for, even if the market has no candle in it.
        store.merge_candles(series, empty_candles(), cut, next_month(cut))
    removed = Removed(
        series,
        kept_from,
        candles,
        store.delete_forecasts(series, *span),
        store.delete_revisions(series, *span),
    )
    store.update_ledger(series, lambda ledger: ledger.forgotten_before(kept_from))
    return removed


def old_versions(
    store: Store, registry: ModelRegistry, series: Series, evaluated: frozenset[str], now: datetime
) -> list[ModelVersion]:
    """Model versions that are old and that nothing refers to; see `expendable_versions`.

    Kept are all that ever held a role, and those whose forecasts the next evaluation scores.

    Args:
        evaluated: versions that stored evaluations name.

    Raises:
        CorruptArtefact: what refers to versions cannot be read.
    """
    versions = registry.versions(series)
    named = registry.roles(series).appointed | evaluated
    newest = store.newest_candles([series]).get(series)
    if newest is not None and expendable_versions(versions, named, now):
        start, _ = window_of(series.timeframe, series.timeframe.close_of(newest))
        until = just_after(max(now, series.timeframe.close_of(newest)))
        named |= frozenset(store.read_forecasts(series, start, until)["model_version"])
    return expendable_versions(versions, named, now)
