"""The record of roles in JSON files, one a key: ``roles.json`` in the folder of its versions.

An operator can read them with ``cat``; the jobs that appoint are the only ones to write them.
"""

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
    "Bring the file back from a backup. Or remove it: then the newest model is the champion from "
    "the next live forecast on, and what is known of earlier champions is lost."
)
# By file, of this process's reads.
_ROLES: FileCache[Roles] = FileCache(10_000)


def read_roles(folder: Path) -> Roles:
    """The record in the folder of a key's versions; an empty one if there is no file.

    Raises:
        CorruptArtefact: the file is not what was written.
    """
    try:
        return _ROLES.of(str(folder / _NAME), _read)
    except FileNotFoundError:
        return Roles()


def update_roles(folder: Path, change: Callable[[Roles], Roles]) -> Roles:
    """Replace the record by what ``change`` makes of it, alone with it; no byte changes if it
    stays equal.

    Raises:
        CorruptArtefact: as `read_roles`.
        As ``change``.
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
        raise CorruptArtefact(f"{path} is no record of roles ({error}). {_REMEDY}") from error


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
