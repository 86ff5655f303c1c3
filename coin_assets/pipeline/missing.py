"""Why series lack published files, from what is stored of them."""

from collections.abc import Sequence
from datetime import datetime

from coin_assets.domain.publishing.manifest_entries import ManifestEntry
from coin_assets.domain.publishing.missing import (
    NOT_PUBLISHED,
    StoredParts,
    WhyMissing,
    first_close,
    missing_reason,
)
from coin_assets.domain.series_policy import SeriesPolicy
from coin_assets.errors import CorruptArtefact
from coin_assets.files.faults import faults_of_one_file
from coin_assets.models.registry import ModelRegistry
from coin_assets.store.base import Store


def why_missing(
    store: Store, registry: ModelRegistry, policies: Sequence[SeriesPolicy], now: datetime
) -> WhyMissing:
    """Function that returns why a series lacks a published file."""
    by_series = {policy.series: policy for policy in policies}

    def reason(entry: ManifestEntry) -> str:
        policy = by_series.get(entry.series)
        if policy is None:
            return NOT_PUBLISHED
        try:
            with faults_of_one_file([]):
                return missing_reason(entry, _stored_parts(store, registry, policy, now), now)
        except CorruptArtefact:
            return "a file that is stored of it is damaged"
        return "the machine cannot read a file that is stored of it"

    return reason


def _stored_parts(
    store: Store, registry: ModelRegistry, policy: SeriesPolicy, now: datetime
) -> StoredParts:
    series, ledger = policy.series, store.read_ledger(policy.source)
    begins = [time for time in (ledger.listed, ledger.edge) if time is not None]
    candles = store.newest_candles((series, policy.source))
    return StoredParts(
        source=policy.source,
        first_close=first_close(
            series.timeframe, policy.first_source_expected(now), max(begins, default=None)
        ),
        has_candles=series in candles,
        has_source_candles=policy.source in candles,
        has_forecast=series in store.newest_forecasts((series,)),
        has_model=bool(registry.versions(series)),
    )
