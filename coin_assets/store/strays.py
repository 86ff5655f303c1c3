"""Strays: files and folders in the store that the platform did not make. Readers ignore them."""

import errno
import logging
import os
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from coin_assets.domain.methods import EXOGENOUS
from coin_assets.domain.timeframes import NAMES
from coin_assets.foreign_text import shortened

# Years in which candles exist; the arithmetic of months ends with the year 9999.
MONTH = re.compile(r"month=(20[0-9]{2}|19[789][0-9])-(0[1-9]|1[0-2])")
_SYMBOL = re.compile(r"symbol=[A-Za-z0-9_]+")
_TIMEFRAME = re.compile("timeframe=" + "|timeframe=".join(NAMES))
_MONTHLY, _OF_SERIES = (_SYMBOL, _TIMEFRAME, MONTH), (_SYMBOL, _TIMEFRAME)
# Folder -> names of the folders below it, and of the files in the last ones.
_LEVELS = {
    "candles": (_MONTHLY, {"candles.parquet"}),
    "forecasts": (_MONTHLY, {"forecasts.parquet"}),
    "revisions": (_MONTHLY, {"revisions.parquet"}),
    "ledger": (_OF_SERIES, {"ledger.json"}),
    "exogenous": (_MONTHLY, {f"{name}.parquet" for name in EXOGENOUS}),
    "exogenous_ledger": (_OF_SERIES, {f"{name}.json" for name in EXOGENOUS}),
}
_LOG = logging.getLogger(__name__)
_REPORTED: set[str] = set()
_MOST_REPORTED = 1000


def note_stray(path: str) -> None:
    """Log that ``path`` is ignored, once in this process."""
    if path not in _REPORTED and len(_REPORTED) < _MOST_REPORTED:
        _REPORTED.add(path)
        _LOG.warning("%s does not belong in the store and is ignored. Move it away.", shown(path))


def shown(path: Path | str) -> str:
    """A path for messages; what is no text in it is escaped."""
    return shortened(str(path), 400)


def is_folder(entry: "os.DirEntry[str]") -> bool:
    """Whether an entry is a folder that can be looked into; a link into a loop is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def strays(home: Path) -> Iterator[Path]:
    """Everything in the tables and ledgers of a home that has no place there, in order.

    What is in a folder that cannot be read is unknown; whoever reads the series reports that.
    """
    for name, (levels, files) in _LEVELS.items():
        yield from _strays(home / name, levels, files)


def _strays(
    folder: Path, levels: Sequence[re.Pattern[str]], files: Collection[str]
) -> Iterator[Path]:
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ELOOP):  # no folder
            yield folder
        return
    for entry in found:
        if entry.name.startswith("."):  # locks, partial files, markers, what was set aside
            continue
        if levels and levels[0].fullmatch(entry.name) and is_folder(entry):
            yield from _strays(Path(entry.path), levels[1:], files)
        elif levels or entry.name not in files or is_folder(entry):
            yield Path(entry.path)
