"""Splits a plan of many symbols into runs of a bounded number of them."""

from collections import defaultdict
from dataclasses import replace

from coin_assets.domain.layers import Task
from coin_assets.planning.facts import Request

# Symbols of one run, with all their timeframes. A run works on one core, so two runs halve a
# midnight of 50 symbols (15 tasks each). Smaller runs would not pay: each loads the definitions
# first, which takes as much CPU at 200 symbols as 120 tasks do.
MOST_SYMBOLS = 25


def split(request: Request) -> list[Request]:
    """``request`` as runs of at most `MOST_SYMBOLS` symbols, of about the same size.

    A symbol stays whole: derived series need the source candles of the same run.
    """
    by_symbol: dict[str, list[Task]] = defaultdict(list)
    for task in request.tasks:
        by_symbol[task.series.symbol].append(task)
    groups = list(by_symbol.values())
    count = -(-len(groups) // MOST_SYMBOLS)
    if count == 1:
        return [request]
    parts = (groups[number::count] for number in range(count))
    return [
        replace(request, tasks=tuple(task for group in part for task in group)) for part in parts
    ]
