"""The gap ledger: why a candle that could exist is not stored.

Between listing and now every candle is exactly one of: stored; verified absent (the market was
asked twice, an hour or more apart, and had none); pending (asked once, or not yet); failed (the
last question was not answered). Stored candles are in the store; the ledger remembers the
questions about the others.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

from coin_assets.domain.gaps import Gap
from coin_assets.domain.timeframes import Timeframe

VERIFIED_ABSENT, PENDING, FAILED = STATES = ("verified_absent", "pending", "failed")
VERIFY_AFTER = timedelta(hours=1)
MAX_TRIES = 10
_FIRST_DELAY, _LONGEST_DELAY = timedelta(minutes=1), timedelta(hours=6)

Range = tuple[datetime, datetime]


@dataclass(frozen=True)
class Absence:
    """Consecutive candles, opens in ``[start, end)``, about which the same is known.

    Attributes:
        first_answer, last_answer: when the market first and last said that it has none of them.
        last_try: when it was last asked, answered or not.
        tries: how often it was asked in vain since the last answer.
        error: why the last question was not answered.

    What is verified stays as it is, whatever is asked later.
    """

    start: datetime
    end: datetime
    first_answer: datetime | None
    last_answer: datetime | None
    last_try: datetime
    tries: int
    error: str | None = None

    @property
    def state(self) -> str:
        first, last = self.first_answer, self.last_answer
        if first is not None and last is not None and last - first >= VERIFY_AFTER:
            return VERIFIED_ABSENT
        return PENDING if self.error is None else FAILED

    @property
    def retry_at(self) -> datetime | None:
        """When to ask again; None if nothing is open, or asking was given up."""
        if self.state == PENDING:
            return self.last_try + VERIFY_AFTER
        if self.state == VERIFIED_ABSENT or self.tries >= MAX_TRIES:
            return None
        delay: timedelta = min(_FIRST_DELAY * 2**self.tries, _LONGEST_DELAY)
        return self.last_try + delay

    def answered(self, at: datetime) -> "Absence":
        """The market was asked at ``at`` and has none."""
        if self.state == VERIFIED_ABSENT:
            return self
        return replace(
            self,
            first_answer=self.first_answer or at,
            last_answer=at,
            last_try=at,
            tries=0,
            error=None,
        )

    def failed(self, error: str, at: datetime) -> "Absence":
        """The market was asked at ``at`` and did not answer."""
        if self.state == VERIFIED_ABSENT:
            return self
        return replace(self, last_try=at, tries=self.tries + 1, error=error)


@dataclass(frozen=True)
class Missing:
    """Consecutive missing candles in one state: opens in ``[start, end)``, ``count`` of them."""

    start: datetime
    end: datetime
    count: int
    state: str
    error: str | None = None


@dataclass(frozen=True)
class Outage:
    """Candles that are verified absent for several symbols at once, so for one cause."""

    start: datetime
    end: datetime
    count: int
    symbols: tuple[str, ...]


@dataclass(frozen=True)
class Ledger:
    """What is known about the candles of one key that are not stored.

    Attributes:
        listed: open of the oldest candle that the market has; None until it was asked.
        absences: disjoint, ascending.
    """

    listed: datetime | None = None
    absences: tuple[Absence, ...] = ()

    def answered(
        self, start: datetime, end: datetime, gaps: Iterable[Gap], at: datetime
    ) -> "Ledger":
        """The market was asked for ``[start, end)`` at ``at`` and has all but ``gaps``.

        Here as in `failed`, ``start`` and ``end`` are opens.
        """
        return self._asked(start, end, gaps, at, lambda absence: absence.answered(at))

    def failed(
        self, start: datetime, end: datetime, gaps: Iterable[Gap], error: str, at: datetime
    ) -> "Ledger":
        """The market did not answer for ``[start, end)``, of which ``gaps`` are not stored."""
        return self._asked(start, end, gaps, at, lambda absence: absence.failed(error, at))

    def listed_at(self, time: datetime) -> "Ledger":
        """The market's oldest candle opens at ``time``, or before if one was seen already."""
        listed = min(time, self.listed or time)
        return replace(self.forgotten_before(listed), listed=listed)

    def forgotten_before(self, time: datetime) -> "Ledger":
        """The ledger without what it knows of candles that open before ``time``."""
        kept = (_cut(absence, time, absence.end) for absence in self.absences)
        return replace(self, absences=tuple(each for each in kept if each is not None))

    def explained(self, gaps: Iterable[Gap], timeframe: Timeframe) -> list[Missing]:
        """Each of ``gaps`` with its state, split where states differ."""
        found: list[Missing] = []
        for gap in gaps:
            for start, end, absence in self._pieces(gap.start, gap.end):
                state = PENDING if absence is None else absence.state
                error = absence.error if absence is not None and state == FAILED else None
                last = found[-1] if found else None
                if last and (last.end, last.state, last.error) == (start, state, error):
                    start = found.pop().start
                found.append(Missing(start, end, timeframe.count(start, end), state, error))
        return found

    def unanswered(self, gaps: Iterable[Gap]) -> list[Range]:
        """Parts of ``gaps`` for which the market never gave an answer."""
        return [
            (start, end)
            for gap in gaps
            for start, end, absence in self._pieces(gap.start, gap.end)
            if absence is None or absence.first_answer is None
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
        cut = (_cut(absence, start, end) for absence in self.absences)
        return [absence for absence in cut if absence is not None]

    def due(self, start: datetime, end: datetime, now: datetime) -> list[Range]:
        """Absences in ``[start, end)`` that should be asked for again at ``now``."""
        return [
            (absence.start, absence.end)
            for absence in self.within(start, end)
            if absence.retry_at is not None and absence.retry_at <= now
        ]

    def absent_until(self, time: datetime) -> datetime:
        """End of the verified absences that follow ``time`` without a break; else ``time``."""
        for absence in self.absences:
            if absence.start <= time < absence.end and absence.state == VERIFIED_ABSENT:
                time = absence.end
        return time

    def answered_until(self, time: datetime) -> datetime:
        """As `absent_until`, of absences about which the market answered at least once."""
        for absence in self.absences:
            if absence.start <= time < absence.end and absence.first_answer is not None:
                time = absence.end
        return time

    def _asked(
        self,
        start: datetime,
        end: datetime,
        gaps: Iterable[Gap],
        at: datetime,
        told: Callable[[Absence], Absence],
    ) -> "Ledger":
        before = (_cut(absence, absence.start, start) for absence in self.absences)
        after = (_cut(absence, end, absence.end) for absence in self.absences)
        inside = [
            told(known or Absence(first, last, None, None, at, 0))
            for gap in gaps
            for first, last, known in self._pieces(max(gap.start, start), min(gap.end, end))
        ]
        found = [absence for absence in (*before, *inside, *after) if absence is not None]
        return replace(self, absences=tuple(_joined(found)))

    def _pieces(
        self, start: datetime, end: datetime
    ) -> Iterable[tuple[datetime, datetime, Absence | None]]:
        """``[start, end)`` cut where what is known changes, with what is known of each piece."""
        for absence in self.absences:
            known = _cut(absence, start, end)
            if known is None:
                continue
            if start < known.start:
                yield start, known.start, None
            yield known.start, known.end, known
            start = known.end
        if start < end:
            yield start, end, None


def outages(absences: Mapping[str, Iterable[Missing]], timeframe: Timeframe) -> list[Outage]:
    """Times at which several symbols have no candle, all verified; what one lacks is not one.

    Args:
        absences: what each symbol misses, as `Ledger.explained` says.
    """
    spans = [
        (missing.start, missing.end, symbol)
        for symbol, found in absences.items()
        for missing in found
        if missing.state == VERIFIED_ABSENT
    ]
    cuts = sorted({time for start, end, _ in spans for time in (start, end)})
    found: list[Outage] = []
    for start, end in pairwise(cuts):
        symbols = tuple(sorted({name for first, last, name in spans if first <= start < last}))
        if len(symbols) < 2:
            continue
        if found and (found[-1].end, found[-1].symbols) == (start, symbols):
            start = found.pop().start
        found.append(Outage(start, end, timeframe.count(start, end), symbols))
    return found


def _cut(absence: Absence, start: datetime, end: datetime) -> Absence | None:
    first, last = max(absence.start, start), min(absence.end, end)
    return replace(absence, start=first, end=last) if first < last else None


def _joined(absences: Iterable[Absence]) -> Iterable[Absence]:
    """Neighbours about which the same is known become one."""
    joined: list[Absence] = []
    for absence in absences:
        if (
            joined
            and replace(joined[-1], end=absence.end) == replace(absence, start=joined[-1].start)
            and joined[-1].end == absence.start
        ):
            joined[-1] = replace(joined[-1], end=absence.end)
        else:
            joined.append(absence)
    return joined
