"""Examination of a backup: restored elsewhere, and compared with what the live home held."""

import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from coin_assets.domain.series import Series
from coin_assets.errors import CoinAssetsError
from coin_assets.files.faults import machine_faults_named
from coin_assets.files.sqlite import damage_of
from coin_assets.models.registry import ModelRegistry
from coin_assets.pipeline.backup import (
    RECORD,
    Backup,
    SavedTable,
    read_backup,
    sha256_of,
    table_fingerprints,
)
from coin_assets.store.base import Finding
from coin_assets.store.parquet import ParquetStore

_MOST_NAMED = 5
_DATABASES = (".db", ".sqlite")


@machine_faults_named()
def examined(
    backup: Path, into: Path, series_list: Iterable[Series], progress: Callable[[str], None]
) -> list[Finding]:
    """Findings on files, tables, models and databases of a backup that is restored to ``into``.

    Args:
        into: an empty folder; it holds the restored home afterwards.
        series_list: of which tables and models are looked at.
        progress: called with a line a part.

    Raises:
        ConfigurationError: the folder is no complete backup.
        CorruptArtefact: its record is damaged.
        MachineFault: the machine failed, for example a full disk.
    """
    made, series = read_backup(backup), list(series_list)
    findings = [_of_source(made), _of_files(backup, made)]
    progress(f"{len(made.files)} files")
    shutil.copytree(backup, into, dirs_exist_ok=True, ignore=shutil.ignore_patterns(RECORD))
    if made.store == "influxdb":
        detail = "candles and forecasts are in the bucket, which influx backup saves"
        findings.append(Finding("tables", detail))
    else:
        findings += _of_tables(made, into, series, progress)
    findings.append(_of_models(into, series))
    progress("models")
    findings.append(_of_databases(into, made))
    progress("databases")
    return findings


def _of_source(made: Backup) -> Finding:
    if made.damaged:
        return Finding("home", f"damaged when it was saved: {_named(made.damaged)}", is_fine=False)
    return Finding("home", f"saved at {made.made_at}, nothing in it was damaged")


def _of_files(backup: Path, made: Backup) -> Finding:
    wrong = []
    for each in made.files:
        path = backup / each.path
        if not path.is_file():
            wrong.append(f"{each.path} is missing")
        elif sha256_of(path) != each.sha256:
            wrong.append(f"{each.path} differs from what was saved")
    if wrong:
        return Finding("files", _named(wrong), is_fine=False)
    return Finding("files", f"{len(made.files)}, {made.bytes / 1e6:.1f} MB, all as they were saved")


def _of_tables(
    made: Backup, home: Path, series_list: list[Series], progress: Callable[[str], None]
) -> Iterator[Finding]:
    """A finding on each kind of table: its rows as the restored store returns them."""
    store = ParquetStore(home)
    saved = {(each.symbol, each.timeframe, each.table): each for each in made.tables}
    rows, wrong = Counter[str](), dict[str, list[str]]()
    for series in series_list:
        for found in _found(store, series, wrong):
            key = (found.symbol, found.timeframe, found.table)
            rows[found.table] += found.rows
            if saved.pop(key, None) != found:
                wrong.setdefault(found.table, []).append(f"{series}: not the rows that were saved")
        progress(str(series))
    for symbol, timeframe, table in saved:
        wrong.setdefault(table, []).append(f"{symbol} {timeframe}: not configured, not looked at")
    for table in sorted({*rows, *wrong}):
        if table in wrong:
            yield Finding(table, _named(wrong[table]), is_fine=False)
        else:
            yield Finding(table, f"{rows[table]:,} rows, the same as in the home that was saved")


def _found(store: ParquetStore, series: Series, wrong: dict[str, list[str]]) -> list[SavedTable]:
    try:
        store.read_ledger(series)
        return table_fingerprints(store, series)
    except CoinAssetsError as error:
        wrong.setdefault("store", []).append(str(error))
        return []


def _of_models(home: Path, series_list: list[Series]) -> Finding:
    registry, count, wrong = ModelRegistry(home), 0, []
    for series in series_list:
        try:
            registry.roles(series)
            for version in registry.versions(series):
                registry.load(version)
                count += 1
        except CoinAssetsError as error:
            wrong.append(str(error))
    if wrong:
        return Finding("models", _named(wrong), is_fine=False)
    return Finding("models", f"{count} versions, each of which loads")


def _of_databases(home: Path, made: Backup) -> Finding:
    paths = [home / each.path for each in made.files if each.path.endswith(_DATABASES)]
    damaged = {path: why for path in paths if (why := damage_of(path)) is not None}
    if damaged:
        named = _named(f"{path.relative_to(home)}: {why}" for path, why in damaged.items())
        return Finding("databases", named, is_fine=False)
    return Finding("databases", f"{len(paths)}, each of which passes SQLite's check")


def _named(texts: Iterable[str]) -> str:
    found = list(texts)
    more = len(found) - _MOST_NAMED
    return "; ".join(found[:_MOST_NAMED]) + (f"; and {more} more" if more > 0 else "")
