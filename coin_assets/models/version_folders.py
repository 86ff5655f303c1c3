"""Which model versions a folder holds, told by the names of the folders in it alone.

0001_20261101T000000Z   number and cutoff; complete as soon as it has this name
.partial                a version being written
<version>.removed       a version being removed
<version>.damaged       set aside by an operator
"""

import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

from coin_assets.errors import CorruptArtefact
from coin_assets.files.atomic import sync_folder
from coin_assets.files.cache import FileCache

REMEDY = (
    "Bring the version's folder back from a backup. Or, if roles.json beside it names the version "
    "as champion, launch promote_champion with override and another version; if it does not, set "
    "the folder aside by adding .damaged to its name, and materialise the model's month again."
)
_STAMP = "%Y%m%dT%H%M%SZ"
_VERSION = re.compile(r"\d{4,}_\d{8}T\d{6}Z")
_PARTIAL, _REMOVED = ".partial", ".removed"

Found = tuple[int, datetime, Path]  # number, cutoff, folder
# By folder, of this process's reads: what a folder's name tells of a version never changes.
_VERSIONS: FileCache[tuple[Found, ...]] = FileCache(10_000)


def listed(folder: Path) -> tuple[Found, ...]:
    """The versions in ``folder``, lowest number first; none if there is no such folder.

    Raises:
        CorruptArtefact: two have one number, or a name tells no time.
    """
    try:
        return _VERSIONS.of(str(folder), _list)
    except FileNotFoundError:
        return ()


def last_number(folder: Path) -> int:
    """Highest number in ``folder``, also of versions set aside: forecasts still name them."""
    folders = folder.glob("[0-9]*_*")
    return max((int(each.name.split("_")[0]) for each in folders), default=0)


def partial_of(folder: Path) -> Path:
    """Where the next version is written before it counts."""
    return folder / _PARTIAL


def complete(folder: Path, number: int, cutoff: datetime) -> Path:
    """Let the version written in `partial_of` count under its number; returns its folder."""
    version = folder / f"{number:04d}_{cutoff:{_STAMP}}"
    partial_of(folder).rename(version)
    sync_folder(folder)
    return version


def discard(version: Path) -> None:
    """Let the version in this folder count no more, then remove its files."""
    version.rename(version.with_name(version.name + _REMOVED))
    sync_folder(version.parent)
    clear(version.parent)


def clear(folder: Path) -> None:
    """Remove what killed trainings and removals left; call it under the folder's lock only."""
    for name in (_PARTIAL, f"[0-9]*{_REMOVED}"):
        for each in folder.glob(name):
            shutil.rmtree(each)


def _list(folder: str) -> tuple[Found, ...]:
    found: dict[int, Found] = {}
    for each in sorted(Path(folder).iterdir()):
        if not _VERSION.fullmatch(each.name):
            continue
        digits, stamp = each.name.split("_")
        try:
            cutoff = datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC)
        except ValueError as error:
            raise CorruptArtefact(f"{each} tells no cutoff ({error}). {REMEDY}") from error
        number = int(digits)
        if number in found:
            raise CorruptArtefact(f"{found[number][2]} and {each} have one number. {REMEDY}")
        found[number] = number, cutoff, each
    return tuple(sorted(found.values()))
