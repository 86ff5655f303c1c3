"""The health of a key: the worse of what its data time and Dagster's freshness policy say."""

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

# From good to bad. A key with too few candles has no age that could be wrong.
_ORDER = (FRESH, INSUFFICIENT_DATA, STALE, HARD_STALE, MISSING, CORRUPT)
_NATIVE: dict[FreshnessState | None, str] = {
    FreshnessState.WARN: STALE,
    FreshnessState.FAIL: HARD_STALE,
}


@dataclass(frozen=True)
class SeriesHealth:
    """How a key is.

    Attributes:
        status: the worse of ``by_data`` and ``native``, a status word of the manifest.
        by_data: the status by the data time of the published files.
        native: what Dagster's freshness policies of the key's assets say, in the same words; it
            knows when something was last materialised, not how old the data in it is.
        as_of: data time of the published files.
        is_new: no forecast was published yet, so that none can be missed.
        damage: why what is stored of the key cannot be read; then the status is corrupt, whatever
            the published files are.
    """

    series: Series
    status: str
    by_data: str
    native: str
    as_of: datetime | None
    is_public: bool
    is_new: bool
    damage: str | None = None


def key_healths(
    specs: Sequence[SeriesAssets],
    statuses: Mapping[Series, SeriesStatus],
    native: Mapping[dg.AssetKey, FreshnessState],
    now: datetime,
) -> list[SeriesHealth]:
    """The health of every key at ``now``."""
    found = []
    for spec in specs:
        facts, damage = statuses[spec.series].published, statuses[spec.series].damage
        by_data = status_of(facts, spec.limits, now)
        assets = (spec.asset_key(layer) for layer in (CANDLES, PREDICTIONS, PUBLISHED))
        policy = _worst(
            _NATIVE.get(native.get(asset, FreshnessState.PASS), FRESH) for asset in assets
        )
        # Nothing was materialised lately where nothing can be made of too few candles.
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
                None if damage is None else damage.message,
            )
        )
    return found


def native_states(
    instance: dg.DagsterInstance, specs: Iterable[SeriesAssets]
) -> dict[dg.AssetKey, FreshnessState]:
    """What the freshness daemon last found of every asset with a policy."""
    assets = [
        spec.asset_key(layer) for spec in specs for layer in (CANDLES, PREDICTIONS, PUBLISHED)
    ]
    records = instance.get_freshness_state_records(assets)
    return {asset: record.freshness_state for asset, record in records.items()}


def _worst(words: Iterable[str]) -> str:
    return max(words, key=_ORDER.index)
