"""Archives the stored candles and forecasts of public series.

A month is read only if its rows changed since it was archived. From the start of retention on, a
file holds the rows of the store; rows that retention has removed stay as they were archived.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import pandas as pd
import pyarrow as pa

from coin_assets.domain.json_format import Document
from coin_assets.domain.publishing.archive import CANDLES, FORECASTS, ArchivePlace
from coin_assets.domain.series import Series
from coin_assets.domain.series_policy import SeriesPolicy, kept_from
from coin_assets.domain.timeframes import just_after, months_between, next_month
from coin_assets.pipeline.archive_paths import update_paths
from coin_assets.pipeline.context import Pipeline
from coin_assets.pipeline.publish import manifest_inputs
from coin_assets.publish.archive import ArchiveFolder, archive_locked
from coin_assets.publish.archive_tables import Forecasts, before, candle_table
from coin_assets.store.base import Store
from coin_assets.store.fingerprint import fingerprint

# A reader that holds a list meets other files from the moment they take their places until the
# next list is there. Lists are long, so they are not written more often.
_EVERY_SECONDS = 30.0


@dataclass(frozen=True)
class _Kind:
    """How one kind of rows comes from the store.

    Attributes:
        time: column of the stored rows that determines their month.
    """

    name: str
    time: str
    months: Callable[[Store, Series], Iterable[datetime]]
    digest: Callable[[Store, Series, datetime], str | None]
    read: Callable[[Store, Series, datetime, datetime], pd.DataFrame]
    table: Callable[[Series, pd.DataFrame], pa.Table]


def _forecast_months(store: Store, series: Series) -> Iterable[datetime]:
    extent, newest = store.extent(series), store.newest_forecasts([series]).get(series)
    if extent is None or newest is None:
        return []
    return months_between(extent.first, just_after(newest))


_KINDS = (
    _Kind(
        CANDLES,
        "timestamp",
        lambda store, series: store.fetched_months(series),
        lambda store, series, month: store.candles_digest(series, month),
        lambda store, series, start, end: store.read_candles(series, start, end),
        lambda _, rows: candle_table(rows),
    ),
    _Kind(
        FORECASTS,
        "as_of",
        _forecast_months,
        lambda store, series, month: store.forecasts_digest(series, month),
        lambda store, series, start, end: store.read_forecasts(series, start, end),
        lambda series, rows: Forecasts.of_stored(series, rows).quantile_table(),
    ),
)


@dataclass(frozen=True)
class SeriesArchive:
    """Archives one series.

    Attributes:
        paths: number of sample paths of each forecast; 0 for none.
        now: of the clock, for retention.
    """

    store: Store
    folder: ArchiveFolder
    policy: SeriesPolicy
    paths: int
    now: datetime

    def update(self) -> int:
        """Bring the files of the series up to date; returns how many were written.

        Raises:
            CorruptArtefact: stored rows are damaged; files that were made before stay.
            MachineFault: the machine failed.
        """
        written = sum(
            self._update_month(kind, month) for kind in _KINDS for month in self._months(kind)
        )
        return written + update_paths(self.folder, self.policy, self.paths)

    def _months(self, kind: _Kind) -> list[datetime]:
        """Months that the store or the archive may have rows of, oldest first."""
        archived = {place.month for place in self.folder.places(kind.name, self.policy.series)}
        return sorted(archived | set(kind.months(self.store, self.policy.series)))

    def _update_month(self, kind: _Kind, month: datetime) -> bool:
        series = self.policy.series
        place = ArchivePlace(kind.name, series, month)
        known, source = self.folder.known(place), kind.digest(self.store, series, month)
        if known is not None and source == known.source:
            return False
        rows = kind.read(self.store, series, month, next_month(month))
        source = source or fingerprint(rows)
        if rows.empty or (known is not None and source == known.source):
            return False
        older, table = self._removed(place, rows[kind.time].min()), kind.table(series, rows)
        if older is not None:
            table = pa.concat_tables([older.cast(table.schema), table])
        return self.folder.put(place, [table], source)

    def _removed(self, place: ArchivePlace, oldest: pd.Timestamp) -> pa.Table | None:
        """Archived rows of before ``oldest``, the oldest in the store, as far as retention goes."""
        if self.policy.retention is None:
            return None
        until = min(oldest, pd.Timestamp(kept_from(self.now, self.policy.retention)))
        archived = self.folder.table(place) if until > pd.Timestamp(place.month) else None
        return None if archived is None else before(archived, place.kind, until)


class Archiving:
    """One run that archives all public series.

    Args:
        paths: number of sample paths of each forecast.
        verify: as in `ArchiveFolder`.
    """

    def __init__(
        self, pipeline: Pipeline, policies: Sequence[SeriesPolicy], paths: int, *, verify: bool
    ) -> None:
        self._pipeline, self._policies, self._paths = pipeline, policies, paths
        shown = _public(pipeline)
        names = [(each.series.symbol, each.series.timeframe.name) for each in policies]
        self.public = [each for each, name in zip(policies, names, strict=True) if name in shown]
        self.folder = ArchiveFolder(
            pipeline.publisher.folder, [each.series for each in self.public], verify=verify
        )
        self._committed_at = time.monotonic()

    def archive(self, policy: SeriesPolicy) -> int:
        """Archive one series; returns the number of files written. Raises as `SeriesArchive`."""
        now = self._pipeline.clock.now()
        store = self._pipeline.store
        return SeriesArchive(store, self.folder, policy, self._paths, now).update()

    def commit(self, *, at_once: bool = True) -> Document | None:
        """Let the new files take their places, and write the list and the manifest.

        Args:
            at_once: False does so only if the last time is a while ago.

        Returns:
            The manifest, if it was rewritten.
        """
        if not at_once and time.monotonic() - self._committed_at < _EVERY_SECONDS:
            return None
        publisher = self._pipeline.publisher
        is_new = self.folder.commit(self._pipeline.clock.now(), publisher.write_archive_index)
        self._committed_at = time.monotonic()
        if not is_new:
            return None
        return publisher.refresh(manifest_inputs(self._pipeline, self._policies, {}))


@contextmanager
def archiving(
    pipeline: Pipeline, policies: Sequence[SeriesPolicy], paths: int, *, verify: bool = False
) -> Iterator[Archiving]:
    """An `Archiving` that no other run works beside."""
    with archive_locked(pipeline.publisher.folder):
        pipeline.publisher.take_over_archive()
        yield Archiving(pipeline, policies, paths, verify=verify)


def _public(pipeline: Pipeline) -> set[tuple[str, str]]:
    """Symbol and timeframe of the public series; none before anything is published.

    Raises:
        MachineFault: the machine failed.
        CorruptArtefact: the manifest is damaged.
    """
    try:
        entries = pipeline.publisher.manifest()["public"]["entries"]
    except FileNotFoundError:
        return set()
    return {(entry["symbol"], entry["timeframe"]) for entry in entries}
