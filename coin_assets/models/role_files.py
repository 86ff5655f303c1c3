"""The record of roles as JSON: ``roles.json`` in the folder of a series' versions.

The record names its series. One of an earlier release does not, until it changes.
"""

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from coin_assets.domain.evaluation.roles import RoleChange, Roles
from coin_assets.domain.json_format import plausible
from coin_assets.domain.series import Series
from coin_assets.errors import CorruptArtefact, DataRefused
from coin_assets.files.atomic import remove_partials, write_atomically
from coin_assets.files.cache import FileCache
from coin_assets.files.checksummed_json import read_checksummed, require_same, with_checksum
from coin_assets.files.locks import fence, locked
from coin_assets.files.strict_json import CONTENT_ERRORS, read_errors_named, shown

SCHEMA_VERSION = 1
_NAME = "roles.json"
_TIMES = ("since", "recorded_at")
_REMEDY = (
    "Restore the file from a backup. Or remove it: then the newest model becomes champion with "
    "the next live forecast, and the record of earlier champions is lost."
)
# Process-wide file cache: the record, and what the file says of its series.
_ROLES: FileCache[tuple[Roles, dict[str, Any]]] = FileCache(10_000)


def read_roles(folder: Path, series: Series) -> Roles:
    """The record in the folder of a series' versions; empty if there is no file.

    Raises:
        MachineFault: the machine failed; the file may be intact.
        CorruptArtefact: the file is damaged, or the record of another series.
    """
    path = folder / _NAME
    try:
        with read_errors_named(path, _REMEDY):
            roles, own = _ROLES.of(str(path), _read)
    except FileNotFoundError:
        return Roles()
    expected = _identity(series)
    require_same(path, own, {name: expected[name] for name in own}, _REMEDY)
    return roles


def update_roles(folder: Path, series: Series, change: Callable[[Roles], Roles]) -> Roles:
    """Replace the record by the result of ``change``, under the folder's lock.

    An equal record is not written.

    Returns:
        The new record.

    Raises:
        MachineFault, CorruptArtefact: as `read_roles`; the file stays as it is.
        Exception: raised by ``change``.
    """
    path = folder / _NAME
    with read_errors_named(path, _REMEDY), locked(folder):
        fence(folder)
        known = read_roles(folder, series)
        wanted = change(known)
        if wanted != known:
            remove_partials(folder)
            write_atomically(path, with_checksum(_document(wanted, series)))
    return wanted


def _identity(series: Series) -> dict[str, Any]:
    return {"symbol": series.symbol, "timeframe": series.timeframe.name}


def _read(path: str) -> tuple[Roles, dict[str, Any]]:
    document = read_checksummed(Path(path), SCHEMA_VERSION, _REMEDY)
    own: dict[str, Any] = {
        name: document[name] for name in ("symbol", "timeframe") if name in document
    }
    try:
        return Roles(tuple(_change(each) for each in document["changes"])), own
    except (*CONTENT_ERRORS, DataRefused) as error:
        raise CorruptArtefact(
            f"{path} is not a record of roles ({shown(error)}). {_REMEDY}"
        ) from error


def _document(roles: Roles, series: Series) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        **_identity(series),
        "changes": [
            {
                name: value.astimezone(UTC).isoformat() if name in _TIMES else value
                for name, value in asdict(change).items()
            }
            for change in roles.changes
        ],
    }


def _change(fields: dict[str, Any]) -> RoleChange:
    for name in ("role", "reason", "by", "version"):
        if not isinstance(fields[name], str) and (name, fields[name]) != ("version", None):
            raise TypeError(f"{name} {fields[name]!r} is no text")
    times = {name: plausible(datetime.fromisoformat(fields[name])) for name in _TIMES}
    return RoleChange(**{**fields, **times})
