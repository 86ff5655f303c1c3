"""Benchmark ``shards``: ticks of one shard among several, as its symbols grow."""

from itertools import count as numbers

from benchmarks.harness import Bench, Figure, Home, in_fresh_process, say, temporary_home
from benchmarks.many_series import TIMEFRAMES, copy_original, make_original, settings_of, symbols_of
from benchmarks.sensors import NAMES, measure_ticks, prepare
from coin_assets.domain.shards import Shard

_COUNTS, _QUICK_COUNTS = (5, 50, 250), (5,)
_SHARD = Shard(0, 2)
_LATER_TICKS = 3
_MIB = 1 << 10  # of the kilobytes that the system counts


def measure(bench: Bench) -> list[Figure]:
    """One tick of each sensor of shard 0 of 2, with 5, 50 and 250 symbols of five timeframes in it.

    As the group `sensors`: 28 months, nothing due, the Parquet store, each sensor in a process of
    its own. The other shard has about as many symbols, which this one does not look at. Times are
    CPU times. A quick run takes 5 symbols.
    """
    figures = []
    with temporary_home() as original:
        say("one symbol with 28 months")
        in_fresh_process(original, make_original)
        for count in bench.pick(_COUNTS, _QUICK_COUNTS):
            symbols = _symbols(count)
            own = [symbol for symbol in symbols if _SHARD.owns(symbol)]
            chosen = {"COIN_SHARDS": str(_SHARD.count), "COIN_SHARD": str(_SHARD.number)}
            with temporary_home(**settings_of(symbols), **chosen) as home:
                say(f"{count} symbols a shard: making them")
                copy_original(original.folder, home.folder, own)
                _into_shard(home)
                in_fresh_process(home, prepare)
                say(f"{count} symbols a shard: ticks")
                figures += _figures(home, count)
    return figures


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


def _figures(home: Home, count: int) -> list[Figure]:
    figures, peak, total = [], 0, 0.0
    for name in NAMES:
        found = in_fresh_process(home, measure_ticks, name=name, later=_LATER_TICKS)
        first, *later = found["cpu_seconds"]
        peak, total = max(peak, found["peak_kib"]), total + min(later)
        how = f"CPU; {first:.2f} s the first in its process; 60 s are allowed"
        figures.append(Figure(f"{count} symbols a shard: tick of {name}", min(later), "s", how))
    per_series = 1000 * total / (count * TIMEFRAMES)
    how = "CPU; one tick of each sensor"
    return [
        *figures,
        Figure(f"{count} symbols a shard: ticks a series", per_series, "ms", how),
        Figure(
            f"{count} symbols a shard: memory",
            peak / _MIB,
            "MiB",
            "the largest resident set of the processes that each evaluated one sensor",
        ),
    ]
