"""What stands of each key at this moment: in the store, the registry and the published folder.

Gathered anew at every tick of a sensor, from file footers and names, without reading candles.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from coin_assets.domain.keys import Key
from coin_assets.domain.manifest_facts import KeyFacts
from coin_assets.models.registry import ModelRegistry, ModelVersion
from coin_assets.publish.publisher import Publisher
from coin_assets.store.base import Store


@dataclass(frozen=True)
class Standing:
    """One key.

    Attributes:
        candles: close of the newest stored candle; None if there is none.
        forecast: newest origin that has a champion forecast; None if there is none.
        published: what the manifest says, with ``corrupt`` set if a file is not what it says.
        versions: of the model, oldest number first.
    """

    key: Key
    candles: datetime | None
    forecast: datetime | None
    published: KeyFacts
    versions: tuple[ModelVersion, ...] = ()


def standing_of(
    store: Store, registry: ModelRegistry, publisher: Publisher, keys: Sequence[Key]
) -> dict[Key, Standing]:
    """Every key of ``keys`` as it stands now; the manifest must list them."""
    candles, forecasts = store.newest_candles(keys), store.newest_forecasts(keys)
    published = publisher.inspect()
    return {
        key: Standing(
            key,
            key.timeframe.close_of(candles[key]) if key in candles else None,
            forecasts.get(key),
            published[key],
            tuple(registry.versions(key)),
        )
        for key in keys
    }
