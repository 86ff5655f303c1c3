"""Reader of the published folder: the manifest, and whether the files match it."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from coin_assets.domain.json_format import Document, parse_time
from coin_assets.domain.publishing.documents import (
    EVALUATION,
    file_name,
    history_document,
    overview_of,
    prediction_document,
    without_close_times,
)
from coin_assets.domain.publishing.manifest_entries import (
    HIDDEN,
    PUBLIC,
    ManifestEntry,
    PublishedFile,
)
from coin_assets.domain.publishing.manifest_reading import ListedEntries, entries_of_manifest
from coin_assets.domain.publishing.root import MANIFEST
from coin_assets.domain.series import Series
from coin_assets.errors import CorruptArtefact, MachineFault
from coin_assets.files.cache import FileCache
from coin_assets.files.checksummed_json import parsed
from coin_assets.files.faults import faults_of_one_file
from coin_assets.files.hashes import file_hash
from coin_assets.files.strict_json import CONTENT_ERRORS, content_of, read_errors_named, shown
from coin_assets.publish.json_files import (
    REPUBLISHED,
    json_bytes,
    published_file,
    required_document,
)
from coin_assets.publish.objects import ObjectFolder

_REMADE = "publish_due writes it again."


class _Manifest(NamedTuple):
    """A manifest, and its entries; None of a manifest of another version or form."""

    document: Document
    listed: ListedEntries | None


# Sensors read the manifest every few seconds. A process looks at few folders.
_MANIFESTS: FileCache[_Manifest] = FileCache(10)


@dataclass(frozen=True)
class FileDifference:
    """A published file whose content differs from the store; ``sha256`` is of the file."""

    path: Path
    sha256: str | None
    reason: str

    def still_stands(self) -> bool:
        """Whether the file is unchanged since the comparison."""
        try:
            return file_hash(self.path, REPUBLISHED) == self.sha256
        except CorruptArtefact:
            return self.sha256 is None


class PublishedFolder:
    """Reader of the published folder; hold its lock for a consistent view.

    Args:
        market: that a manifest must name, if it names one.
    """

    def __init__(
        self, folder: Path, series_list: Sequence[Series], market: str | None = None
    ) -> None:
        self._folder = folder
        self._series_list = series_list
        self._market = market
        self._objects = ObjectFolder(folder)

    def manifest(self) -> Document:
        """The manifest.

        The document is cached. Callers must not modify it.

        Raises:
            FileNotFoundError: nothing was published yet.
            MachineFault: the machine failed; the file may be intact.
            CorruptArtefact: it is no JSON document.
        """
        return self._read().document

    def known_facts(self, is_complete: Callable[[Series], bool]) -> dict[Series, ManifestEntry]:
        """Entries of all series from the last manifest; series that it lacks are unpublished.

        The files themselves replace what it does not list: files of hidden series, series whose
        entry is damaged, and everything if the manifest is lost or of another version. Of another
        market's manifest nothing is used, and every series is corrupt until it is published.
        """
        try:
            manifest, listed = self._read()
        except (FileNotFoundError, CorruptArtefact):
            manifest, listed = {}, None
        if listed is None:
            manifest, listed = {}, ListedEntries({}, "the manifest cannot be read")
        if (foreign := self._foreign(manifest)) is not None:
            return {
                series: replace(
                    _unpublished(series),
                    corrupt=foreign,
                    visibility=PUBLIC if is_complete(series) else HIDDEN,
                )
                for series in self._series_list
            }
        known = {}
        for series in self._series_list:
            facts = listed.by_name.get((series.symbol, series.timeframe.name))
            if facts is None and listed.damage is not None:
                known[series] = self._facts_without_manifest(series, is_complete)
                continue
            facts = facts or _unpublished(series)
            known[series] = facts if facts.is_public else _unless_unread(facts, self._with_files)
        return known

    def inspected(self, is_complete: Callable[[Series], bool]) -> dict[Series, ManifestEntry]:
        """`known_facts` without files and objects that are gone; ``corrupt`` if a hash differs.

        Files are hashed when they change, and periodically. An entry of which the machine cannot
        read a file stays as it is listed, with ``fault`` set: readers compare hash and age.

        Raises:
            MachineFault: the machine failed for all files, so nobody knows whether they are intact.
        """
        return {
            series: _unless_unread(facts, self._verified)
            for series, facts in self.known_facts(is_complete).items()
        }

    def difference(self, kind: str, series: Series, rows: pd.DataFrame) -> FileDifference | None:
        """Difference between the published file and one made of ``rows``; None without one.

        A missing file is no difference. Nor is the form of an earlier release, which stays until
        the file is written again.

        Raises:
            MachineFault: the machine failed; the file may be intact.
        """
        path, content = self._folder / file_name(kind, series), None
        try:
            content = content_of(path, REPUBLISHED)
            written = parse_time(parsed(path, content, REPUBLISHED)["updated_at"])
        except FileNotFoundError:
            return None
        except (CorruptArtefact, *CONTENT_ERRORS) as error:
            digest = None if content is None else hashlib.sha256(content).hexdigest()
            return FileDifference(path, digest, self._reason(path, error))
        if kind == "history":
            is_same = content == json_bytes(history_document(series, rows, written))
        else:
            document = prediction_document(series, rows, written)
            forms = (document, without_close_times(document))
            is_same = any(content == json_bytes(form) for form in forms)
        if is_same:
            return None
        reason = f"{path.name} differs from what is stored"
        return FileDifference(path, hashlib.sha256(content).hexdigest(), reason)

    def _read(self) -> _Manifest:
        """Raises: as `manifest`."""
        path = self._folder / MANIFEST
        with read_errors_named(path, _REMADE):
            return _MANIFESTS.of(str(path), lambda _path: _manifest_at(path))

    def _foreign(self, manifest: Document) -> str | None:
        """Why a manifest belongs to another market's folder; None if it does not."""
        if self._market is None or manifest.get("market", self._market) == self._market:
            return None
        return (
            f"{MANIFEST} belongs elsewhere: its market is {shown(manifest['market'])}, not "
            f"{self._market!r}. {REPUBLISHED}"
        )

    def of_files(self, series: Series) -> ManifestEntry:
        """The entry of a series by its files alone."""
        return _unless_unread(_unpublished(series), self._with_files)

    def _facts_without_manifest(
        self, series: Series, is_complete: Callable[[Series], bool]
    ) -> ManifestEntry:
        facts = self.of_files(series)
        published = facts != _unpublished(series)
        return replace(facts, visibility=PUBLIC) if published and is_complete(series) else facts

    def _with_files(self, facts: ManifestEntry) -> ManifestEntry:
        """``facts`` completed from the files of the series."""
        documents = dict[str, Document]()
        for kind in ("history", "prediction"):
            path = self._folder / file_name(kind, facts.series)
            try:
                content = content_of(path, REPUBLISHED)
                document = documents[kind] = required_document(kind, facts.series, path, content)
                file = published_file(path.name, content, document)
            except FileNotFoundError:
                continue
            except CorruptArtefact as error:
                return replace(facts, corrupt=self._reason(path, error))
            facts = replace(facts, champion=document.get("model_version", facts.champion))
            facts = facts.with_files({kind: self._with_object(file)})
        if len(documents) > 1:
            facts = replace(facts, overview=overview_of(facts.series, **documents))
        return facts

    def _verified(self, facts: ManifestEntry) -> ManifestEntry:
        corrupt, found = facts.corrupt, dict[str, PublishedFile | None]()
        for kind, file in (("history", facts.history), ("prediction", facts.prediction)):
            path = self._folder / file_name(kind, facts.series)
            try:
                digest = file_hash(path, REPUBLISHED)
            except CorruptArtefact as error:
                digest, corrupt = "", self._reason(path, error)
            found[kind] = file if file is None else self._with_object(file, digest)
            if digest is None:
                found[kind] = None
            if file is None or digest is None or (digest, path.name) == (file.sha256, file.name):
                continue
            corrupt = self._why_another(kind, facts.series, path)
        found[EVALUATION] = self._whole_evaluation(facts)
        return replace(facts.with_files(found), corrupt=corrupt)

    def _with_object(self, file: PublishedFile, digest: str | None = None) -> PublishedFile:
        """``file``, which has an object if that is whole.

        Args:
            digest: hash of what has the file's name now; by default that of the file.
        """
        return replace(file, has_object=self._objects.holds(file, digest or file.sha256))

    def _whole_evaluation(self, facts: ManifestEntry) -> PublishedFile | None:
        """The evaluation file; None if it is lost or damaged, for it is written again."""
        file = facts.evaluation
        try:
            if file is None or file_hash(self._folder / file.name, _REMADE) != file.sha256:
                return None
        except CorruptArtefact:
            return None
        return self._with_object(file)

    def _why_another(self, kind: str, series: Series, path: Path) -> str:
        """Why a file is not the one that the manifest lists."""
        try:
            required_document(kind, series, path, content_of(path, REPUBLISHED))
        except FileNotFoundError:
            return f"{path.name} is gone"
        except CorruptArtefact as error:
            return self._reason(path, error)
        return f"{path.name} is not the file that was published"

    def _reason(self, path: Path, error: Exception) -> str:
        """What the manifest says of a damaged file: without the folder, which readers never see."""
        if isinstance(error, CorruptArtefact):
            return str(error).replace(f"{self._folder}/", "")
        return f"{path.name} cannot be read ({shown(error)})"


def _unless_unread(
    facts: ManifestEntry, look: Callable[[ManifestEntry], ManifestEntry]
) -> ManifestEntry:
    """``look(facts)``; ``facts`` with the fault if the machine cannot read a file of the series."""
    faults: list[MachineFault] = []
    with faults_of_one_file(faults):
        return look(facts)
    return replace(facts, fault=faults[0])


def _manifest_at(path: Path) -> _Manifest:
    document = parsed(path, content_of(path, _REMADE), _REMADE)
    try:
        return _Manifest(document, entries_of_manifest(document))
    except CONTENT_ERRORS:
        return _Manifest(document, None)


def _unpublished(series: Series) -> ManifestEntry:
    """The entry of a series without files; its candles may be enough for a forecast."""
    return ManifestEntry(series, enough_candles=True)
