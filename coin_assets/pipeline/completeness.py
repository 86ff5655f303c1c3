"""Completeness of fetched histories, from gap ledgers and row counts."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from coin_assets.domain.candles.absences import OPEN_STATES, PENDING, STATES
from coin_assets.domain.candles.gap_ledger import Ledger, Missing
from coin_assets.domain.candles.outages import Outage, outages
from coin_assets.domain.publishing.manifest_entries import GapCounts, GapReason
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe
from coin_assets.errors import CorruptArtefact
from coin_assets.files.faults import faults_of_one_file
from coin_assets.store.base import Extent, Store

MOST_REASONS, LONGEST_REASON = 5, 300  # gaps, characters


@dataclass(frozen=True)
class History:
    """Missing candles of a fetched series, since its listing, history start or retention.

    Attributes:
        reached: close of the newest stored candle; None if there is none.
        missing: the ledger's gaps with count and state, ascending; some may come after
            ``reached``.
        never_asked: number of candles before ``reached`` that were never requested.
        is_complete: whether every missing candle before ``reached`` is explained.
        unavailable_before: the market serves no candles that open earlier; None if it serves all
            expected ones.
    """

    timeframe: Timeframe
    reached: datetime | None
    missing: tuple[Missing, ...]
    never_asked: int
    is_complete: bool
    unavailable_before: datetime | None = None

    @property
    def open_gaps(self) -> list[Missing]:
        """Gaps of `missing` that will be requested again."""
        return [gap for gap in self.missing if gap.state in OPEN_STATES]

    def counts(self, until: datetime | None = None) -> GapCounts:
        """Missing candles by state (of those that open before ``until``)."""
        found: Counter[str] = Counter({PENDING: self.never_asked})
        for gap in self.missing:
            end = gap.end if until is None else min(gap.end, until)
            found[gap.state] += self.timeframe.count(gap.start, end)
        return GapCounts(**{state: found[state] for state in STATES})

    def reasons(self, until: datetime | None = None) -> tuple[GapReason, ...]:
        """Errors of the newest `MOST_REASONS` refused or failed gaps, newest first.

        Args:
            until: gaps that start from here on are left out.
        """
        known = [
            GapReason(gap.state, gap.start, gap.count, gap.error[:LONGEST_REASON])
            for gap in reversed(self.missing)
            if gap.error is not None and (until is None or gap.start < until)
        ]
        return tuple(known[:MOST_REASONS])


def history_of(
    store: Store, series: Series, extent: Extent | None, first_expected: datetime
) -> History:
    """The history of a fetched series.

    Args:
        extent: stored range of the series; None if nothing is stored.
        first_expected: no candle is expected before this (history start, retention).
    """
    ledger, timeframe = store.read_ledger(series), series.timeframe
    start = max(first_expected, ledger.listed or first_expected)
    known = ledger.forgotten_before(start)
    missing, edge = tuple(known.missing(timeframe)), _met(ledger, first_expected)
    if extent is None:
        return History(timeframe, None, missing, 0, is_complete=False, unavailable_before=edge)
    end = timeframe.close_of(extent.last)
    if ledger.listed is None:  # the first candle of the market is unknown
        return History(timeframe, end, missing, 0, is_complete=False)
    stored = extent.rows if extent.first >= start else store.count_candles(series, start, end)
    before = known.within(start, end)
    in_ledger = sum(timeframe.count(each.start, each.end) for each in before)
    never_asked = max(0, timeframe.count(start, end) - stored - in_ledger)
    is_complete = never_asked == 0 and all(each.is_explained for each in before)
    return History(timeframe, end, missing, never_asked, is_complete, edge)


def _met(ledger: Ledger, first_expected: datetime) -> datetime | None:
    """Time before which the market serves nothing, if candles are expected there."""
    return ledger.edge if ledger.edge is not None and ledger.edge > first_expected else None


def known_outages(store: Store, sources: Iterable[Series]) -> dict[Timeframe, list[Outage]]:
    """Outages (gaps that several symbols share), by source timeframe, from the ledgers.

    A damaged or unreadable ledger, which the status of its series reports, counts as empty.
    """
    found: dict[Timeframe, dict[str, list[Missing]]] = defaultdict(dict)
    for series in sources:
        ledger = Ledger()
        with faults_of_one_file([]), suppress(CorruptArtefact):
            ledger = store.read_ledger(series)
        if ledger.absences:
            found[series.timeframe][series.symbol] = ledger.missing(series.timeframe)
    return {timeframe: outages(missing, timeframe) for timeframe, missing in found.items()}
