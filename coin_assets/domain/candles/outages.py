"""Outages of an exchange: candles missing for several symbols at once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, pairwise
from operator import itemgetter

from coin_assets.domain.candles.absences import VERIFIED_ABSENT
from coin_assets.domain.candles.gap_ledger import Missing
from coin_assets.domain.timeframes import Timeframe


@dataclass(frozen=True)
class Outage:
    """Candles that are verified absent for several symbols at once.

    Attributes:
        start, end: half-open range of their opens.
        count: number of candles of each symbol.
        symbols: affected symbols, sorted; at least two.
    """

    start: datetime
    end: datetime
    count: int
    symbols: tuple[str, ...]


def outages(absences: Mapping[str, Iterable[Missing]], timeframe: Timeframe) -> list[Outage]:
    """Outages, ascending: ranges verified absent for at least two symbols.

    Args:
        absences: missing candles by symbol, as `Ledger.missing` returns them.
        timeframe: of the candles.
    """
    changes = sorted(
        change
        for symbol, found in absences.items()
        for missing in found
        if missing.state == VERIFIED_ABSENT
        for change in ((missing.start, symbol, 1), (missing.end, symbol, -1))
    )
    moments = [(time, list(at_once)) for time, at_once in groupby(changes, key=itemgetter(0))]
    lacking: dict[str, int] = {}
    found: list[Outage] = []
    for (start, at_once), (end, _) in pairwise(moments):
        for _, symbol, change in at_once:
            lacking[symbol] = lacking.get(symbol, 0) + change
        symbols = tuple(sorted(symbol for symbol, count in lacking.items() if count))
        if len(symbols) < 2:
            continue
        if found and (found[-1].end, found[-1].symbols) == (start, symbols):
            start = found.pop().start
        found.append(Outage(start, end, timeframe.count(start, end), symbols))
    return found
