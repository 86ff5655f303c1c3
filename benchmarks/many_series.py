"""A home of many series in which nothing is due, made of the real home of one symbol.

Everything is there that sensors look at: 28 months of candles, forecasts, models and ledgers,
evaluations, published files with their manifest, and a Dagster instance with runs, check results
and freshness states. Files of the store name their symbol, so each has its own, with the one name
replaced; the names are equally long. Models are hard links to those of the one symbol, but for
the versions that sensors read.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from functools import partial
from itertools import islice, product
from pathlib import Path
from string import ascii_uppercase

import dagster as dg
from dagster._core.definitions.freshness import FreshnessState, FreshnessStateChange

from benchmarks.harness import BenchmarkFailed
from coin_assets.config.settings import Settings
from coin_assets.domain.layers import CANDLES, PREDICTIONS, PUBLISHED
from coin_assets.domain.publishing.root import MANIFEST
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe
from coin_assets.files.checksummed_json import read_checksummed, with_checksum
from coin_assets.models.evaluations import PUBLISHED_SHA256, EvaluationBook
from coin_assets.models.registry import SCHEMA_VERSION
from coin_assets.models.role_files import SCHEMA_VERSION as ROLES_VERSION
from coin_assets.orchestration.assets.specs import SeriesAssets
from coin_assets.orchestration.sensors.requests import PRIORITY_TAG
from coin_assets.orchestration.sensors.runs import PURPOSE_TAG, UPDATE_JOB
from coin_assets.planning.facts import LIVE
from coin_assets_tests.platform import BTC, Platform, failures

# The time at which everything is there: a little after a boundary.
NOW = "2026-04-15T12:00:10"
FIRST_MONTH, LAST_MONTH, MONTHS = "2024-01-01", "2026-04-01", 28
TIMEFRAMES = 5
_DERIVED = "4h,1d,1w,1M"
_NAME = BTC.partition("/")[0]
_STORED = ("candles", "forecasts", "ledger")
_RUNS = 48


def symbols_of(count: int) -> list[str]:
    """Symbols of ``count`` series at all timeframes, each as long as the one they are copies of."""
    names = islice(product(ascii_uppercase, repeat=len(_NAME)), count // TIMEFRAMES)
    return [f"{''.join(letters)}/USDT" for letters in names]


def settings_of(symbols: Sequence[str]) -> dict[str, str]:
    """Variables of a home of these symbols."""
    return {
        "COIN_SYMBOLS": ",".join(symbols),
        "COIN_DERIVED_TIMEFRAMES": _DERIVED,
        "COIN_HISTORY_START": FIRST_MONTH,
    }


def make_original() -> None:
    """Fill the home of this process with one symbol; runs in a process of its own.

    Raises:
        BenchmarkFailed: a step failed, or something is due afterwards.
    """
    platform = Platform(
        Settings().home, NOW, history_start=FIRST_MONTH, derived_timeframes=_DERIVED
    )
    result = platform.update(FIRST_MONTH, LAST_MONTH)
    if not result.success:
        raise BenchmarkFailed(f"the original could not be made: {failures(result)}")
    platform.settle("candles_due")  # scores what has matured
    if requested := platform.settle("candles_due") + platform.settle("publish_due"):
        raise BenchmarkFailed(f"an update left something to do: {requested}")


def copy_original(original: Path, home: Path, symbols: Sequence[str]) -> None:
    """Give ``home`` everything that ``original`` has, for each of ``symbols``."""
    for symbol in symbols:
        for name in (*_STORED, "models"):
            shutil.copytree(
                original / name / f"symbol={BTC.replace('/', '_')}",
                home / name / f"symbol={symbol.replace('/', '_')}",
                copy_function=partial(_relabel, symbol) if name in _STORED else os.link,
                ignore=shutil.ignore_patterns(".*"),
            )
        _rename_models(home, symbol)
    _copy_evaluations(original, home, symbols)
    _copy_published(original / "published", home / "published", symbols)


def _relabel(symbol: str, source: str, target: str) -> None:
    """A copy of a file of the store that says it is of ``symbol``."""
    content = Path(source).read_bytes()
    Path(target).write_bytes(content.replace(BTC.encode(), symbol.encode()))


def _rename_models(home: Path, symbol: str) -> None:
    """Roles and newest version of each timeframe belong to ``symbol``; others are only listed."""
    for folder in (home / "models" / f"symbol={symbol.replace('/', '_')}").iterdir():
        named = {max(folder.glob("[0-9]*/metadata.json")): SCHEMA_VERSION}
        named |= dict.fromkeys(folder.glob("roles.json"), ROLES_VERSION)
        for path, version in named.items():
            known = read_checksummed(path, version, "")
            path.unlink()  # it is a link
            path.write_bytes(with_checksum({**known, "symbol": symbol}))


def _copy_evaluations(original: Path, home: Path, symbols: Sequence[str]) -> None:
    """Evaluations with the file for readers, whose hash they hold."""
    known, copies = EvaluationBook(original), EvaluationBook(home)
    for path in (original / "evaluations").rglob("evaluation.json"):
        timeframe = Timeframe.parse(path.parent.name.removeprefix("timeframe="))
        document = known.read(Series(BTC, timeframe)) or {}
        published = known.published(Series(BTC, timeframe), document[PUBLISHED_SHA256]) or b""
        for symbol in symbols:
            name = symbol.partition("/")[0]
            content = _renamed(published.decode(), name).encode()
            copied = json.loads(_renamed(json.dumps(document), name))
            copied[PUBLISHED_SHA256] = hashlib.sha256(content).hexdigest()
            copies.write(Series(symbol, timeframe), copied, content)


def _copy_published(original: Path, folder: Path, symbols: Sequence[str]) -> None:
    """The files under other names, and a manifest of them all, which a sensor makes complete."""
    folder.mkdir()
    manifest = json.loads((original / MANIFEST).read_text())
    entries = {part: json.dumps(manifest[part]["entries"]) for part in ("public", "ops")}
    files = {path.name: path.read_text() for path in original.glob("*_*.json")}
    found: dict[str, list[object]] = {part: [] for part in entries}
    for symbol in symbols:
        name = symbol.partition("/")[0]
        texts = dict(entries)
        for file, text in files.items():
            copied = _renamed(text, name)
            (folder / _renamed(file, name)).write_text(copied)
            hashes = _sha256(text), _sha256(copied)
            texts = {part: each.replace(*hashes) for part, each in texts.items()}
        for part, text in texts.items():
            found[part] += json.loads(_renamed(text, name))
    for part, listed in found.items():
        manifest[part]["entries"] = listed
    (folder / MANIFEST).write_text(json.dumps(manifest))


def _renamed(text: str, name: str) -> str:
    return text.replace(f"{_NAME}/USDT", f"{name}/USDT").replace(f"{_NAME}_USDT", f"{name}_USDT")


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def record_history(instance: dg.DagsterInstance, specs: Sequence[SeriesAssets]) -> None:
    """Runs of all series, and a freshness state of every asset with a policy."""
    layers = (CANDLES, PREDICTIONS, PUBLISHED)
    assets = [spec.asset_key(layer) for spec in specs for layer in layers]
    for _ in range(_RUNS):
        instance.add_run(
            dg.DagsterRun(
                UPDATE_JOB,
                status=dg.DagsterRunStatus.SUCCESS,
                tags={PURPOSE_TAG: LIVE, PRIORITY_TAG: "10", "dagster/partition": LAST_MONTH},
                asset_selection=frozenset(assets),
            )
        )
    for asset in assets:
        instance.report_runless_asset_event(
            FreshnessStateChange(
                key=asset,
                new_state=FreshnessState.PASS,
                previous_state=FreshnessState.UNKNOWN,
                state_change_timestamp=0.0,
            )
        )
