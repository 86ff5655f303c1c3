"""The published archive on disk: its files, and the list of them.

Files are written beside those that they replace, and take their places together, just before the
list does. A process that is killed leaves the old files, or new ones that the next run lists.
"""

import contextlib
import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from coin_assets.domain.json_format import Document, parse_time
from coin_assets.domain.publishing.archive import (
    CANDLES,
    FOLDER,
    INDEX,
    ArchivedFile,
    ArchivePlace,
    files_of_index,
    folder_of,
    index_document,
)
from coin_assets.domain.publishing.manifest_entries import object_name
from coin_assets.domain.series import Series
from coin_assets.errors import ConfigurationError, CorruptArtefact
from coin_assets.files.atomic import (
    make_folder,
    remove_partials,
    replace,
    sync_folder,
    write_partial,
)
from coin_assets.files.cache import FileCache
from coin_assets.files.checksummed_json import parsed
from coin_assets.files.faults import machine_faults_named
from coin_assets.files.locks import folder_locked
from coin_assets.files.strict_json import (
    CONTENT_ERRORS,
    content_of,
    read_errors_named,
    shown,
)
from coin_assets.publish import archive_tables
from coin_assets.publish.json_files import json_bytes
from coin_assets.publish.objects import ObjectFolder

_REMEDY = "publish_archive writes it again."
_LOG = logging.getLogger(__name__)
_REFERENCES: FileCache[Document] = FileCache(100)


class ArchiveFolder:
    """The archive of one published folder, for one writer.

    Args:
        folder: the published folder.
        series: that are public; the list names no file of others.
        verify: whether a file is whole only if its hash is as listed; else its size suffices.
    """

    def __init__(self, folder: Path, series: Iterable[Series], *, verify: bool = False) -> None:
        self._folder = folder
        self._verify = verify
        public = frozenset(series)
        found = _listed(folder)
        self._written = None if found is None else frozenset(found)
        self._files = {file.place: file for file in found or () if file.place.series in public}
        self._staged: dict[ArchivePlace, Path] = {}

    @property
    def files(self) -> list[ArchivedFile]:
        """The files of the next list."""
        return list(self._files.values())

    def known(self, place: ArchivePlace) -> ArchivedFile | None:
        """The file at ``place``, if there is one and it is whole.

        One that the list lacks, because a run was killed, counts with an unknown source.

        Raises:
            MachineFault: the machine failed; the file may be intact.
        """
        listed = self._files.get(place)
        if place in self._staged:
            return listed
        path = self._folder / place.name
        try:
            with read_errors_named(path, _REMEDY):
                size = path.stat().st_size
            if listed is not None and size == listed.size and not self._verify:
                return listed
            content = content_of(path, _REMEDY)
            file = _file(place, content, archive_tables.table_of(content), "")
            if listed is None or listed.sha256 != file.sha256:
                self._files[place] = listed = file
        except FileNotFoundError:
            self._files.pop(place, None)
            return None
        except (CorruptArtefact, *archive_tables.DAMAGE) as error:
            _LOG.warning("%s is damaged (%s); its rows are lost.", path, shown(error))
            self._files.pop(place, None)
            return None
        return listed

    def places(self, kind: str, series: Series) -> list[ArchivePlace]:
        """Places of a series that have a file, oldest first."""
        found = {place for place in self._files if place[:2] == (kind, series)}
        for path in (self._folder / folder_of(kind, series)).glob(f"month=*/{kind}.parquet"):
            with contextlib.suppress(ValueError):
                month = datetime.strptime(path.parent.name, "month=%Y-%m").replace(tzinfo=UTC)
                found.add(ArchivePlace(kind, series, month))
        return sorted(found, key=lambda place: place.month)

    def table(self, place: ArchivePlace) -> pa.Table | None:
        """Rows of a file; None if there is none, or it is damaged.

        Raises:
            MachineFault: the machine failed; the file may be intact.
        """
        if self.known(place) is None:
            return None
        path = self._staged.get(place, self._folder / place.name)
        try:
            return archive_tables.table_of(content_of(path, _REMEDY))
        except (CorruptArtefact, *archive_tables.DAMAGE) as error:
            _LOG.warning("%s is damaged (%s); its rows are lost.", path, shown(error))
            return None

    def put(self, place: ArchivePlace, tables: Iterable[pa.Table], source: str) -> bool:
        """Write a file beside the one that it shall replace; False if that holds the same bytes.

        Args:
            tables: its rows, in order; at least one has any.
            source: digest of what the rows were made of.

        Raises:
            MachineFault: the machine failed; the file that is there stays.
        """
        known = self.known(place)
        content = archive_tables.content_of(place, tables)
        file = _file(place, content, archive_tables.times_of(content, place.kind), source)
        if known is not None and known.sha256 == file.sha256:
            self._files[place] = file
            return False
        path = self._folder / place.name
        with machine_faults_named(path):
            make_folder(path.parent)
            remove_partials(path.parent)  # of killed runs
            try:
                self._staged[place] = write_partial(path, content)
            except OSError:  # a full disk shall not keep it
                remove_partials(path.parent)
                raise
        self._files[place] = file
        return True

    def forget(self, place: ArchivePlace) -> None:
        """Leave a file out of the list."""
        self._files.pop(place, None)
        self._staged.pop(place, None)

    def commit(self, now: datetime, write_list: Callable[[bytes], None]) -> bool:
        """Let what `put` wrote take its place, and write the list if it changed.

        Args:
            write_list: writes the list's content; see `write_index`.

        Returns:
            Whether the list was written.

        Raises:
            MachineFault: the machine failed; the next run completes it.
        """
        for place, partial in self._staged.items():
            path = self._folder / place.name
            with machine_faults_named(path):
                replace(partial, path)
                sync_folder(path.parent)
        self._staged.clear()
        wanted = frozenset(self._files.values())
        if wanted == self._written:
            return False
        write_list(json_bytes(index_document(wanted, now)))
        self._written = wanted
        return True


@contextlib.contextmanager
def archive_locked(folder: Path) -> Iterator[None]:
    """Hold the lock of the archive's writer; as a file on NFS it may be missing.

    Raises:
        MachineFault: the machine failed.
    """
    with machine_faults_named(folder), folder_locked(folder / FOLDER):
        yield


def write_index(folder: Path, content: bytes) -> None:
    """Replace the list and give it its immutable name, which comes first.

    The caller holds the lock of the published folder.
    """
    ObjectFolder(folder).write({INDEX: content}, {INDEX})


def archive_reference(folder: Path) -> Document | None:
    """Reference of the manifest to the list of the archive; None if there is none.

    Raises:
        MachineFault: the machine failed; the list may be intact.
    """
    path = folder / INDEX
    try:
        reference = _REFERENCES.of(str(path), lambda _: _reference(path))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except CorruptArtefact as error:
        _LOG.warning("%s", error)
        return None
    has_object = (folder / reference["object"]).is_file()
    return {name: reference[name] for name in reference if name != "object" or has_object}


def _reference(path: Path) -> Document:
    content = content_of(path, _REMEDY)
    document = parsed(path, content, _REMEDY)
    try:
        as_of = document["as_of"]
        if as_of is not None:
            parse_time(as_of)
    except CONTENT_ERRORS as error:
        raise CorruptArtefact(f"{path} cannot be read ({shown(error)}). {_REMEDY}") from error
    digest = hashlib.sha256(content).hexdigest()
    return {
        "file": INDEX,
        "object": object_name(digest),
        "sha256": digest,
        "bytes": len(content),
        "as_of": as_of,
    }


def _listed(folder: Path) -> list[ArchivedFile] | None:
    """Files of the list; None if it is lost or damaged."""
    path = folder / INDEX
    try:
        return files_of_index(parsed(path, content_of(path, _REMEDY), _REMEDY))
    except FileNotFoundError:
        return None
    except (CorruptArtefact, ConfigurationError, *CONTENT_ERRORS) as error:
        _LOG.warning("%s cannot be used (%s). %s", path, shown(error), _REMEDY)
        return None


def _file(place: ArchivePlace, content: bytes, table: pa.Table, source: str) -> ArchivedFile:
    newest = archive_tables.newest_of(table, place.kind).to_pydatetime()
    as_of = place.series.timeframe.close_of(newest) if place.kind == CANDLES else newest
    digest = hashlib.sha256(content).hexdigest()
    return ArchivedFile(place, digest, len(content), len(table), as_of, source)
