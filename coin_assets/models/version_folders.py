"""Folders of model versions. Their names alone state which versions exist.

0001_20261101T000000Z         number and cutoff; a folder with this name is complete
0002_20261101T000000Z_naive   the same of another method than `DEFAULT_METHOD`
.partial                      a version being written
<version>.removed             a version being removed
<version>.damaged             set aside by an operator
"""

import re
import shutil
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from coin_assets.domain.json_format import plausible
from coin_assets.domain.methods import DEFAULT_METHOD, METHODS
from coin_assets.errors import CorruptArtefact
from coin_assets.files.atomic import sync_folder
from coin_assets.files.cache import FileCache
from coin_assets.files.leases import require_leases
from coin_assets.files.strict_json import read_errors_named

# How to do without a version that cannot be used.
REPLACE = (
    "Or, if roles.json beside it names the version as champion, launch promote_champion with "
    "override and another version; if it does not, set the folder aside by adding .damaged to its "
    "name, and materialise the model's month again."
)
REMEDY = f"Restore the version's folder from a backup. {REPLACE}"
_STAMP = "%Y%m%dT%H%M%SZ"
_SUFFIXES = {f"_{name}": name for name in METHODS if name != DEFAULT_METHOD} | {"": DEFAULT_METHOD}
_VERSION = re.compile(rf"([0-9]{{4,9}})_([0-9]{{8}}T[0-9]{{6}}Z)({'|'.join(_SUFFIXES)})")
_PARTIAL, _REMOVED = ".partial", ".removed"

Found = tuple[int, datetime, Path, str]  # number, cutoff, folder, method
# Process-wide cache by folder; the name of a version's folder never changes.
_VERSIONS: FileCache[tuple[Found, ...]] = FileCache(10_000)


def listed(folder: Path) -> tuple[Found, ...]:
    """The versions in ``folder``, lowest number first; none if there is no such folder.

    Raises:
        MachineFault: the machine failed.
        CorruptArtefact: two versions have the same number, a name has no valid time, or something
            else than a folder is in its place.
    """
    try:
        with read_errors_named(folder, f"Set it aside. {REMEDY}"):
            return _VERSIONS.of(str(folder), _list)
    except FileNotFoundError:
        return ()


def last_number(folder: Path) -> int:
    """Highest number in ``folder``, versions set aside included, because forecasts name them."""
    found = (_VERSION.match(each.name) for each in folder.glob("[0-9]*_*"))
    return max((int(each[0].split("_")[0]) for each in found if each), default=0)


def next_number(folder: Path, names: Iterable[str]) -> int:
    """A number that no version ever had.

    Args:
        names: of versions that roles and stored forecasts refer to; their folders may be gone.
    """
    given = (int(name) for name in names if re.fullmatch(r"[0-9]{1,9}", name))
    return max(last_number(folder), max(given, default=0)) + 1


def whole_seconds(cutoff: datetime) -> datetime:
    """``cutoff`` in UTC without microseconds, as in the folder's name.

    Candles close at whole minutes, so the cutoff bounds the same candles.
    """
    return cutoff.astimezone(UTC).replace(microsecond=0)


def partial_of(folder: Path) -> Path:
    """Folder in which the next version is written."""
    return folder / _PARTIAL


def complete(folder: Path, number: int, cutoff: datetime, method: str) -> Path:
    """Rename the folder `partial_of` to its final name, which it returns."""
    suffix = "" if method == DEFAULT_METHOD else f"_{method}"
    version = folder / f"{number:04d}_{cutoff:{_STAMP}}{suffix}"
    require_leases()
    partial_of(folder).rename(version)
    sync_folder(folder)
    return version


def discard(version: Path) -> None:
    """Mark a version as removed, then delete its files."""
    require_leases()
    version.rename(version.with_name(version.name + _REMOVED))
    sync_folder(version.parent)
    clear(version.parent)


def clear(folder: Path) -> None:
    """Delete leftovers of killed trainings and removals. The caller holds the folder's lock."""
    for name in (_PARTIAL, f"[0-9]*{_REMOVED}"):
        for each in folder.glob(name):
            shutil.rmtree(each)


def _list(folder: str) -> tuple[Found, ...]:
    found: dict[int, Found] = {}
    for each in sorted(Path(folder).iterdir()):
        parts = _VERSION.fullmatch(each.name)
        if parts is None:
            continue
        digits, stamp, suffix = parts.groups()
        try:
            cutoff = plausible(datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC))
        except ValueError as error:
            raise CorruptArtefact(
                f"The name of {each} has no valid cutoff ({error}). {REMEDY}"
            ) from error
        number = int(digits)
        if number in found:
            raise CorruptArtefact(f"{found[number][2]} and {each} have the same number. {REMEDY}")
        found[number] = number, cutoff, each, _SUFFIXES[suffix]
    return tuple(sorted(found.values()))
