"""Cached SHA-256 hashes of published files."""

import hashlib
import time
from pathlib import Path
from typing import NamedTuple

from coin_assets.files.strict_json import content_of, read_errors_named

# Files are read again after this time, to detect damage that leaves size and time unchanged.
_READ_AGAIN_SECONDS = 3600.0
_MOST_CACHED = 20_000


class _Known(NamedTuple):
    identity: tuple[int, int, int]
    sha256: str
    read_at: float


_KNOWN: dict[Path, _Known] = {}


def file_hash(path: Path, remedy: str) -> str | None:
    """SHA-256 of a file; None if it does not exist.

    Raises:
        MachineFault, CorruptArtefact: as `content_of`.
    """
    try:
        with read_errors_named(path, remedy):
            status = path.stat()
        identity = status.st_ino, status.st_size, status.st_mtime_ns
        known, now = _KNOWN.get(path), time.monotonic()
        if known and known.identity == identity and now - known.read_at < _READ_AGAIN_SECONDS:
            return known.sha256
        sha256 = hashlib.sha256(content_of(path, remedy)).hexdigest()
    except FileNotFoundError:
        return None
    if len(_KNOWN) >= _MOST_CACHED:
        _KNOWN.clear()
    _KNOWN[path] = _Known(identity, sha256, now)
    return sha256
