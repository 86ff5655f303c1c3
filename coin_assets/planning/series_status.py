"""What stands of each key at this moment: in the store, the registry and the published folder.

Gathered anew at every tick of a sensor, from file footers and names, without reading candles.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from coin_assets.domain.publishing.manifest_entries import KeyFacts
from coin_assets.domain.series import Key
from coin_assets.errors import CorruptArtefact
from coin_assets.models.registry import ModelRegistry, ModelVersion
from coin_assets.publish.publisher import Publisher
from coin_assets.store.base import UNREADABLE, Store


@dataclass(frozen=True)
class Standing:
    """One key.

    Attributes:
        candles: close of the newest stored candle; None if there is none.
        forecast: newest origin that has a champion forecast; None if there is none.
        published: what the manifest says, with ``corrupt`` set if a file is not what it says.
        versions: of the model, oldest number first.
        damage: why the rest of what is stored of the key cannot be trusted; then neither candles
            nor forecast are told.
    """

    key: Key
    candles: datetime | None
    forecast: datetime | None
    published: KeyFacts
    versions: tuple[ModelVersion, ...] = ()
    damage: str | None = None


def standing_of(
    store: Store,
    registry: ModelRegistry,
    publisher: Publisher,
    keys: Sequence[Key],
    read_through: Sequence[Key] = (),
) -> dict[Key, Standing]:
    """Every key of ``keys`` as it stands now; the manifest must list them.

    A key with a damaged file in the store says so, and leaves the others as they are.

    Args:
        read_through: keys of which all that is stored is read as well, besides those whose last
            attempt failed at a damaged file.
    """
    known = standing_without_store(registry, publisher, keys)
    # Damage that only a reader sees must not be taken for mended by a process that has just begun.
    told = [key for key in keys if UNREADABLE in (known[key].published.attempts.last_error or "")]
    damaged = unreadable(store, keys, [*read_through, *told])
    sound = [key for key in keys if key not in damaged]
    candles, forecasts = store.newest_candles(sound), store.newest_forecasts(sound)
    return {
        key: replace(
            standing,
            candles=key.timeframe.close_of(candles[key]) if key in candles else None,
            forecast=forecasts.get(key),
            damage=damaged.get(key),
        )
        for key, standing in known.items()
    }


def standing_without_store(
    registry: ModelRegistry, publisher: Publisher, keys: Sequence[Key]
) -> dict[Key, Standing]:
    """As `standing_of`, of what needs no store: published files and models."""
    published = publisher.inspect()
    return {
        key: Standing(key, None, None, published[key], tuple(registry.versions(key)))
        for key in keys
    }


def unreadable(
    store: Store, keys: Iterable[Key], read_through: Sequence[Key] = ()
) -> dict[Key, str]:
    """Keys of which something stored is damaged, each with what it is and what to do.

    Args:
        read_through: see `standing_of`.
    """
    found = {}
    for key in keys:
        try:
            (store.read_through if key in read_through else store.require_readable)(key)
        except CorruptArtefact as error:
            found[key] = str(error)
    return found
