"""What all shards share in the published folder: the root manifest, and files of moved symbols.

Without shards the published folder is that of the one shard, and the root has nothing of its own.
After a change of `COIN_SHARDS` a symbol may belong to another shard. Its new shard copies the files
that are published elsewhere into its own folder, so that they never vanish, and removes the old
names once readers find the new ones. Nothing here needs a lock: all shards write the same bytes to
the root, and each file elsewhere has one new owner.
"""

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from coin_assets.domain.publishing.archive import FOLDER as ARCHIVE
from coin_assets.domain.publishing.archive import INDEX as ARCHIVE_INDEX
from coin_assets.domain.publishing.archive import KINDS
from coin_assets.domain.publishing.archive import folder_of as archive_folder_of
from coin_assets.domain.publishing.documents import EVALUATION, EVALUATIONS, file_name
from coin_assets.domain.publishing.manifest_entries import (
    OBJECTS,
    PUBLIC,
    Installation,
    ManifestEntry,
)
from coin_assets.domain.publishing.root import MANIFEST, root_document, shard_in
from coin_assets.domain.series import Series
from coin_assets.domain.shards import Shard, folder_of
from coin_assets.errors import CorruptArtefact
from coin_assets.files.atomic import make_folder, sync_folder, write_atomically
from coin_assets.files.checksummed_json import parsed
from coin_assets.files.strict_json import CONTENT_ERRORS, content_of
from coin_assets.publish.folder import PublishedFolder
from coin_assets.publish.json_files import json_bytes
from coin_assets.publish.objects import ObjectFolder
from coin_assets.publish.page import copy_page

_REMEDY = "The next publishing writes it again."
_SWEEP_SECONDS = 600.0
_SWEPT: dict[tuple[Path, Shard], float] = {}  # when this process removed what had moved


class PublishedRoot:
    """The published folder of an installation, with or without shards.

    Args:
        folder: `COIN_PUBLISH_DIR`.
        installation: names the shard that publishes, and its market.
    """

    def __init__(self, folder: Path, installation: Installation) -> None:
        self._root, self._shard = folder, installation.shard
        self._market = installation.market
        self.own = folder / installation.shard.folder

    def found_elsewhere(
        self, entries: Mapping[Series, ManifestEntry]
    ) -> dict[Series, ManifestEntry]:
        """Entries of series that have files elsewhere and none here.

        A file that has an object was public, and its series stays so.

        Args:
            entries: of the own folder.
        """
        return {series: entry for series, (_, entry) in self._moved(entries).items()}

    def taken_over(self, entries: Mapping[Series, ManifestEntry]) -> dict[Series, ManifestEntry]:
        """As `found_elsewhere`; copies these files into the own folder."""
        found = {}
        for series, (place, entry) in self._moved(entries).items():
            with suppress(FileNotFoundError, CorruptArtefact):  # a run of before replaces it
                found[series] = self._copied(place, entry)
        return found

    def settle(self, published: Iterable[Series], now: float) -> None:
        """Write what is shared if it differs, and remove what has moved, now and then.

        Args:
            published: series with files in the own folder, as its manifest lists them.
            now: seconds since 1970, by which objects age.
        """
        if self._shard.is_first:
            copy_page(self._root)
        if not self._shard.is_alone and not self._root_is_written():
            return
        key, clock = (self._root, self._shard), time.monotonic()
        if key not in _SWEPT or clock - _SWEPT[key] >= _SWEEP_SECONDS:
            _SWEPT[key] = clock
            self._remove_moved(list(published), now)

    def take_over_archive(self, series_list: Iterable[Series]) -> None:
        """Move archived months of series here that another shard archived; they have no other copy.

        The caller holds the lock of the own archive.
        """
        places = self._elsewhere()
        for name in (archive_folder_of(kind, each) for each in series_list for kind in KINDS):
            for place in places:
                target = self.own / name
                for month in sorted((place / name).glob("month=*")):
                    if not (target / month.name).exists():
                        make_folder(target)
                        with suppress(FileNotFoundError):
                            month.rename(target / month.name)
                            sync_folder(target)

    def _elsewhere(self) -> list[Path]:
        """Folders of other shards, of before too; the root if it is not the own folder.

        There has always been a shard 0, so that an installation without shards has none of them.
        """
        if not (self._root / folder_of(0)).is_dir():
            return [] if self._shard.is_alone else [self._root]
        found = [each for each in sorted(self._root.glob("shard=*")) if each.is_dir()]
        return [each for each in (self._root, *found) if each != self.own]

    def _moved(
        self, entries: Mapping[Series, ManifestEntry]
    ) -> dict[Series, tuple[Path, ManifestEntry]]:
        """Where the newest files are of each series that has none here, and their entry."""
        places = self._elsewhere()
        lacking = [series for series, entry in entries.items() if not entry.files] if places else []
        found: dict[Series, tuple[Path, ManifestEntry]] = {}
        for series in lacking:
            newest: datetime | None = None
            for place in places:
                entry = PublishedFolder(place, [series], self._market).of_files(series)
                at = None if entry.corrupt or entry.fault else entry.newest_as_of
                if at is not None and (newest is None or at > newest):
                    was_public = any(file.has_object for file in entry.files.values())
                    visibility = PUBLIC if was_public else entry.visibility
                    newest, found[series] = at, (place, replace(entry, visibility=visibility))
        return found

    def _copied(self, place: Path, theirs: ManifestEntry) -> ManifestEntry:
        """The entry of the same files in the own folder."""
        contents = {
            file.name: content_of(place / file.name, _REMEDY) for file in theirs.files.values()
        }
        ObjectFolder(self.own).write(contents, contents.keys() if theirs.is_public else ())
        own = PublishedFolder(self.own, [theirs.series], self._market).of_files(theirs.series)
        return replace(own, visibility=theirs.visibility)

    def _root_is_written(self) -> bool:
        """Whether the root manifest lists these shards; it does once each has its manifest."""
        path, content = self._root / MANIFEST, json_bytes(root_document(self._shard.count), 1)
        try:
            before: bytes | None = content_of(path, _REMEDY)
        except FileNotFoundError:
            before = None
        if before == content:
            return True
        shards = (Shard(number, self._shard.count) for number in range(self._shard.count))
        if not all(self._has_manifest(each) for each in shards):
            return False  # until then readers keep what was listed before
        ObjectFolder(self._root).retire(before, content)
        write_atomically(path, content)
        return True

    def _has_manifest(self, shard: Shard) -> bool:
        """Whether the folder of a shard has a manifest of as many shards."""
        path = self._root / shard.folder / MANIFEST
        try:
            return shard_in(parsed(path, content_of(path, _REMEDY), _REMEDY)) == shard
        except (FileNotFoundError, CorruptArtefact, *CONTENT_ERRORS):
            return False

    def _remove_moved(self, published: list[Series], now: float) -> None:
        """Remove files elsewhere that the own folder has; the first shard clears unused folders."""
        live = {self._root / folder_of(number) for number in range(self._shard.count)}
        for place in self._elsewhere():
            for series in published:
                for kind in ("history", "prediction", EVALUATION):
                    (place / file_name(kind, series)).unlink(missing_ok=True)
            if self._shard.is_first and (self._shard.is_alone or place not in live):
                self._clear(place, now)

    def _clear(self, place: Path, now: float) -> None:
        """Remove what a folder that no manifest lists has left; objects a day later."""
        objects, is_root = ObjectFolder(place), place == self._root
        if not is_root:
            with suppress(FileNotFoundError):
                objects.retire(content_of(place / MANIFEST, _REMEDY), b"")
                (place / MANIFEST).unlink()
        objects.remove_old((), now)
        for name in (OBJECTS, EVALUATIONS, ARCHIVE):
            _remove_empty(place / name)
        if not any(each.is_dir() for each in (place / ARCHIVE).glob("*")):
            (place / ARCHIVE_INDEX).unlink(missing_ok=True)
            _remove_empty(place / ARCHIVE)
        if not is_root:
            _remove_empty(place)


def _remove_empty(folder: Path) -> None:
    """Remove a folder, and those in it, as far as they are empty."""
    for each in (*sorted(folder.rglob("*"), reverse=True), folder):
        with suppress(OSError):
            each.rmdir()
