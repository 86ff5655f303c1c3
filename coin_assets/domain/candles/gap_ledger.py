"""The gap ledger: the reason for each candle that is not stored.

Between a series' first candle and now every candle has exactly one state: stored; verified absent
(two answers of the market, an hour or more apart, without it); unavailable (older than the market's
history); refused (the market sends it, but it breaks the candle contract); pending (requested once,
or not yet); failed (the last request failed). The store holds the stored candles, the ledger the
answers about all others.

Words for missing candles, here and in `store.coverage` and `pipeline.fetch_ranges`:

- unknown: never requested (`Ledger.unknown`, `coverage.never_asked`).
- unanswered: unknown, or not explained so far (`Ledger.unanswered`, `coverage.unanswered`).
- explained: processing continues without them (`Absence.is_explained`); not unanswered.
- due: requested before, and to be requested again now (`Ledger.due`).
- lacking: the unanswered and the due ones of a request (`fetch_ranges.lacking`).
- settled: no run is requested for them any more (`Absence.is_settled`).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from coin_assets.domain.candles.absences import PENDING, Absence, cut, joined
from coin_assets.domain.candles.gaps import Gap
from coin_assets.domain.candles.refusals import IMPLAUSIBLE, Refusal
from coin_assets.domain.timeframes import Timeframe

Range = tuple[datetime, datetime]


@dataclass(frozen=True)
class Missing:
    """Consecutive missing candles with one state.

    Attributes:
        start, end: half-open range of their opens.
        count: number of candles.
        state: one of `coin_assets.domain.candles.absences.STATES`.
        error: reason for messages; see `Absence.reason`.
    """

    start: datetime
    end: datetime
    count: int
    state: str
    error: str | None = None


@dataclass(frozen=True)
class Ledger:
    """Immutable gap ledger of one series.

    Attributes:
        listed: open of the market's oldest candle; None until it was requested.
        absences: disjoint, ascending.
        edge: the market serves no candle that opens before this time, although it may have existed;
            None if no such limit was found.
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
        """Return the ledger after an answer of the market.

        Args:
            start, end: half-open range of the request; both are opens.
            gaps: candles of the range that are not stored, ascending.
            at: time of the answer, UTC.
            refusals: candles that break the contract, ascending; those outside of ``gaps`` are
                stored from an earlier answer and stay.
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
        """Return the ledger after a failed request.

        Args:
            start, end: half-open range of the request; both are opens.
            gaps: candles of the range that are not stored, ascending.
            error: message of the failure.
            at: time of the request, UTC.
            is_permanent: whether the failure persists without intervention.
        """
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
        """Return the ledger with ``time`` as oldest open, unless it records an older one."""
        listed = min(time, self.listed or time)
        return replace(self.forgotten_before(listed), listed=listed)

    def served_from(self, edge: datetime) -> "Ledger":
        """Return the ledger after the market refused candles before ``edge``.

        An edge only moves forward.
        """
        start = min(self.absences[0].start, edge) if self.absences else edge
        known = self.no_longer_served(start, edge)
        return replace(known, edge=max(edge, self.edge or edge))

    def no_longer_served(self, start: datetime, end: datetime) -> "Ledger":
        """Return the ledger with the open absences of ``[start, end)`` as unavailable."""
        gone = self._slice(start, end)
        if not gone:
            return self
        return self._replaced(start, end, (absence.no_longer_served() for absence in gone))

    def forgotten_before(self, time: datetime) -> "Ledger":
        """Return the ledger without absences before ``time``."""
        if not self.absences or time <= self.absences[0].start:
            return self
        return replace(self, absences=self._slice(time, self.absences[-1].end))

    def explained(self, gaps: Iterable[Gap], timeframe: Timeframe) -> list[Missing]:
        """States of ``gaps``, explained or not, ascending; split where states differ."""
        return _united(
            _missing(start, end, absence, timeframe)
            for gap in gaps
            for start, end, absence in self._pieces(gap.start, gap.end)
        )

    def missing(self, timeframe: Timeframe) -> list[Missing]:
        """All absences with their states, ascending."""
        return [_missing(each.start, each.end, each, timeframe) for each in self.absences]

    def unanswered(self, gaps: Iterable[Gap]) -> list[Range]:
        """Unanswered parts of ``gaps``: not explained, see `Absence.is_explained`."""
        return [
            (start, end)
            for gap in gaps
            for start, end, absence in self._pieces(gap.start, gap.end)
            if absence is None or not absence.is_explained
        ]

    def unknown(self, gaps: Iterable[Gap]) -> list[Range]:
        """Unknown parts of ``gaps``: never requested."""
        return [
            (start, end)
            for gap in gaps
            for start, end, absence in self._pieces(gap.start, gap.end)
            if absence is None
        ]

    def within(self, start: datetime, end: datetime) -> list[Absence]:
        """Parts of the absences in ``[start, end)``, ascending."""
        return list(self._slice(start, end))

    def due(self, start: datetime, end: datetime, now: datetime) -> list[Range]:
        """Ranges in ``[start, end)`` whose next request is due at ``now``."""
        return [
            (absence.start, absence.end)
            for absence in self._slice(start, end)
            if absence.is_due(now)
        ]

    def rechecks(self, start: datetime, end: datetime, now: datetime) -> list[Range]:
        """Ranges in ``[start, end)`` of settled refusals that a fetch at ``now`` includes."""
        return [
            (absence.start, absence.end)
            for absence in self._slice(start, end)
            if absence.recheck_at is not None and absence.recheck_at <= now
        ]

    def absent_until(self, time: datetime) -> datetime:
        """End of the settled absences that start at ``time``; ``time`` if there are none.

        A candle that is held back as implausible is not absent.
        """
        return self._end_of_run(
            time, lambda absence: absence.is_settled and absence.rule != IMPLAUSIBLE
        )

    def explained_until(self, time: datetime) -> datetime:
        """End of the explained absences that start at ``time``; see `Absence.is_explained`."""
        return self._end_of_run(time, lambda absence: absence.is_explained)

    @cached_property
    def _ends(self) -> list[datetime]:
        return [absence.end for absence in self.absences]

    @cached_property
    def _starts(self) -> list[datetime]:
        return [absence.start for absence in self.absences]

    def _slice(self, start: datetime, end: datetime) -> tuple[Absence, ...]:
        """Parts of the absences in ``[start, end)``, by bisection."""
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
        """Return the ledger with ``absences`` in ``[start, end)``."""
        first, last = bisect_right(self._ends, start), bisect_left(self._starts, end)
        at_borders = self.absences[first:last]
        before = [cut(each, each.start, start) for each in at_borders[:1]]
        after = [cut(each, end, each.end) for each in at_borders[-1:]]
        # With the neighbours, which may now equal the new absences and be joined with them.
        around = [*self.absences[max(first - 1, 0) : first], *before, *absences, *after]
        around += self.absences[last : last + 1]
        found = joined(each for each in around if each is not None)
        head, tail = self.absences[: max(first - 1, 0)], self.absences[last + 1 :]
        return replace(self, absences=(*head, *found, *tail))

    def _covering(self, start: datetime, end: datetime, at: datetime) -> Iterator[Absence]:
        """``[start, end)`` as absences: recorded ones, and new ones for the rest."""
        for first, last, known in self._pieces(start, end):
            yield known or Absence(first, last, None, None, at, 0)

    def _pieces(
        self, start: datetime, end: datetime
    ) -> Iterator[tuple[datetime, datetime, Absence | None]]:
        """``[start, end)`` split at the borders of absences, each part with its absence or None."""
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
    """``ranges`` split at ``refusals``, each part with its refusal or None; all ascending."""
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
    """Adjacent parts with the same state and reason, joined."""
    found: list[Missing] = []
    for part in parts:
        last = found[-1] if found else None
        if last and (last.end, last.state, last.error) == (part.start, part.state, part.error):
            count = last.count + part.count
            found[-1] = Missing(last.start, part.end, count, part.state, part.error)
        else:
            found.append(part)
    return found
