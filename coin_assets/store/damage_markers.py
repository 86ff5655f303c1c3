"""Markers of damaged month files: what a reader found, for readers in other processes.

Only reading the rows finds damage behind a whole footer. ``.damaged_month=2026-11_candles.json``
is the marker of ``month=2026-11/candles.parquet``. It lies beside ``month=2026-11``, because every
reader lists that folder.
"""

import contextlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from coin_assets.domain.json_format import parse_time, time_text
from coin_assets.errors import CorruptArtefact
from coin_assets.files.atomic import write_atomically
from coin_assets.files.cache import Identity, identity_of
from coin_assets.files.faults import machine_faults_named

PREFIX = ".damaged_"


@dataclass(frozen=True)
class DamageMarker:
    """Damage of one file.

    Attributes:
        path: of the damaged file.
        identity: of the file as it was read; another one is another file.
        message: what is wrong, and what to do.
        found_at: by the clock of the machine, in whole seconds.
    """

    path: str
    identity: Identity
    message: str
    found_at: datetime

    def error(self) -> CorruptArtefact:
        """The error that readers of the file raise."""
        return CorruptArtefact(self.message, self.found_at)


def mark(path: Path, read: Identity | None, message: str) -> DamageMarker:
    """The marker of a damaged file, written unless it is there. Needs no lock.

    Args:
        read: identity of the file before it was read; None takes that of the file as it is now.
    """
    place, identity = _place(path), read or _identity(path)
    known = current(place)
    if known is not None and known.identity == identity:
        return known
    found_at = datetime.now(UTC).replace(microsecond=0)
    marker = DamageMarker(str(path), identity, message, found_at)
    document = {
        "file": f"{path.parent.name}/{path.name}",
        "identity": list(identity),
        "message": message,
        "found_at": time_text(found_at),
    }
    with contextlib.suppress(OSError):  # where nothing can be written, each process finds it anew
        write_atomically(place, json.dumps(document).encode())
    return marker


def unmark(path: Path) -> None:
    """Remove the marker of a file that was replaced or deleted."""
    _place(path).unlink(missing_ok=True)


def current(place: Path) -> DamageMarker | None:
    """The marker in a file; None if it is no marker. That of a replaced file is removed.

    Raises:
        MachineFault: the machine cannot read it; it stays.
    """
    if not place.name.startswith(PREFIX):
        return None
    try:
        with machine_faults_named(place):
            content = place.read_bytes()
    except OSError:  # gone, or a folder
        return None
    marker = _parsed(place, content)
    if marker is not None and _identity(Path(marker.path)) == marker.identity:
        return marker
    with contextlib.suppress(OSError):
        place.unlink()
    return None


def _parsed(place: Path, content: bytes) -> DamageMarker | None:
    """The marker in the content of ``place``; None if it is none, or of another file."""
    month, _, name = place.stem.removeprefix(PREFIX).rpartition("_")
    path = place.parent / month / f"{name}.parquet"
    try:
        document = json.loads(content)
        inode, size, modified, changed = map(int, document["identity"])
        message, found_at = document["message"], parse_time(document["found_at"])
        message.encode()  # half a character cannot be written anywhere
        if not message or document["file"] != f"{month}/{path.name}":
            return None
    except (AttributeError, LookupError, OverflowError, RecursionError, TypeError, ValueError):
        return None
    return DamageMarker(str(path), (inode, size, modified, changed), message, found_at)


def _identity(path: Path) -> Identity:
    """Identity of a file; zeros if it is gone."""
    try:
        return identity_of(path.stat())
    except OSError:
        return 0, 0, 0, 0


def _place(path: Path) -> Path:
    month = path.parent
    return month.parent / f"{PREFIX}{month.name}_{path.stem}.json"
