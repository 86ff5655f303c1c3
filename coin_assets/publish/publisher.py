"""Writer of the published folder: history and prediction files, then the manifest."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import pandas as pd

from coin_assets.domain.candles.outages import Outage
from coin_assets.domain.json_format import Document
from coin_assets.domain.limits import FreshnessLimits
from coin_assets.domain.publishing.documents import file_name, history_document, prediction_document
from coin_assets.domain.publishing.manifest import manifest_document
from coin_assets.domain.publishing.manifest_entries import HIDDEN, PUBLIC, ManifestEntry
from coin_assets.domain.publishing.missing import WhyMissing, not_published
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe
from coin_assets.errors import CorruptArtefact
from coin_assets.files.atomic import folder_locked, locked, remove_partials, write_atomically
from coin_assets.files.strict_json import read_errors_named
from coin_assets.publish.archive import archive_reference, write_index
from coin_assets.publish.folder import (
    MANIFEST,
    FileDifference,
    PublishedFolder,
    json_bytes,
    published_file,
)

_IN_THE_WAY = "Move what is in its place; publish_due writes it again."
_FORMER_LOCK = ".lock"  # of releases that locked by a file in the published folder


@dataclass(frozen=True)
class PublishFailure:
    """A failed attempt to renew a series.

    Attributes:
        error: text for people; the manifest shows it as ``last_error``.
        in_a_row: failures since the last success; 0 if only this one is known.
    """

    time: datetime
    error: str
    in_a_row: int = 0


@dataclass(frozen=True)
class ManifestInputs:
    """What a manifest needs beyond the entries of its series.

    Attributes:
        is_complete: whether the history of a series was collected; called only for series that
            are not public yet.
        failures: series whose renewal failed meanwhile, for their entries.
        outages: of the source timeframes.
        why_missing: returns why a series lacks a file; called only for those that do.
    """

    now: datetime
    is_complete: Callable[[Series], bool]
    failures: Mapping[Series, PublishFailure] = field(default_factory=dict)
    outages: Mapping[Timeframe, Sequence[Outage]] = field(default_factory=dict)
    why_missing: WhyMissing = not_published


@dataclass(frozen=True)
class Publication:
    """New files of one series, and its manifest entry.

    Attributes:
        entry: with files and champion; visibility and attempts are filled in when it is written.
        files: content by name; None for a file to remove.
        candles: of the history file.
        now: when it was made.
        is_current: whether the files hold the newest candles and forecast; a repair from older
            ones does not count as a success.
    """

    entry: ManifestEntry
    files: Mapping[str, bytes | None]
    candles: int
    now: datetime
    is_current: bool = True

    def entry_after(
        self, before: ManifestEntry, is_complete: Callable[[Series], bool]
    ) -> ManifestEntry:
        """The entry to write in the place of ``before``."""
        is_public = before.is_public or is_complete(self.entry.series)
        attempts = before.attempts
        return replace(
            self.entry,
            visibility=PUBLIC if is_public else HIDDEN,
            attempts=attempts.succeeded(self.now) if self.is_current else attempts,
        )


def publication_of(
    entry: ManifestEntry,
    history: pd.DataFrame,
    forecast: pd.DataFrame,
    now: datetime,
    *,
    is_current: bool = True,
) -> Publication:
    """The publication of a series.

    Args:
        entry: without files.
        history: candles of the history file; no rows, no file.
        forecast: rows of the newest origin; no rows, no file.
        is_current: as in `Publication`.
    """
    series, files = entry.series, dict[str, bytes | None]()
    for kind, rows, build in (
        ("history", history, history_document),
        ("prediction", forecast, prediction_document),
    ):
        name = file_name(kind, series)
        files[name] = None
        if len(rows):
            document = build(series, rows, now)
            content = files[name] = json_bytes(document)
            file = published_file(name, content, document)
            entry = (
                replace(entry, history=file)
                if kind == "history"
                else replace(entry, prediction=file)
            )
    champion = None if forecast.empty else str(forecast["model_version"].iloc[0])
    return Publication(replace(entry, champion=champion), files, len(history), now, is_current)


class Publisher:
    """The published folder. Under one lock, the files of a series and its entry change together.

    Args:
        folder: the published folder. Web servers serve it, so it holds published files only.
        locks: folder of the home's lock.
        series_list: all series of the manifest, in its order.
        limits: by timeframe name.
        market: where the candles come from; the manifest names it. None: it does not.
    """

    def __init__(
        self,
        folder: Path,
        locks: Path,
        series_list: Sequence[Series],
        limits: dict[str, FreshnessLimits],
        market: str | None = None,
    ) -> None:
        self._folder = folder
        self._locks = locks
        self.series_list = series_list
        self._limits = limits
        self._market = market
        self._reader = PublishedFolder(folder, series_list, market)

    @property
    def folder(self) -> Path:
        """The published folder."""
        return self._folder

    def publish(self, publication: Publication, inputs: ManifestInputs) -> Document:
        """Write the files of one series and the manifest; returns the manifest."""
        return self.publish_all([publication], inputs)

    def publish_all(self, publications: Sequence[Publication], inputs: ManifestInputs) -> Document:
        """Write the files of several series, then the manifest, which is returned.

        A series becomes public when its history is complete, and stays public.

        Raises:
            MachineFault: the machine failed; files that were not written stay as they are.
            CorruptArtefact: a folder is in the place of a file.
        """
        with self._locked():
            remove_partials(self._folder)
            known = self._reader.known_facts(inputs.is_complete)
            for publication in publications:
                series = publication.entry.series
                known[series] = publication.entry_after(known[series], inputs.is_complete)
                for name, content in publication.files.items():
                    self._write(name, content)
            manifest = self._document(known, inputs)
            self._write_manifest(manifest)
        return manifest

    def require_free(self, publication: Publication) -> None:
        """Check that nothing is in the place of the files of a publication, before it is written.

        Raises:
            MachineFault: the machine failed.
            CorruptArtefact: a folder is in the place of a file.
        """
        for name in publication.files:
            path = self._folder / name
            with read_errors_named(path, _IN_THE_WAY):
                if path.is_dir() and not path.is_symlink():
                    raise CorruptArtefact(f"{path} is a folder, not a file. {_IN_THE_WAY}")

    def inspect(self) -> dict[Series, ManifestEntry]:
        """Entries of the manifest, checked against the files.

        Missing files are left out; a file with other content sets ``corrupt``.

        Raises:
            MachineFault: the machine failed, so nobody knows whether a file is intact.
        """
        with self._locked():
            return self._reader.inspected(lambda _series: False)

    def refresh(
        self,
        inputs: ManifestInputs,
        *,
        differing: Mapping[Series, FileDifference] | None = None,
        qualities: Mapping[Series, Document | None] | None = None,
    ) -> Document | None:
        """Rewrite the manifest if an entry differs; return it then, else None.

        Args:
            differing: series with a file that differs from the store.
            qualities: scores that replace those in the manifest.
        """
        with self._locked():
            known = self._reader.inspected(inputs.is_complete)
            for series, difference in (differing or {}).items():
                if difference.still_stands():  # it was not published again meanwhile
                    known[series] = replace(known[series], corrupt=difference.reason)
            for series, quality in (qualities or {}).items():
                known[series] = replace(known[series], quality=quality)
            try:
                before = self._reader.manifest()
            except (FileNotFoundError, CorruptArtefact):
                before = {}
            after = self._document(known, inputs)
            if {**before, "generated_at": None} == {**after, "generated_at": None}:
                return None
            self._write_manifest(after)
            return after

    def write_archive_index(self, content: bytes) -> None:
        """Write the list of the archive, which the next manifest refers to."""
        with self._locked():
            write_index(self._folder, content)

    def manifest(self) -> Document:
        """The manifest.

        Raises:
            FileNotFoundError: nothing was published yet.
        """
        return self._reader.manifest()

    def difference(self, kind: str, series: Series, rows: pd.DataFrame) -> FileDifference | None:
        """As `PublishedFolder.difference`."""
        return self._reader.difference(kind, series, rows)

    def _document(self, known: Mapping[Series, ManifestEntry], inputs: ManifestInputs) -> Document:
        facts = []
        for series, fact in known.items():
            if failure := inputs.failures.get(series):
                attempts = fact.attempts.failed(failure.time, failure.error, failure.in_a_row)
                fact = replace(fact, attempts=attempts)
            facts.append(fact)
        document = manifest_document(
            facts,
            self._limits,
            inputs.now,
            inputs.outages,
            inputs.why_missing,
            self._market,
        )
        return {**document, "archive": archive_reference(self._folder)}

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock of this home, and that of the folder, for other homes that write there."""
        with (
            read_errors_named(self._folder, _IN_THE_WAY),
            locked(self._locks),
            folder_locked(self._folder),
        ):
            yield

    def _write_manifest(self, document: Document) -> None:
        (self._folder / _FORMER_LOCK).unlink(missing_ok=True)
        write_atomically(self._folder / MANIFEST, json_bytes(document, indent=1))

    def _write(self, name: str, content: bytes | None) -> None:
        if content is None:
            (self._folder / name).unlink(missing_ok=True)
        else:
            write_atomically(self._folder / name, content)
