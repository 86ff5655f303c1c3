"""Applies retention to one series: candles, forecasts, revisions and model versions."""

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
    """Number of rows of one series older than ``kept_from``, removed or to be removed."""

    series: Series
    kept_from: datetime
    candles: int
    forecasts: int
    revisions: int

    @property
    def rows(self) -> int:
        """Rows of all tables together."""
        return self.candles + self.forecasts + self.revisions


def count_old(store: Store, series: Series, kept_from: datetime) -> Removed:
    """Count the rows that `remove_old` removes."""
    span = EPOCH, kept_from
    return Removed(
        series,
        kept_from,
        store.count_candles(series, *span),
        len(store.read_forecasts(series, *span)),
        len(store.read_revisions(series, *span)),
    )


def remove_old(store: Store, series: Series, kept_from: datetime) -> Removed:
    """Remove candles, forecasts and revisions from before ``kept_from``.

    Idempotent: after a kill, the next call removes the rest.
    """
    span = EPOCH, kept_from
    fetched = store.fetched_months(series)
    candles = store.delete_candles(series, *span)
    cut = month_start(kept_from)
    if cut in fetched and cut < kept_from:
        # The rest of the month was fetched, even if the market has no candle in it.
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
    """Old model versions that nothing refers to; see `expendable_versions`.

    Versions that ever held a role, or whose forecasts the next evaluation scores, are kept.

    Args:
        evaluated: versions that stored evaluations name.

    Raises:
        CorruptArtefact: the roles or forecasts of the series cannot be read.
    """
    versions = registry.versions(series)
    named = registry.roles(series).appointed | evaluated
    newest = store.newest_candles([series]).get(series)
    if newest is not None and expendable_versions(versions, named, now):
        start, _ = window_of(series.timeframe, series.timeframe.close_of(newest))
        until = just_after(max(now, series.timeframe.close_of(newest)))
        named |= frozenset(store.read_forecasts(series, start, until)["model_version"])
    return expendable_versions(versions, named, now)
