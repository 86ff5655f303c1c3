"""How complete the history of fetched keys is, from ledgers and row counts, without candles."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from coin_assets.domain.keys import Key
from coin_assets.domain.ledger import (
    PENDING,
    STATES,
    VERIFIED_ABSENT,
    Absence,
    Missing,
    Outage,
    outages,
)
from coin_assets.domain.manifest_facts import GapCounts
from coin_assets.domain.timeframes import Timeframe
from coin_assets.store.base import Extent, Store


@dataclass(frozen=True)
class History:
    """What a fetched key lacks of its history: since its listing, history start or retention.

    Attributes:
        reached: close of the newest stored candle; None if there is none.
        absences: what the ledger knows, ascending; some may come after ``reached``.
        never_asked: candles before ``reached`` about which the market was never asked.
        is_complete: whether the market has answered for every candle before ``reached``.
    """

    timeframe: Timeframe
    reached: datetime | None
    absences: tuple[Absence, ...]
    never_asked: int
    is_complete: bool

    @property
    def missing(self) -> list[Missing]:
        """The ledger's gaps with count and state."""
        return _missing(self.absences, self.timeframe)

    @property
    def open_gaps(self) -> list[Missing]:
        """Those of `missing` that are not verified."""
        return [gap for gap in self.missing if gap.state != VERIFIED_ABSENT]

    def counts(self, until: datetime | None = None) -> GapCounts:
        """Missing candles by state (of those that open before ``until``)."""
        found: Counter[str] = Counter({PENDING: self.never_asked})
        for absence in self.absences:
            end = absence.end if until is None else min(absence.end, until)
            found[absence.state] += self.timeframe.count(absence.start, end)
        return GapCounts(**{state: found[state] for state in STATES})


def history_of(store: Store, key: Key, extent: Extent | None, first_expected: datetime) -> History:
    """The history of a fetched key.

    Args:
        extent: of the key, as the store tells it.
        first_expected: nothing before this is expected (history start, retention).
    """
    ledger, timeframe = store.read_ledger(key), key.timeframe
    start = max(first_expected, ledger.listed or first_expected)
    absences = tuple(ledger.forgotten_before(start).absences)
    if extent is None:
        return History(timeframe, None, absences, 0, is_complete=False)
    end = timeframe.close_of(extent.last)
    if ledger.listed is None:  # nobody knows since when there should be candles
        return History(timeframe, end, absences, 0, is_complete=False)
    stored = extent.rows if extent.first >= start else store.count_candles(key, start, end)
    before = [(timeframe.count(each.start, min(each.end, end)), each) for each in absences]
    asked = sum(count for count, _ in before)
    never_asked = max(0, timeframe.count(start, end) - stored - asked)
    unanswered = sum(count for count, each in before if each.first_answer is None)
    return History(timeframe, end, absences, never_asked, never_asked + unanswered == 0)


def known_outages(store: Store, sources: Iterable[Key]) -> dict[Timeframe, list[Outage]]:
    """Times at which several symbols have no candle, by source timeframe, from the ledgers."""
    found: dict[Timeframe, dict[str, list[Missing]]] = defaultdict(dict)
    for key in sources:
        absences = store.read_ledger(key).absences
        if absences:
            found[key.timeframe][key.symbol] = _missing(absences, key.timeframe)
    return {timeframe: outages(missing, timeframe) for timeframe, missing in found.items()}


def _missing(absences: Iterable[Absence], timeframe: Timeframe) -> list[Missing]:
    return [
        Missing(each.start, each.end, timeframe.count(each.start, each.end), each.state, each.error)
        for each in absences
    ]
