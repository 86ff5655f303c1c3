"""The page of the published folder: built files of the package, copied beside the data.

The folder ``assets`` there is the page's own. A file of it that the page no longer has is kept for
`KEPT_SECONDS` after the index that names it was replaced, for readers who hold the old index. That
moment is the change time (ctime) of the new index, which no program can set.
"""

import logging
import re
import stat
import time
from collections.abc import Container
from pathlib import Path

import coin_assets
from coin_assets.errors import CorruptArtefact
from coin_assets.files.atomic import remove_partials, write_atomically
from coin_assets.files.hashes import file_hash
from coin_assets.publish.objects import KEPT_SECONDS

INDEX, ASSETS = "index.html", "assets"
BUILT = Path(coin_assets.__file__).parent / "site"
# Kinds of files that a build makes; nothing else is removed.
_ASSET = re.compile(r"\w[\w.-]*\.(css|js|svg|txt)")
_REMEDY = "Move what is in its place; the publisher copies the page again."
_LOG = logging.getLogger(__name__)


def copy_page(folder: Path, built: Path | None = None) -> None:
    """Copy the files of the page that differ, those that `INDEX` refers to before it.

    Then remove those of earlier pages that are kept no longer. What cannot be replaced is logged
    and left: the data is published without the page. The caller holds the lock of the folder.
    """
    built = built or BUILT
    files = [path for path in built.rglob("*") if path.is_file()]
    if not files:  # a package without a page
        return
    for path in sorted(files, key=lambda each: each == built / INDEX):
        target = folder / path.relative_to(built)
        try:
            if file_hash(path, _REMEDY) != file_hash(target, _REMEDY):
                write_atomically(target, path.read_bytes())
        except (CorruptArtefact, FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            _LOG.warning("The page is not copied: %s", error)
            return
    remove_old(folder, {path.relative_to(built).as_posix() for path in files}, time.time())


def remove_old(folder: Path, current: Container[str], now: float) -> int:
    """Remove assets of earlier pages, `KEPT_SECONDS` after the index was replaced.

    Args:
        current: names of the files of the page.

    Returns:
        How many were removed.
    """
    assets, removed = folder / ASSETS, 0
    replaced = (folder / INDEX).stat().st_ctime
    remove_partials(assets)  # of a killed publisher
    for path in assets.glob("*"):
        status = path.lstat()
        is_built = _ASSET.fullmatch(path.name) is not None and stat.S_ISREG(status.st_mode)
        is_over = now - max(replaced, status.st_ctime) > KEPT_SECONDS
        if is_built and is_over and f"{ASSETS}/{path.name}" not in current:
            path.unlink(missing_ok=True)
            removed += 1
    return removed
