"""Reader of the published folder: the manifest, and whether the files match it."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from coin_assets.domain.json_format import Document, parse_time
from coin_assets.domain.publishing.documents import (
    file_name,
    history_document,
    prediction_document,
    without_close_times,
)
from coin_assets.domain.publishing.manifest import entries_of_manifest
from coin_assets.domain.publishing.manifest_entries import PUBLIC, ManifestEntry, PublishedFile
from coin_assets.domain.series import Series
from coin_assets.errors import ConfigurationError
from coin_assets.files.hashes import file_hash

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class FileDifference:
    """A published file whose content differs from the store; ``sha256`` is of the file."""

    path: Path
    sha256: str | None
    reason: str

    def still_stands(self) -> bool:
        """Whether the file is unchanged since the comparison."""
        return file_hash(self.path) == self.sha256


class PublishedFolder:
    """Reader of the published folder; hold its lock for a consistent view."""

    def __init__(self, folder: Path, series_list: Sequence[Series]) -> None:
        self._folder = folder
        self._series_list = series_list

    def manifest(self) -> Document:
        """The manifest.

        Raises:
            FileNotFoundError: nothing was published yet.
        """
        document: Document = json.loads((self._folder / MANIFEST).read_bytes())
        return document

    def known_facts(self, is_complete: Callable[[Series], bool]) -> dict[Series, ManifestEntry]:
        """Entries of all series from the last manifest; series that it lacks are unpublished.

        The files themselves replace what it does not list: files of hidden series, and everything
        if the manifest is lost, damaged or of another version.
        """
        try:
            listed = entries_of_manifest(self.manifest())
        except (FileNotFoundError, ConfigurationError, KeyError, TypeError, ValueError):
            return {
                series: self._facts_without_manifest(series, is_complete)
                for series in self._series_list
            }
        known = {}
        for series in self._series_list:
            facts = listed.get((series.symbol, series.timeframe.name), _unpublished(series))
            known[series] = facts if facts.is_public else self._with_files(facts)
        return known

    def inspected(self, is_complete: Callable[[Series], bool]) -> dict[Series, ManifestEntry]:
        """`known_facts` without files that are gone; ``corrupt`` is set if a hash differs.

        Files are hashed when they change, and periodically.
        """
        return {
            series: self._verified(facts) for series, facts in self.known_facts(is_complete).items()
        }

    def difference(self, kind: str, series: Series, rows: pd.DataFrame) -> FileDifference | None:
        """Difference between the published file and one made of ``rows``; None without one.

        A missing file is no difference. Nor is the form of an earlier release, which stays until
        the file is written again.
        """
        path = self._folder / file_name(kind, series)
        try:
            content = path.read_bytes()
            written = parse_time(json.loads(content)["updated_at"])
        except FileNotFoundError:
            return None
        except (KeyError, TypeError, ValueError) as error:
            reason = f"{path.name} cannot be read ({error})"
            return FileDifference(path, hashlib.sha256(content).hexdigest(), reason)
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

    def _facts_without_manifest(
        self, series: Series, is_complete: Callable[[Series], bool]
    ) -> ManifestEntry:
        facts = self._with_files(_unpublished(series))
        published = facts != _unpublished(series)
        return replace(facts, visibility=PUBLIC) if published and is_complete(series) else facts

    def _with_files(self, facts: ManifestEntry) -> ManifestEntry:
        """``facts`` completed from the files of the series."""
        for kind in ("history", "prediction"):
            path = self._folder / file_name(kind, facts.series)
            if not path.exists():
                continue
            content = path.read_bytes()
            try:
                document = json.loads(content)
                file = published_file(path.name, content, document)
                champion = document.get("model_version", facts.champion)
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                return replace(facts, corrupt=f"{path.name} cannot be read ({error})")
            facts = replace(facts, champion=champion)
            facts = (
                replace(facts, history=file)
                if kind == "history"
                else replace(facts, prediction=file)
            )
        return facts

    def _verified(self, facts: ManifestEntry) -> ManifestEntry:
        history, prediction = (
            file if file is not None and (self._folder / file.name).exists() else None
            for file in (facts.history, facts.prediction)
        )
        corrupt = facts.corrupt
        for file in (history, prediction):
            if file is not None and file_hash(self._folder / file.name) != file.sha256:
                corrupt = f"{file.name} is not the file that was published"
        return replace(facts, history=history, prediction=prediction, corrupt=corrupt)


def _unpublished(series: Series) -> ManifestEntry:
    """The entry of a series without files; its candles may be enough for a forecast."""
    return ManifestEntry(series, enough_candles=True)


def published_file(name: str, content: bytes, document: Document) -> PublishedFile:
    """Name, checksum, size in bytes and data time of a published file.

    Args:
        name: of the file in the published folder.
        content: its bytes.
        document: its JSON values.

    Raises:
        KeyError, TypeError, ValueError: ``as_of`` in ``document`` is not a time.
    """
    digest = hashlib.sha256(content).hexdigest()
    return PublishedFile(name, digest, len(content), parse_time(document["as_of"]))


def json_bytes(document: Document, indent: int | None = None) -> bytes:
    """JSON in UTF-8 with a final newline; compact without ``indent``.

    Raises:
        ValueError: a number is NaN or infinite.
    """
    separators = (",", ":") if indent is None else (",", ": ")
    text = json.dumps(document, indent=indent, separators=separators, allow_nan=False)
    return (text + "\n").encode()
