"""Health of a series: the worse of its data age and Dagster's freshness policies."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import dagster as dg
from dagster._core.definitions.freshness import FreshnessState

from coin_assets.domain.layers import CANDLES, PREDICTIONS, PUBLISHED
from coin_assets.domain.publishing.manifest import (
    CORRUPT,
    FRESH,
    HARD_STALE,
    INSUFFICIENT_DATA,
    MISSING,
    STALE,
    status_of,
)
from coin_assets.domain.series import Series
from coin_assets.orchestration.assets.specs import SeriesAssets
from coin_assets.planning.series_status import SeriesStatus

# From good to bad. A series with too few candles has no age.
_ORDER = (FRESH, INSUFFICIENT_DATA, STALE, HARD_STALE, MISSING, CORRUPT)
_NATIVE: dict[FreshnessState | None, str] = {
    FreshnessState.WARN: STALE,
    FreshnessState.FAIL: HARD_STALE,
}


@dataclass(frozen=True)
class SeriesHealth:
    """Health of one series.

    Attributes:
        status: the worse of ``by_data`` and ``native``, a status word of the manifest.
        by_data: status by the data time of the published files.
        native: status by Dagster's freshness policies of the series' assets: by the time of the
            last materialisation, not by the age of its data.
        as_of: data time of the published files.
        is_new: no forecast was published yet, so a missing one is expected.
        damage: a damaged file in the store or of a model, or data that ends in the future; then the
            status is corrupt.
        caution: what looks implausible in the newest candles, as published.
        file_damage: what is wrong with a published file.
    """

    series: Series
    status: str
    by_data: str
    native: str
    as_of: datetime | None
    is_public: bool
    is_new: bool
    damage: str | None = None
    caution: str | None = None
    file_damage: str | None = None


def series_healths(
    specs: Sequence[SeriesAssets],
    statuses: Mapping[Series, SeriesStatus],
    native: Mapping[dg.AssetKey, FreshnessState],
    now: datetime,
) -> list[SeriesHealth]:
    """Health of each series at ``now``."""
    found = []
    for spec in specs:
        current = statuses[spec.series]
        facts, damage = current.published, current.why_corrupt(now)
        by_data = status_of(facts, spec.limits, now)
        assets = (spec.asset_key(layer) for layer in (CANDLES, PREDICTIONS, PUBLISHED))
        policy = _worst(
            _NATIVE.get(native.get(asset, FreshnessState.PASS), FRESH) for asset in assets
        )
        # With too few candles nothing is materialised, so freshness policies do not apply.
        status = by_data if by_data == INSUFFICIENT_DATA else _worst((by_data, policy))
        status = status if damage is None else CORRUPT
        found.append(
            SeriesHealth(
                spec.series,
                status,
                by_data,
                policy,
                facts.as_of,
                facts.is_public,
                facts.champion is None,
                damage,
                facts.caution,
                facts.corrupt,
            )
        )
    return found


def native_states(
    instance: dg.DagsterInstance, specs: Iterable[SeriesAssets]
) -> dict[dg.AssetKey, FreshnessState]:
    """Last state that the freshness daemon recorded of each asset with a policy."""
    assets = [
        spec.asset_key(layer) for spec in specs for layer in (CANDLES, PREDICTIONS, PUBLISHED)
    ]
    records = instance.get_freshness_state_records(assets)
    return {asset: record.freshness_state for asset, record in records.items()}


def _worst(words: Iterable[str]) -> str:
    return max(words, key=_ORDER.index)
