"""Immutable names of published files: ``objects/<sha256>.json`` holds the same bytes for ever.

A reader that follows them never meets a file of another manifest, behind any cache. An object is a
hard link of its file, or a copy where the file system has no links. It is kept for `KEPT_SECONDS`
after the manifest lists it no more. That moment is its change time (ctime), which no program can
set: a copy of the folder begins anew. Callers hold the lock of the folder.
"""

import contextlib
import errno
import hashlib
import logging
import os
import re
import time
from collections.abc import Container, Iterator, Mapping
from pathlib import Path

from coin_assets.domain.publishing.manifest_entries import OBJECTS, PublishedFile, object_name
from coin_assets.errors import CorruptArtefact, LockLost
from coin_assets.files.atomic import (
    make_folder,
    replace,
    sync_folder,
    write_atomically,
    write_partial,
)
from coin_assets.files.hashes import file_hash
from coin_assets.files.strict_json import content_of

KEPT_SECONDS = 24 * 3600.0
MOST_REMOVED = 5_000  # in one sweep, which holds the lock
_SWEEP_SECONDS = 600.0
_REMEDY = "publish_due writes it again."
_NAME = re.compile(r"[0-9a-f]{64}\.json")
_LISTED = re.compile(rf"{OBJECTS}/({_NAME.pattern})".encode())
# What link(2) fails with where there are no hard links, or no more of this file.
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV, errno.EMLINK}
_LOG = logging.getLogger(__name__)
_SWEPT: dict[Path, float] = {}  # when this process swept a folder
_NAMED: set[Path] = set()  # strays that this process has named


class ObjectFolder:
    """The objects of a published folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._objects = folder / OBJECTS

    def write(self, contents: Mapping[str, bytes], with_object: Container[str]) -> None:
        """Replace files: new contents and objects are on the disk before the first name changes.

        Args:
            contents: by name in the published folder.
            with_object: names of the files that get an object.
        """
        partials, made = dict[Path, Path](), list[Path]()
        try:
            for name, content in contents.items():
                path = self._folder / name
                partial = write_partial(path, content)
                partials[partial] = path
                if name in with_object:
                    made += self._add(partial, content)
            if made:
                sync_folder(self._objects)
        except BaseException:
            for each in (*partials, *made):  # a full disk shall not keep them
                with contextlib.suppress(OSError):
                    each.unlink()
            raise
        try:
            for partial, path in partials.items():
                replace(partial, path)
        except LockLost:  # another holder may use the objects by now; what is prepared is ours
            for partial in partials:
                partial.unlink(missing_ok=True)
            raise
        for folder in {path.parent for path in partials.values()}:
            sync_folder(folder)

    def holds(self, file: PublishedFile, digest: str) -> bool:
        """Whether the object of a file is whole.

        Args:
            digest: hash of what has the file's name now.
        """
        name = object_name(file.sha256)
        with contextlib.suppress(OSError):  # what cannot be compared is read
            # Texts: a Path takes three times as long, and sensors compare thousands of files.
            if digest == file.sha256 and os.path.samefile(  # noqa: PTH121
                f"{self._folder}/{name}", f"{self._folder}/{file.name}"
            ):
                return True
        return _is_whole(self._folder / name, file.sha256)

    def restore(self, file: PublishedFile) -> bool:
        """Make the object of a file again; False if the file is not the one that is meant."""
        path = self._folder / file.name
        try:
            content = content_of(path, _REMEDY)
        except (FileNotFoundError, CorruptArtefact):
            return False
        if hashlib.sha256(content).hexdigest() != file.sha256:
            return False
        if self._add(path, content):
            sync_folder(self._objects)
        return True

    def retire(self, before: bytes | None, after: bytes) -> None:
        """Let the time begin of objects that the next manifest lists no more.

        Args:
            before: the manifest that stands; None if it is lost, when any object may be in use.
            after: the next one.
        """
        if before is None:
            known = {each.name for each in self._entries() if _NAME.fullmatch(each.name)}
        else:
            known = listed_objects(before)
        for name in known - listed_objects(after):
            _touch(self._objects / name)

    def sweep(self, manifest: bytes) -> None:
        """Remove what is kept no longer, now and then; see `remove_old`."""
        swept, now = _SWEPT.get(self._folder), time.monotonic()
        if swept is None or now - swept >= _SWEEP_SECONDS:
            self.remove_old(listed_objects(manifest), time.time())
            _SWEPT[self._folder] = now

    def remove_old(self, listed: Container[str], now: float) -> int:
        """Remove objects that are not listed and changed `KEPT_SECONDS` before ``now``.

        At most `MOST_REMOVED`. Other files are named once, in the log, and left as they are.

        Returns:
            How many were removed.
        """
        removed = 0
        for each in self._entries():
            path = Path(each.path)
            if each.name.startswith(".") and each.name.endswith(".partial"):
                path.unlink(missing_ok=True)  # of a killed publisher
            elif not _NAME.fullmatch(each.name) or not each.is_file(follow_symlinks=False):
                _name_stray(path)
            elif each.name not in listed and removed < MOST_REMOVED:
                age = now - each.stat(follow_symlinks=False).st_ctime
                if age < 0:  # the clock was set back since
                    _touch(path)
                elif age > KEPT_SECONDS:
                    path.unlink(missing_ok=True)
                    removed += 1
        return removed

    def _entries(self) -> Iterator["os.DirEntry[str]"]:
        try:
            with os.scandir(self._objects) as found:
                yield from found
        except FileNotFoundError:
            return

    def _add(self, source: Path, content: bytes) -> list[Path]:
        """Give ``content``, which is in ``source``, its object; the path of a new one."""
        sha256 = hashlib.sha256(content).hexdigest()
        path = self._folder / object_name(sha256)
        if _is_whole(path, sha256):
            return []
        make_folder(path.parent)
        path.unlink(missing_ok=True)  # damaged
        try:
            path.hardlink_to(source)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            write_atomically(path, content)
        return [path]


def listed_objects(manifest: bytes) -> set[str]:
    """Names in ``objects`` that a manifest mentions, even a damaged one."""
    return {name.decode() for name in _LISTED.findall(manifest)}


def _is_whole(path: Path, sha256: str) -> bool:
    try:
        return file_hash(path, _REMEDY) == sha256
    except CorruptArtefact:
        return False


def _touch(path: Path) -> None:
    """Set the change time of an object to now."""
    with contextlib.suppress(FileNotFoundError):
        os.utime(path)


def _name_stray(path: Path) -> None:
    if path not in _NAMED:
        _NAMED.add(path)
        _LOG.warning("%s is no published object; it is left as it is. Remove it.", path)
