"""The page of the published folder: built files of the package, copied beside the data."""

import logging
from pathlib import Path

import coin_assets
from coin_assets.errors import CorruptArtefact
from coin_assets.files.atomic import write_atomically
from coin_assets.files.hashes import file_hash

INDEX = "index.html"
BUILT = Path(coin_assets.__file__).parent / "site"
_REMEDY = "Move what is in its place; the publisher copies the page again."
_LOG = logging.getLogger(__name__)


def copy_page(folder: Path, built: Path | None = None) -> None:
    """Copy the files of the page that differ, those that `INDEX` refers to before it.

    What cannot be replaced is logged and left: the data is published without the page.
    """
    built = built or BUILT
    files = [path for path in built.rglob("*") if path.is_file()]
    for path in sorted(files, key=lambda each: each == built / INDEX):
        target = folder / path.relative_to(built)
        try:
            if file_hash(path, _REMEDY) != file_hash(target, _REMEDY):
                write_atomically(target, path.read_bytes())
        except (CorruptArtefact, FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            _LOG.warning("The page is not copied: %s", error)
            return
