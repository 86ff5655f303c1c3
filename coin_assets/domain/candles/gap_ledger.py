"""The gap ledger: why a candle that could exist is not stored.

Between a series' first candle and now every candle is exactly one of: stored; verified absent (the
market was asked twice, an hour or more apart, and had none); unavailable (older than what the
market still serves); refused (the market sends it, but it breaks the candle contract); pending
(asked once, or not yet); failed (the last question was not answered). Stored candles are in the
store; the ledger holds the answers about the others.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from coin_assets.domain.candles.absences import PENDING, Absence, cut, joined
from coin_assets.domain.candles.gaps import Gap
from coin_assets.domain.candles.refusals import Refusal
from coin_assets.domain.timeframes import Timeframe

Range = tuple[datetime, datetime]


@dataclass(frozen=True)
class Missing:
    """Consecutive missing candles in one state: opens in ``[start, end)``, ``count`` of them."""

    start: datetime
    end: datetime
    count: int
    state: str
    error: str | None = None


@dataclass(frozen=True)
class Ledger:
    """What is known about the candles of one series that are not stored.

    Attributes:
        listed: open of the oldest candle that the market has; None until it was asked.
        absences: disjoint, ascending.
        edge: nothing that opens before is served, although the market may have had it; None
            where no such limit was met.
    """

    listed: datetime | None = None
    absences: tuple[Absence, ...] = ()
    edge: datetime | None = None

    def answered(
        self,
        start: datetime,
        end: datetime,
        gaps: Iterable[Gap],
        at: datetime,
        refusals: Sequence[Refusal] = (),
    ) -> "Ledger":
        """The market was asked for ``[start, end)`` at ``at`` and has all but ``gaps``.

        Here as in `failed`, ``start`` and ``end`` are opens.

        Args:
            refusals: candles that it sent broken, ascending; those outside of ``gaps`` are stored
                from an earlier answer and stay.
        """
        parts = _split([(max(gap.start, start), min(gap.end, end)) for gap in gaps], refusals)
        return self._replaced(
            start,
            end,
            (
                absence.answered(at) if refusal is None else absence.refused(refusal, at)
                for first, last, refusal in parts
                for absence in self._covering(first, last, at)
            ),
        )

    def failed(
        self,
        start: datetime,
        end: datetime,
        gaps: Iterable[Gap],
        error: str,
        at: datetime,
        *,
        is_permanent: bool = False,
    ) -> "Ledger":
        """The market did not answer for ``[start, end)``, of which ``gaps`` are not stored."""
        return self._replaced(
            start,
            end,
            (
                absence.failed(error, at, is_permanent=is_permanent)
                for gap in gaps
                for absence in self._covering(max(gap.start, start), min(gap.end, end), at)
            ),
        )

    def listed_at(self, time: datetime) -> "Ledger":
        """The market's oldest candle opens at ``time``, or before if one was seen already."""
        listed = min(time, self.listed or time)
        return replace(self.forgotten_before(listed), listed=listed)

    def served_from(self, edge: datetime) -> "Ledger":
        """The market serves nothing that opens before ``edge``; an edge only moves on."""
        start = min(self.absences[0].start, edge) if self.absences else edge
        known = self.no_longer_served(start, edge)
        return replace(known, edge=max(edge, self.edge or edge))

    def no_longer_served(self, start: datetime, end: datetime) -> "Ledger":
        """The market serves nothing of ``[start, end)``, although it may have had it."""
        gone = self._slice(start, end)
        if not gone:
            return self
        return self._replaced(start, end, (absence.no_longer_served() for absence in gone))

    def forgotten_before(self, time: datetime) -> "Ledger":
        """The ledger without what it knows of candles that open before ``time``."""
        if not self.absences or time <= self.absences[0].start:
            return self
        return replace(self, absences=self._slice(time, self.absences[-1].end))

    def explained(self, gaps: Iterable[Gap], timeframe: Timeframe) -> list[Missing]:
        """Each of ``gaps`` with its state, split where states differ."""
        return _united(
            _missing(start, end, absence, timeframe)
            for gap in gaps
            for start, end, absence in self._pieces(gap.start, gap.end)
        )

    def missing(self, timeframe: Timeframe) -> list[Missing]:
        """Every absence with its state, ascending."""
        return [_missing(each.start, each.end, each, timeframe) for each in self.absences]

    def unanswered(self, gaps: Iterable[Gap]) -> list[Range]:
        """Parts of ``gaps`` that nothing explains; see `Absence.is_explained`."""
        return [
            (start, end)
            for gap in gaps
            for start, end, absence in self._pieces(gap.start, gap.end)
            if absence is None or not absence.is_explained
        ]

    def unknown(self, gaps: Iterable[Gap]) -> list[Range]:
        """Parts of ``gaps`` about which the market was never asked."""
        return [
            (start, end)
            for gap in gaps
            for start, end, absence in self._pieces(gap.start, gap.end)
            if absence is None
        ]

    def within(self, start: datetime, end: datetime) -> list[Absence]:
        """Parts of the absences that lie in ``[start, end)``."""
        return list(self._slice(start, end))

    def due(self, start: datetime, end: datetime, now: datetime) -> list[Range]:
        """Absences in ``[start, end)`` that should be asked for again at ``now``."""
        return [
            (absence.start, absence.end)
            for absence in self._slice(start, end)
            if absence.retry_at is not None and absence.retry_at <= now
        ]

    def rechecks(self, start: datetime, end: datetime, now: datetime) -> list[Range]:
        """Settled refusals in ``[start, end)`` that a fetch at ``now`` should ask for as well."""
        return [
            (absence.start, absence.end)
            for absence in self._slice(start, end)
            if absence.recheck_at is not None and absence.recheck_at <= now
        ]

    def absent_until(self, time: datetime) -> datetime:
        """End of the settled absences that follow ``time`` without a break; else ``time``."""
        return self._end_of_run(time, lambda absence: absence.is_settled)

    def explained_until(self, time: datetime) -> datetime:
        """As `absent_until`, of absences that are explained; see `Absence.is_explained`."""
        return self._end_of_run(time, lambda absence: absence.is_explained)

    @cached_property
    def _ends(self) -> list[datetime]:
        return [absence.end for absence in self.absences]

    @cached_property
    def _starts(self) -> list[datetime]:
        return [absence.start for absence in self.absences]

    def _slice(self, start: datetime, end: datetime) -> tuple[Absence, ...]:
        """Parts of the absences in ``[start, end)``; looks at no others."""
        first, last = bisect_right(self._ends, start), bisect_left(self._starts, end)
        parts = (cut(absence, start, end) for absence in self.absences[first:last])
        return tuple(part for part in parts if part is not None)

    def _end_of_run(self, time: datetime, holds: Callable[[Absence], bool]) -> datetime:
        for position in range(bisect_right(self._ends, time), len(self.absences)):
            absence = self.absences[position]
            if absence.start > time or not holds(absence):
                break
            time = absence.end
        return time

    def _replaced(self, start: datetime, end: datetime, absences: Iterable[Absence]) -> "Ledger":
        """The ledger with other ``absences`` in ``[start, end)``."""
        first, last = bisect_right(self._ends, start), bisect_left(self._starts, end)
        at_borders = self.absences[first:last]
        before = [cut(each, each.start, start) for each in at_borders[:1]]
        after = [cut(each, end, each.end) for each in at_borders[-1:]]
        # The neighbours are looked at too: the same may be known of them now.
        around = [*self.absences[max(first - 1, 0) : first], *before, *absences, *after]
        around += self.absences[last : last + 1]
        found = joined(each for each in around if each is not None)
        head, tail = self.absences[: max(first - 1, 0)], self.absences[last + 1 :]
        return replace(self, absences=(*head, *found, *tail))

    def _covering(self, start: datetime, end: datetime, at: datetime) -> Iterator[Absence]:
        """``[start, end)`` as absences: known ones, and new ones for the rest."""
        for first, last, known in self._pieces(start, end):
            yield known or Absence(first, last, None, None, at, 0)

    def _pieces(
        self, start: datetime, end: datetime
    ) -> Iterator[tuple[datetime, datetime, Absence | None]]:
        """``[start, end)`` cut where what is known changes, with what is known of each piece."""
        for known in self._slice(start, end):
            if start < known.start:
                yield start, known.start, None
            yield known.start, known.end, known
            start = known.end
        if start < end:
            yield start, end, None


def _missing(
    start: datetime, end: datetime, absence: Absence | None, timeframe: Timeframe
) -> Missing:
    state = PENDING if absence is None else absence.state
    reason = None if absence is None else absence.reason
    return Missing(start, end, timeframe.count(start, end), state, reason)


def _split(
    ranges: Iterable[Range], refusals: Sequence[Refusal]
) -> Iterator[tuple[datetime, datetime, Refusal | None]]:
    """``ranges`` cut at the ``refusals`` in them, each part with its own; all ascend."""
    starts = [refusal.start for refusal in refusals]
    for start, end in ranges:
        for refusal in refusals[bisect_left(starts, start) : bisect_left(starts, end)]:
            if start < refusal.start:
                yield start, refusal.start, None
            yield refusal.start, refusal.end, refusal
            start = refusal.end
        if start < end:
            yield start, end, None


def _united(parts: Iterable[Missing]) -> list[Missing]:
    """Neighbours in the same state for the same reason become one."""
    found: list[Missing] = []
    for part in parts:
        last = found[-1] if found else None
        if last and (last.end, last.state, last.error) == (part.start, part.state, part.error):
            count = last.count + part.count
            found[-1] = Missing(last.start, part.end, count, part.state, part.error)
        else:
            found.append(part)
    return found
