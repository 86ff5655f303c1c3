"""Benchmark ``start``: what ``make up`` does on an empty home, from the command to fresh files."""

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from benchmarks.harness import Bench, BenchmarkFailed, Figure, Home, say, temporary_home
from benchmarks.services import make_up
from coin_assets.domain.publishing.root import MANIFEST
from coin_assets.domain.timeframes import Timeframe

_MONTHS, _QUICK_MONTHS = (30, 112), (30,)
_SERIES_A_SYMBOL = 5
_MOST_SECONDS = 1800
_POLL_SECONDS = 0.5
_MB = 1000**2


@dataclass(frozen=True)
class Start:
    """What happened until all series were fresh, in seconds from the command on."""

    first_file: float
    fresh: float
    runs: int
    records_bytes: int
    candles_bytes: int


def measure(bench: Bench) -> list[Figure]:
    """An empty home until all of its series are public and fresh, on the sandbox market.

    ``make up`` without a demo collects 30 months; 112 months are all that the default of
    ``COIN_HISTORY_START`` asks for. Five symbols, five timeframes (a quick run: one symbol, 30
    months). A series is public when its whole history is stored, and fresh when its newest forecast
    is published as well.
    """
    figures = []
    for months in bench.pick(_MONTHS, _QUICK_MONTHS):
        start = Timeframe("1M").shift(datetime.now(UTC), 1 - months)
        settings = {"COIN_HISTORY_START": f"{start:%Y-%m-%d}"}
        if bench.quick:
            settings["COIN_SYMBOLS"] = "BTC/USDT"
        say(f"{months} months")
        with temporary_home(**settings) as home:
            figures += _figures(months, _started(home, bench.pick(5, 1) * _SERIES_A_SYMBOL))
    return figures


def _figures(months: int, found: Start) -> list[Figure]:
    name = f"{months} months"
    return [
        Figure(f"{name}: first file", found.first_file, "s", "of the newest month's candles"),
        Figure(f"{name}: all series fresh", found.fresh, "s", "history, models, forecasts, files"),
        Figure(f"{name}: runs", found.runs, "runs", "launched by sensors until then"),
        Figure(
            f"{name}: records",
            found.records_bytes / _MB,
            "MB",
            f"of Dagster, for {found.candles_bytes / _MB:.1f} MB of candles",
        ),
    ]


def _started(home: Home, series: int) -> Start:
    published = home.folder / "published"
    began, first = time.monotonic(), None
    log = home.folder / "up.log"
    with make_up(home, log) as (process, _):
        while (fresh := _fresh(published)) < series:
            seconds = time.monotonic() - began
            if first is None and any(published.glob("history_*.json")):
                first = seconds
            if process.poll() is not None or seconds > _MOST_SECONDS:
                raise BenchmarkFailed(
                    f"{fresh} of {series} series were fresh after {seconds:.0f} s: "
                    f"{log.read_text()[-2000:]}"
                )
            time.sleep(_POLL_SECONDS)
        seconds = time.monotonic() - began
        with home.entered(), dg.DagsterInstance.get() as instance:
            runs = instance.get_runs_count()
        return Start(
            first or seconds,
            seconds,
            runs,
            _bytes_below(home.dagster_folder),
            _bytes_below(home.folder / "candles"),
        )


def _fresh(published: Path) -> int:
    """Number of series that the manifest shows as fresh."""
    try:
        manifest = json.loads((published / MANIFEST).read_bytes())
    except FileNotFoundError:
        return 0
    return sum(entry["status"] == "fresh" for entry in manifest["public"]["entries"])


def _bytes_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
