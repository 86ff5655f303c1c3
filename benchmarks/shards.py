"""Benchmark ``shards``: costs of one shard among several, as its symbols grow."""

import resource
from itertools import count as numbers
from pathlib import Path
from typing import TypedDict

import pandas as pd

from benchmarks.harness import (
    REAL_CANDLES,
    Bench,
    BenchmarkFailed,
    Figure,
    Home,
    in_fresh_process,
    say,
    temporary_home,
)
from benchmarks.location_costs import hour_figures, location_figures, measure_location
from benchmarks.many_series import (
    MONTHS,
    TIMEFRAMES,
    copy_original,
    make_original,
    settings_of,
    symbols_of,
)
from benchmarks.sensors import NAMES, measure_ticks, prepare
from coin_assets.config.settings import Settings
from coin_assets.domain.series import Series
from coin_assets.domain.shards import Shard
from coin_assets.store.parquet import ParquetStore
from coin_assets_tests.platform import BTC

_COUNTS, _QUICK_COUNTS = (5, 50, 250), (5,)
_SHARD = Shard(0, 2)
_LATER_TICKS = 3
_KIB, _MIB = 1 << 10, 1 << 20
_ALWAYS = pd.Timestamp("2000-01-01", tz="UTC"), pd.Timestamp("2100-01-01", tz="UTC")


class Stored(TypedDict):
    """What the home of one symbol has.

    Attributes:
        other_bytes: models, evaluations, ledgers and published files.
    """

    candles: int
    candle_bytes: int
    forecasts: int
    forecast_bytes: int
    other_bytes: int


def measure(bench: Bench) -> list[Figure]:
    """Costs of shard 0 of 2, with 5, 50 and 250 symbols of five timeframes in it.

    Loading it, one tick of each sensor, and an hourly update. As in the groups `scale` and
    `sensors`: 28 months, nothing due, the Parquet store, each sensor in a process of its own; the
    hour is of 1h alone, of real candles from an exchange that answers after 200 ms. The other
    shard has about as many symbols, which this one does not look at. Times are CPU times unless
    the remark says otherwise. A quick run takes 5 symbols.
    """
    if not REAL_CANDLES.is_dir():
        raise BenchmarkFailed(f"needs real candles in {REAL_CANDLES}")
    counts = bench.pick(_COUNTS, _QUICK_COUNTS)
    # Wall times: best while all is quiet.
    hours = {count: hour_figures(_title(count), count, _SHARD) for count in counts}
    with temporary_home() as original:
        say(f"one symbol with {MONTHS} months")
        in_fresh_process(original, make_original)
        figures = _of_home(original)
        for count in counts:
            symbols = _symbols(count)
            own = [symbol for symbol in symbols if _SHARD.owns(symbol)]
            chosen = {"COIN_SHARDS": str(_SHARD.count), "COIN_SHARD": str(_SHARD.number)}
            with temporary_home(**settings_of(symbols), **chosen) as home:
                say(f"{_title(count)}: definitions")
                figures += location_figures(home, _title(count), count)
                say(f"{_title(count)}: ticks")
                copy_original(original.folder, home.folder, own)
                _into_shard(home)
                in_fresh_process(home, prepare)
                figures += _of_ticks(home, count)
            figures += hours[count]
    return figures


def _title(count: int) -> str:
    return f"{count} symbols a shard"


def _symbols(count: int) -> list[str]:
    """Symbols of both shards, of which `_SHARD` owns ``count``."""
    found: list[str] = []
    for wanted in numbers(count):
        found = symbols_of(wanted * TIMEFRAMES)
        if sum(map(_SHARD.owns, found)) == count:
            break
    return found


def _into_shard(home: Home) -> None:
    """The published folder becomes that of the shard."""
    folder = home.folder / "published"
    aside = folder.rename(home.folder / "aside")
    folder.mkdir()
    aside.rename(folder / _SHARD.folder)


def _of_ticks(home: Home, count: int) -> list[Figure]:
    figures, total = [], 0.0
    for name in NAMES:
        found = in_fresh_process(home, measure_ticks, name=name, later=_LATER_TICKS)
        first, *later = found["cpu_seconds"]
        total += min(later)
        how = (
            f"CPU; {first:.2f} s the first {found['reading']} in its process; 60 s are allowed each"
        )
        figures.append(Figure(f"{_title(count)}: tick of {name}", min(later), "s", how))
    how = "CPU; one tick of each sensor"
    per_series = 1000 * total / (count * TIMEFRAMES)
    return [
        *figures,
        Figure(f"{_title(count)}: ticks a series", per_series, "ms", how),
        Figure(
            f"{_title(count)}: memory",
            in_fresh_process(home, measure_memory) * _KIB / _MIB,
            "MiB",
            "the largest resident set of one process with the definitions, their snapshot and all "
            "sensors, as the code location",
        ),
    ]


def measure_memory() -> int:
    """KiB of this process after it did what a code location does."""
    measure_location()
    for name in NAMES:
        measure_ticks(name, 1)
    peak: int = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak


def _of_home(home: Home) -> list[Figure]:
    """What one symbol takes of the disk."""
    found = in_fresh_process(home, measure_stored)
    how = f"Parquet, of one symbol with {MONTHS} months and {TIMEFRAMES} timeframes: "
    return [
        Figure(
            "stored: a candle",
            found["candle_bytes"] / found["candles"],
            "bytes",
            f"{how}{found['candles']:,} candles",
        ),
        Figure(
            "stored: a forecast",
            found["forecast_bytes"] / found["forecasts"],
            "bytes",
            f"{how}{found['forecasts']:,} origins, all steps and quantiles of each",
        ),
        Figure(
            "stored: other files a series",
            found["other_bytes"] / TIMEFRAMES / 1000,
            "kB",
            f"models, evaluations, ledgers and published files of {MONTHS} months",
        ),
    ]


def measure_stored() -> Stored:
    """Sizes in the home of this process; runs in a process of its own."""
    settings = Settings()
    store = ParquetStore(settings.home)
    series_list = [Series(BTC, timeframe) for timeframe in settings.timeframes]
    candles = sum(len(store.read_candles(each, *_ALWAYS)) for each in series_list)
    forecasts = sum(store.read_forecasts(each, *_ALWAYS)["as_of"].nunique() for each in series_list)
    others = ("models", "evaluations", "ledger", "published")
    return {
        "candles": candles,
        "candle_bytes": _size_of(settings.home / "candles"),
        "forecasts": int(forecasts),
        "forecast_bytes": _size_of(settings.home / "forecasts"),
        "other_bytes": sum(_size_of(settings.home / name) for name in others),
    }


def _size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
