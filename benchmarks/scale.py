"""Benchmark ``scale``: what one more series costs, in a location of few or of many."""

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
from benchmarks.location_costs import hour_figures, location_figures
from benchmarks.many_series import (
    TIMEFRAMES,
    copy_original,
    make_original,
    settings_of,
    symbols_of,
)
from benchmarks.sensors import NAMES, measure_ticks, prepare

_COUNTS, _QUICK_COUNTS = (5, 50, 200), (5,)
_LATER_TICKS = 3


def measure(bench: Bench) -> list[Figure]:
    """Costs a series of one code location with 5, 50 and 200 symbols of five timeframes.

    Times are CPU times, which a busy machine hardly changes. The snapshot is what the code server
    sends at each load, without the graphs of the jobs, which are sent when a page or a run needs
    them. The home of the ticks is that of the group `sensors`: 28 months, nothing due. The hourly
    update is of 1h alone, through the real ccxt client, with answers that take 200 ms, in runs as
    the planner splits it, each in a process forked from one that has imported everything, as the
    run server does; without the queue of the daemon. A quick run takes 5 symbols.
    """
    if not REAL_CANDLES.is_dir():
        raise BenchmarkFailed(f"needs real candles in {REAL_CANDLES}")
    figures, counts = [], bench.pick(_COUNTS, _QUICK_COUNTS)
    hours = {
        count: hour_figures(f"{count} symbols", count) for count in counts
    }  # wall times: best while all is quiet
    with temporary_home() as original:
        say("one symbol with 28 months")
        in_fresh_process(original, make_original)
        for count in counts:
            symbols = symbols_of(count * TIMEFRAMES)
            with temporary_home(**settings_of(symbols)) as home:
                say(f"{count} symbols: definitions")
                figures += location_figures(home, f"{count} symbols", count)
                say(f"{count} symbols: ticks")
                copy_original(original.folder, home.folder, symbols)
                figures += _of_ticks(home, count)
            figures += hours[count]
    return figures


def _of_ticks(home: Home, count: int) -> list[Figure]:
    in_fresh_process(home, prepare)
    figures, series = [], count * TIMEFRAMES
    for name in NAMES:
        found = in_fresh_process(home, measure_ticks, name=name, later=_LATER_TICKS)
        first, *later = found["cpu_seconds"]
        figures.append(
            Figure(
                f"{count} symbols: tick of {name} a series",
                1000 * min(later) / series,
                "ms",
                f"CPU; {min(later):.2f} s in all, {first:.2f} s the first "
                f"{found['reading']} in its process",
            )
        )
    return figures
