"""What stands of each key at this moment: in the store, the registry and the published folder.

Gathered anew at every tick of a sensor, from file footers and names, without reading candles.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from coin_assets.domain.publishing.manifest_entries import ManifestEntry
from coin_assets.domain.series import Series
from coin_assets.errors import CorruptArtefact
from coin_assets.models.registry import ModelRegistry, ModelVersion
from coin_assets.publish.publisher import Publisher
from coin_assets.store.base import UNREADABLE, Store


@dataclass(frozen=True)
class SeriesStatus:
    """One key.

    Attributes:
        candles: close of the newest stored candle; None if there is none.
        forecast: newest origin that has a champion forecast; None if there is none.
        published: what the manifest says, with ``corrupt`` set if a file is not what it says.
        versions: of the model, oldest number first.
        damage: why the rest of what is stored of the key cannot be trusted; then neither candles
            nor forecast are told.
    """

    series: Series
    candles: datetime | None
    forecast: datetime | None
    published: ManifestEntry
    versions: tuple[ModelVersion, ...] = ()
    damage: str | None = None


def read_status(
    store: Store,
    registry: ModelRegistry,
    publisher: Publisher,
    series_list: Sequence[Series],
    read_through: Sequence[Series] = (),
) -> dict[Series, SeriesStatus]:
    """Every key of ``keys`` as it stands now; the manifest must list them.

    A key with a damaged file in the store says so, and leaves the others as they are.

    Args:
        read_through: keys of which all that is stored is read as well, besides those whose last
            attempt failed at a damaged file.
    """
    known = read_status_without_store(registry, publisher, series_list)
    # Damage that only a reader sees must not be taken for mended by a process that has just begun.
    told = [
        series
        for series in series_list
        if UNREADABLE in (known[series].published.attempts.last_error or "")
    ]
    damaged = unreadable(store, series_list, [*read_through, *told])
    sound = [series for series in series_list if series not in damaged]
    candles, forecasts = store.newest_candles(sound), store.newest_forecasts(sound)
    return {
        series: replace(
            status,
            candles=series.timeframe.close_of(candles[series]) if series in candles else None,
            forecast=forecasts.get(series),
            damage=damaged.get(series),
        )
        for series, status in known.items()
    }


def read_status_without_store(
    registry: ModelRegistry, publisher: Publisher, series_list: Sequence[Series]
) -> dict[Series, SeriesStatus]:
    """As `standing_of`, of what needs no store: published files and models."""
    published = publisher.inspect()
    return {
        series: SeriesStatus(
            series, None, None, published[series], tuple(registry.versions(series))
        )
        for series in series_list
    }


def unreadable(
    store: Store, series_list: Iterable[Series], read_through: Sequence[Series] = ()
) -> dict[Series, str]:
    """Keys of which something stored is damaged, each with what it is and what to do.

    Args:
        read_through: see `standing_of`.
    """
    found = {}
    for series in series_list:
        try:
            (store.read_through if series in read_through else store.require_readable)(series)
        except CorruptArtefact as error:
            found[series] = str(error)
    return found
