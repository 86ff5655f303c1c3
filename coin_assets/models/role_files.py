"""The record of roles as JSON: ``roles.json`` in the folder of a series' versions."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from coin_assets.domain.evaluation.roles import RoleChange, Roles
from coin_assets.errors import CorruptArtefact, DataRefused
from coin_assets.files.atomic import locked, remove_partials, write_atomically
from coin_assets.files.cache import FileCache
from coin_assets.files.checksummed_json import read_checksummed, with_checksum

SCHEMA_VERSION = 1
_NAME = "roles.json"
_TIMES = ("since", "recorded_at")
_REMEDY = (
    "Restore the file from a backup. Or remove it: then the newest model becomes champion with "
    "the next live forecast, and the record of earlier champions is lost."
)
# Process-wide file cache.
_ROLES: FileCache[Roles] = FileCache(10_000)


def read_roles(folder: Path) -> Roles:
    """The record in the folder of a series' versions; empty if there is no file.

    Raises:
        CorruptArtefact: the file is damaged.
    """
    try:
        return _ROLES.of(str(folder / _NAME), _read)
    except FileNotFoundError:
        return Roles()


def update_roles(folder: Path, change: Callable[[Roles], Roles]) -> Roles:
    """Replace the record by the result of ``change``, under the folder's lock.

    An equal record is not written.

    Returns:
        The new record.

    Raises:
        CorruptArtefact: as `read_roles`.
        Exception: raised by ``change``.
    """
    with locked(folder):
        known = read_roles(folder)
        wanted = change(known)
        if wanted != known:
            remove_partials(folder)
            write_atomically(folder / _NAME, with_checksum(_document(wanted)))
    return wanted


def _read(path: str) -> Roles:
    document = read_checksummed(Path(path), SCHEMA_VERSION, _REMEDY)
    try:
        return Roles(tuple(_change(each) for each in document["changes"]))
    except (KeyError, TypeError, ValueError, DataRefused) as error:
        raise CorruptArtefact(f"{path} is not a record of roles ({error}). {_REMEDY}") from error


def _document(roles: Roles) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "changes": [
            {
                name: value.astimezone(UTC).isoformat() if name in _TIMES else value
                for name, value in asdict(change).items()
            }
            for change in roles.changes
        ],
    }


def _change(fields: dict[str, Any]) -> RoleChange:
    times = {name: datetime.fromisoformat(fields[name]) for name in _TIMES}
    return RoleChange(**{**fields, **times})
