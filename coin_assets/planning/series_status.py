"""The status of each series: what store, registry and published folder hold now.

Sensors read it at every tick, from file footers and names, without reading candles.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from coin_assets.domain.candles.future_ledgers import why_ledger_ahead
from coin_assets.domain.candles.gap_ledger import Ledger
from coin_assets.domain.future_data import why_ahead
from coin_assets.domain.methods import DEFAULT_METHOD
from coin_assets.domain.publishing.manifest_entries import ManifestEntry
from coin_assets.domain.series import Series
from coin_assets.errors import CorruptArtefact, MachineFault
from coin_assets.files.faults import faults_of_one_file
from coin_assets.models.registry import ModelRegistry, ModelVersion
from coin_assets.planning.facts import is_behind_store
from coin_assets.publish.publisher import Publisher
from coin_assets.store.base import Store


@dataclass(frozen=True)
class Damage:
    """A file of a series that cannot be used: damaged, or the machine does not let it be read.

    Attributes:
        message: which file, what is wrong, and what to do.
        found_at: when a reader found it first; None if no marker records it.
        fault: of the machine; then nobody knows whether the file is damaged, and it may be intact.
    """

    message: str
    found_at: datetime | None = None
    fault: MachineFault | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True)
class SeriesStatus:
    """What is stored, trained and published of one series.

    Attributes:
        candles: close of the newest stored candle; None without candles.
        forecast: newest origin that has a champion forecast; None without forecasts.
        published: the manifest's entry, with ``corrupt`` set if a file differs from it.
        versions: of the model, oldest number first.
        damage: a file in the store; then ``candles`` and ``forecast`` are None.
        ledger: empty with damage.
        model_damage: models that are damaged, gone or unreadable; candles go on without them.
    """

    series: Series
    candles: datetime | None
    forecast: datetime | None
    published: ManifestEntry
    versions: tuple[ModelVersion, ...] = ()
    damage: Damage | None = None
    ledger: Ledger = field(default_factory=Ledger)
    model_damage: Damage | None = None

    def why_corrupt(self, now: datetime) -> str | None:
        """What is damaged of the series, or ends in the future; None if nothing does."""
        for damage in (self.damage, self.model_damage):
            if damage is not None and damage.fault is None:
                return damage.message
        trained = None if self.newest_version is None else self.newest_version.cutoff
        times = (self.candles, self.forecast, trained)
        ahead = next((why for each in times if (why := why_ahead(each, now))), None)
        return ahead or why_ledger_ahead(self.series, self.ledger, now)

    @property
    def faults(self) -> list[MachineFault]:
        """Faults of the machine at files of the series, whose content is unknown meanwhile."""
        found = [each.fault for each in (self.damage, self.model_damage) if each is not None]
        return [each for each in (*found, self.published.fault) if each is not None]

    @property
    def data_times(self) -> tuple[tuple[str, datetime | None, datetime | None], ...]:
        """Kind of each published file, its data time, and the one that the store has for it."""
        published = self.published
        return (
            ("history", published.history_as_of, self.candles),
            ("prediction", published.prediction_as_of, self.forecast),
        )

    @property
    def file_damage(self) -> str | None:
        """Why a published file must be rewritten: it is damaged, or gone although stored."""
        if self.published.corrupt or not self.published.is_public:
            return self.published.corrupt
        return next(
            (
                f"its {kind} file is gone"
                for kind, published, stored in self.data_times
                if published is None and stored is not None
            ),
            None,
        )

    @property
    def is_behind_store(self) -> bool:
        """Whether the published files are missing or older than what is stored."""
        published = self.published
        times = (published.history_as_of, published.prediction_as_of)
        return is_behind_store(self.candles, self.forecast, *times)

    @property
    def cutoffs(self) -> frozenset[datetime]:
        """Cutoffs of the versions of `DEFAULT_METHOD`."""
        return self.cutoffs_of(DEFAULT_METHOD)

    @property
    def newest_version(self) -> ModelVersion | None:
        """The version of `DEFAULT_METHOD` with the latest cutoff."""
        usual = [version for version in self.versions if version.method == DEFAULT_METHOD]
        return max(usual, key=lambda version: version.cutoff, default=None)

    def cutoffs_of(self, method: str) -> frozenset[datetime]:
        """Cutoffs of the versions of a method."""
        return frozenset(each.cutoff for each in self.versions if each.method == method)


def read_status(
    store: Store,
    registry: ModelRegistry,
    publisher: Publisher,
    series_list: Sequence[Series],
    read_whole: Sequence[Series] = (),
) -> dict[Series, SeriesStatus]:
    """The status of each of ``series_list``; the manifest must list them.

    Files of one series that are damaged or unreadable leave the status of the others as it is.

    Args:
        read_whole: series whose stored rows are read in full, which finds damage that file
            footers do not show.
    """
    return StatusReader(store, registry, publisher).read(series_list, read_whole)


def read_status_without_store(
    registry: ModelRegistry, publisher: Publisher, series_list: Sequence[Series]
) -> dict[Series, SeriesStatus]:
    """The published files and models of each series, for when the store does not answer."""
    return _of_files(publisher.inspect(), registry, series_list)


class StatusReader:
    """Reads the status of series part by part, and the published folder once for all parts."""

    def __init__(self, store: Store, registry: ModelRegistry, publisher: Publisher) -> None:
        self._store, self._registry = store, registry
        self._published = publisher.inspect()

    def read(
        self, series_list: Sequence[Series], read_whole: Sequence[Series] = ()
    ) -> dict[Series, SeriesStatus]:
        """As `read_status`."""
        store = self._store
        damaged = unreadable(store, series_list, read_whole)
        sound = [series for series in series_list if series not in damaged]
        candles, forecasts = store.newest_candles(sound), store.newest_forecasts(sound)
        return {
            series: replace(
                status,
                candles=series.timeframe.close_of(candles[series]) if series in candles else None,
                forecast=forecasts.get(series),
                damage=damaged.get(series),
                ledger=Ledger() if series in damaged else store.read_ledger(series),
            )
            for series, status in _of_files(self._published, self._registry, series_list).items()
        }


def _of_files(
    published: Mapping[Series, ManifestEntry],
    registry: ModelRegistry,
    series_list: Sequence[Series],
) -> dict[Series, SeriesStatus]:
    return {series: _of_series(published[series], registry, series) for series in series_list}


def _of_series(entry: ManifestEntry, registry: ModelRegistry, series: Series) -> SeriesStatus:
    status, faults = SeriesStatus(series, None, None, entry), list[MachineFault]()
    try:
        with faults_of_one_file(faults):
            status = replace(status, versions=tuple(registry.versions(series)))
            registry.roles(series)
    except CorruptArtefact as error:
        return replace(status, model_damage=Damage(str(error)))
    if faults:
        return replace(status, model_damage=_unread(faults[0]))
    if entry.champion in (None, *(version.name for version in status.versions)):
        return status
    return replace(
        status,
        model_damage=Damage(
            f"{registry.folder_of(series)} lacks version {entry.champion}, which made the "
            "published forecast. Restore the folder from a backup; without one, the next training "
            "replaces it, under a new number."
        ),
    )


def unreadable(
    store: Store, series_list: Iterable[Series], read_whole: Sequence[Series] = ()
) -> dict[Series, Damage]:
    """Series with a damaged file in the store, or one that the machine cannot read.

    Args:
        read_whole: as in `read_status`.

    Raises:
        MachineFault: the machine fails whatever the file, for example for lack of memory.
    """
    found = {}
    for series in series_list:
        faults: list[MachineFault] = []
        try:
            with faults_of_one_file(faults):
                (store.read_through if series in read_whole else store.require_readable)(series)
                store.read_ledger(series)
        except CorruptArtefact as error:
            found[series] = Damage(str(error), error.found_at)
        if faults:
            found[series] = _unread(faults[0])
    return found


def _unread(fault: MachineFault) -> Damage:
    return Damage(str(fault), fault=fault)
