"""Backups of a live home: whole files, each series under its locks, with a record to check by.

``backup.json`` in the folder of a backup names every file with its SHA-256, and every table with
its rows and fingerprint as the live store returned them under the lock.
"""

import hashlib
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from coin_assets.domain.json_format import time_text
from coin_assets.domain.series import Series
from coin_assets.errors import (
    CoinAssetsError,
    ConfigurationError,
    CorruptArtefact,
    TemporaryError,
)
from coin_assets.files.atomic import sync_folder, write_atomically
from coin_assets.files.checksummed_json import read_checksummed, with_checksum
from coin_assets.files.faults import machine_faults_named
from coin_assets.files.locks import locked
from coin_assets.files.sqlite import fault_of, is_passing
from coin_assets.pipeline.copy_tables import TABLES, CopiedTable, copy_windows
from coin_assets.store.base import Store
from coin_assets.store.fingerprint import fingerprint

RECORD, SCHEMA_VERSION = "backup.json", 1
# Folders of a home by series, in the order of their locks; what else is kept, has no locks.
SERIES_PARTS = (
    "candles",
    "ledger",
    "revisions",
    "forecasts",
    "models",
    "evaluations",
    "exogenous",
    "exogenous_ledger",
)
_OTHER_PARTS = ("market.json", "names", "alerts", "dagster")
_SQLITE = b"SQLite format 3\0"
_SIDE_FILES = ("-wal", "-shm", "-journal")
_CHUNK = 2**20


@dataclass(frozen=True)
class SavedFile:
    """A file of a backup; ``path`` is relative to the home."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class SavedTable:
    """Rows of one table of a series, and the SHA-256 over the fingerprints of its months."""

    symbol: str
    timeframe: str
    table: str
    rows: int
    sha256: str


@dataclass(frozen=True)
class Backup:
    """What a backup holds.

    Attributes:
        store: kind of the store; the tables of ``influxdb`` are in its bucket.
        damaged: files or series of the home that could not be read as what they are.
    """

    made_at: str
    store: str
    files: tuple[SavedFile, ...]
    tables: tuple[SavedTable, ...]
    damaged: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(each.bytes for each in self.files)


@machine_faults_named()
def back_up(
    home: Path,
    target: Path,
    store: Store | None,
    series_list: Iterable[Series],
    now: datetime,
    progress: Callable[[str], None],
) -> Backup:
    """Copy a home that may be in use to ``target``, which appears when it is complete.

    Args:
        store: of the home; None if candles and forecasts are not in it.
        series_list: of which tables are fingerprinted.
        progress: called with a line a series.

    Raises:
        ConfigurationError: ``target`` exists and is not an empty folder, or lies in the home.
        TemporaryError: a database is locked for long.
        MachineFault: the machine failed, for example a full disk.
    """
    partial = _started(home, target)
    files, tables, damaged = list[SavedFile](), list[SavedTable](), list[str]()
    known = {(each.symbol_name, each.timeframe.name): each for each in series_list}
    for symbol, timeframe, folders in _series_folders(home):
        series = known.get((symbol, timeframe))
        with ExitStack() as locks:
            for folder in folders:
                locks.enter_context(locked(folder))
            for folder in folders:
                files += _copied(home, folder, partial, damaged)
            if store is not None and series is not None:
                try:
                    tables += table_fingerprints(store, series)
                except CoinAssetsError as error:
                    damaged.append(str(error))
        progress(f"{series or f'{symbol} {timeframe} (not configured)'}")
    for part in _OTHER_PARTS:
        files += _copied(home, home / part, partial, damaged)
    progress("settings of the home, alerts and Dagster's records")
    kind = "influxdb" if store is None else "parquet"
    made = Backup(time_text(now), kind, tuple(files), tuple(tables), tuple(damaged))
    document = {"schema_version": SCHEMA_VERSION, **_plain(made)}
    write_atomically(partial / RECORD, with_checksum(document))
    if target.exists():
        target.rmdir()
    partial.rename(target)
    sync_folder(target.parent)
    return made


def read_backup(folder: Path) -> Backup:
    """The record of a backup.

    Raises:
        ConfigurationError: the folder is no complete backup.
        CorruptArtefact: the record is damaged.
    """
    path = folder / RECORD
    try:
        document = read_checksummed(path, SCHEMA_VERSION, "Use another backup.")
    except FileNotFoundError as error:
        raise ConfigurationError(
            f"{folder} is no complete backup: it has no {RECORD}. Name a folder that make backup "
            "made."
        ) from error
    try:
        return Backup(
            made_at=document["made_at"],
            store=document["store"],
            files=tuple(SavedFile(**each) for each in document["files"]),
            tables=tuple(SavedTable(**each) for each in document["tables"]),
            damaged=tuple(document["damaged"]),
        )
    except (KeyError, TypeError) as error:
        raise CorruptArtefact(f"{path} is no record of a backup ({error!r}).") from error


def table_fingerprints(store: Store, series: Series) -> list[SavedTable]:
    """Rows and fingerprint of each table of a series."""
    windows = copy_windows(store, store, series)
    found = []
    for table in TABLES:
        digest, rows = hashlib.sha256(), 0
        for window in windows:
            frame = table.read(store, series, window)
            rows += len(frame)
            digest.update(f"{window.label} {fingerprint(frame)}\n".encode() if len(frame) else b"")
        found.append(_saved(series, table, rows, digest.hexdigest()))
    return found


def _saved(series: Series, table: CopiedTable, rows: int, sha256: str) -> SavedTable:
    return SavedTable(series.symbol, series.timeframe.name, table.name, rows, sha256)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, read in parts."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _started(home: Path, target: Path) -> Path:
    """The empty folder that becomes ``target``."""
    if target.resolve().is_relative_to(home.resolve()):
        raise ConfigurationError(
            f"TO: {str(target)!r} lies in the home {home}; choose another one."
        )
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigurationError(f"TO: {str(target)!r} is not empty; choose another folder.")
    partial = target.with_name(f".{target.name}.partial")
    if partial.exists():
        shutil.rmtree(partial)  # of a backup that was killed
    partial.mkdir(parents=True, mode=0o700)
    return partial


def _series_folders(home: Path) -> Iterator[tuple[str, str, list[Path]]]:
    """Names of symbol and timeframe, and the folders of each series in all parts."""
    found: dict[tuple[str, str], list[Path]] = {}
    for part in SERIES_PARTS:
        for folder in sorted(home.glob(f"{part}/symbol=*/timeframe=*")):
            if folder.is_dir() and not folder.is_symlink():
                names = (folder.parent.name[len("symbol=") :], folder.name[len("timeframe=") :])
                found.setdefault(names, []).append(folder)
    for (symbol, timeframe), folders in sorted(found.items()):
        yield symbol, timeframe, folders


def _copied(home: Path, source: Path, target: Path, damaged: list[str]) -> Iterator[SavedFile]:
    """Copy a file, or all files below a folder; hidden files are locks and leftovers.

    Args:
        damaged: gets a line for each database that cannot be read as one.
    """
    paths = [source] if source.is_file() else sorted(source.rglob("*"))
    for path in paths:
        relative = path.relative_to(home)
        is_hidden = any(part.startswith(".") for part in relative.parts)
        if is_hidden or path.is_symlink() or path.name.endswith(_SIDE_FILES) or not path.is_file():
            continue
        copy = target / relative
        copy.parent.mkdir(parents=True, exist_ok=True)
        try:
            damaged += _copy(path, copy)
        except FileNotFoundError:
            continue  # removed since it was listed, as by the daily pruning
        yield SavedFile(str(relative), copy.stat().st_size, sha256_of(copy))


def _copy(path: Path, copy: Path) -> list[str]:
    """Copy a file; what is damaged in it, as far as that shows."""
    with path.open("rb") as file:
        is_sqlite = file.read(len(_SQLITE)) == _SQLITE
    if not is_sqlite:
        shutil.copy2(path, copy)
        return []
    # SQLite's own backup: a consistent state of a database that is being written.
    address = f"{path.absolute().as_uri()}?mode=ro"
    try:
        with (
            closing(sqlite3.connect(address, uri=True)) as live,
            closing(sqlite3.connect(copy)) as saved,
        ):
            live.backup(saved)
    except sqlite3.Error as error:
        if is_passing(error):
            raise TemporaryError(
                f"{path} cannot be saved now ({error}); another process holds it. Try again."
            ) from error
        if (fault := fault_of(error, path)) is not None:
            raise fault from error
        shutil.copy2(path, copy)  # as it is, for whoever repairs it
        return [f"{path} is a damaged database ({error})"]
    return []


def _plain(made: Backup) -> dict[str, Any]:
    document = asdict(made)
    return {
        name: list(each) if isinstance(each, tuple) else each for name, each in document.items()
    }
