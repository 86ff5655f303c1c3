"""Writer of the published folder: objects and files, then the manifest, then the page."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pandas as pd

from coin_assets.domain.json_format import Document
from coin_assets.domain.limits import FreshnessLimits
from coin_assets.domain.publishing.documents import EVALUATION, EVALUATIONS, file_name
from coin_assets.domain.publishing.manifest import manifest_document
from coin_assets.domain.publishing.manifest_entries import (
    UNNAMED,
    Installation,
    ManifestEntry,
    PublishedFile,
)
from coin_assets.domain.publishing.root import MANIFEST
from coin_assets.domain.series import Series
from coin_assets.errors import CorruptArtefact
from coin_assets.files.atomic import remove_partials, write_atomically
from coin_assets.files.leases import require_leases
from coin_assets.files.locks import fence, folder_locked, locked
from coin_assets.files.strict_json import content_of, read_errors_named
from coin_assets.publish.archive import archive_reference, write_index
from coin_assets.publish.folder import FileDifference, PublishedFolder
from coin_assets.publish.json_files import json_bytes
from coin_assets.publish.objects import ObjectFolder
from coin_assets.publish.publication import EvaluationFile, ManifestInputs, Publication
from coin_assets.publish.root import PublishedRoot

_LOG = logging.getLogger(__name__)
_IN_THE_WAY = "Move what is in its place; publish_due writes it again."
_FORMER_LOCK = ".lock"  # of releases that locked by a file in the published folder


class Publisher:
    """The published folder. Under one lock, the files of a series and its entry change together.

    Args:
        folder: the published folder. Web servers serve it, so it holds published files only. A
            shard has a folder of its own in it.
        locks: folder of the home's lock.
        series_list: all series of the manifest, in its order.
        limits: by timeframe name.
        installation: what the manifest says of it.
    """

    def __init__(
        self,
        folder: Path,
        locks: Path,
        series_list: Sequence[Series],
        limits: dict[str, FreshnessLimits],
        installation: Installation = UNNAMED,
    ) -> None:
        self._root = PublishedRoot(folder, installation)
        self._folder = folder = self._root.own
        self._locks = locks / installation.shard.folder
        self.series_list = series_list
        self._limits = limits
        self._installation = installation
        self._reader = PublishedFolder(folder, series_list, installation.market)
        self._objects = ObjectFolder(folder)

    @property
    def folder(self) -> Path:
        """The folder that holds its manifest."""
        return self._folder

    def take_over_archive(self) -> None:
        """As `PublishedRoot.take_over_archive`, of all series."""
        self._root.take_over_archive(self.series_list)

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
            known |= self._root.taken_over(known)
            files, shown = dict[str, bytes | None](), set[str]()
            for publication in publications:
                series = publication.entry.series
                known[series] = publication.entry_after(known[series], inputs.is_complete)
                files |= publication.files
                if known[series].is_public:
                    shown |= publication.files.keys()
            self._objects.write(
                {name: content for name, content in files.items() if content is not None}, shown
            )
            for name, content in files.items():
                if content is None:
                    require_leases()
                    (self._folder / name).unlink(missing_ok=True)
            manifest = self._document(known, inputs)
            self._write_manifest(manifest)
            self._settle(known)
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
            known = self._reader.inspected(lambda _series: False)
            return known | self._root.found_elsewhere(known)

    def refresh(
        self,
        inputs: ManifestInputs,
        *,
        differing: Mapping[Series, FileDifference] | None = None,
        qualities: Mapping[Series, Document | None] | None = None,
        evaluations: Mapping[Series, EvaluationFile | None] | None = None,
    ) -> Document | None:
        """Rewrite the manifest if an entry differs; return it then, else None.

        Makes lost objects again, and removes those that are kept no longer.

        Args:
            differing: series with a file that differs from the store.
            qualities: scores that replace those in the manifest.
            evaluations: that replace the evaluation files.
        """
        with self._locked():
            known = self._reader.inspected(inputs.is_complete)
            known |= self._root.taken_over(known)
            for series, difference in (differing or {}).items():
                if difference.still_stands():  # it was not published again meanwhile
                    known[series] = replace(known[series], corrupt=difference.reason)
            for series, quality in (qualities or {}).items():
                known[series] = replace(known[series], quality=quality)
            for series, evaluation in (evaluations or {}).items():
                known[series] = self._with_evaluation(known[series], evaluation)
            known = {series: self._with_objects(entry) for series, entry in known.items()}
            try:
                before = self._reader.manifest()
            except (FileNotFoundError, CorruptArtefact):
                before = {}
            after = self._document(known, inputs)
            is_same = {**before, "generated_at": None} == {**after, "generated_at": None}
            if not is_same:
                self._write_manifest(after)
            self._objects.sweep(content_of(self._folder / MANIFEST, _IN_THE_WAY))
            self._settle(known)
            return None if is_same else after

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

    def _settle(self, known: Mapping[Series, ManifestEntry]) -> None:
        self._root.settle([each for each, entry in known.items() if entry.files], time.time())

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
            self._installation,
        )
        return {**document, "archive": archive_reference(self._folder)}

    def _with_evaluation(
        self, entry: ManifestEntry, evaluation: EvaluationFile | None
    ) -> ManifestEntry:
        """``entry`` with the evaluation, whose file is written if it is another one."""
        name, listed = file_name(EVALUATION, entry.series), entry.evaluation
        if evaluation is None:
            require_leases()
            (self._folder / name).unlink(missing_ok=True)
            return entry.with_files({EVALUATION: None})
        if not entry.is_public or (listed and listed.sha256 == evaluation.sha256):
            return entry
        content = evaluation.content()
        if content is None:  # until the series is evaluated again
            return entry
        remove_partials(self._folder / EVALUATIONS)
        self._objects.write({name: content}, {name})
        size = len(content)
        file = PublishedFile(name, evaluation.sha256, size, evaluation.as_of, has_object=True)
        return entry.with_files({EVALUATION: file})

    def _with_objects(self, entry: ManifestEntry) -> ManifestEntry:
        """``entry`` of a public series with the objects that it lacks, made of its files."""
        if not entry.is_public:
            return entry
        return entry.with_files(
            {
                name: replace(file, has_object=self._objects.restore(file))
                for name, file in entry.files.items()
                if not file.has_object
            }
        )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock of this home, and that of the folder, for other homes that write there."""
        with (
            read_errors_named(self._folder, _IN_THE_WAY),
            locked(self._locks),
            folder_locked(self._folder),
        ):
            fence(self._folder)
            fence(self._folder / EVALUATIONS)
            yield

    def _write_manifest(self, document: Document) -> None:
        (self._folder / _FORMER_LOCK).unlink(missing_ok=True)
        path, content = self._folder / MANIFEST, json_bytes(document, indent=1)
        try:
            before: bytes | None = content_of(path, _IN_THE_WAY)
        except (FileNotFoundError, CorruptArtefact):  # a link that leads nowhere is replaced
            before = None
        self._objects.retire(before, content)
        _make_way(path)
        write_atomically(path, content)


def _make_way(path: Path) -> None:
    """Move a folder in the place of the manifest aside, because the manifest says what is wrong."""
    if path.is_dir() and not path.is_symlink():
        aside = path.with_name(f"{path.name}.in_the_way-{time.time_ns()}")
        path.rename(aside)
        _LOG.warning("a folder was in the place of %s; it is %s now", path, aside)
