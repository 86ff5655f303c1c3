"""Consecutive candles that are not stored, and what the market answered about them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from coin_assets.domain.candles.refusals import Refusal

VERIFIED_ABSENT, UNAVAILABLE, REFUSED, PENDING, FAILED = STATES = (
    "verified_absent",
    "unavailable",
    "refused",
    "pending",
    "failed",
)
OPEN_STATES = (PENDING, FAILED)
VERIFY_AFTER = timedelta(hours=1)
# A settled refusal is asked again by a fetch of its month that runs anyway, at most this often.
RECHECK_AFTER = timedelta(hours=6)
# A failure that may pass counts as an explanation after so many tries, an hour's worth of them.
EXPLAINED_AFTER_TRIES = 6
_FIRST_DELAY = timedelta(minutes=1)
# What may pass is asked again soon; what is refused for good hardly ever changes.
_LONGEST_DELAY, _LONGEST_PERMANENT_DELAY = timedelta(minutes=15), timedelta(hours=6)
_MOST_DOUBLINGS = 16


@dataclass(frozen=True)
class Absence:
    """Consecutive candles, opens in ``[start, end)``, about which the same is known.

    Attributes:
        first_answer, last_answer: when the market first and last answered that it has none of
            them or, of a refused candle, sent it broken.
        last_try: when it was last asked, answered or not; of a settled refusal noted only every
            `RECHECK_AFTER`.
        tries: how often it was asked in vain since the last answer.
        error: why the last question was not answered.
        is_permanent: whether that error does not pass by itself.
        rule, value: of a refused candle, the rule that it breaks and what the market last sent.
        is_unavailable: whether they are older than what the market still serves.

    Two answers an hour or more apart settle the matter; what is settled is not asked again by
    itself, and no failure changes it. A settled refusal is added to a fetch of its month that runs
    for other candles, every `RECHECK_AFTER`; see `recheck_at`.
    """

    start: datetime
    end: datetime
    first_answer: datetime | None
    last_answer: datetime | None
    last_try: datetime
    tries: int
    error: str | None = None
    is_permanent: bool = False
    rule: str | None = None
    value: str | None = None
    is_unavailable: bool = False

    @property
    def state(self) -> str:
        """One of `STATES`."""
        if self.is_unavailable:
            return UNAVAILABLE
        if self.rule is not None:
            return REFUSED
        if self.is_settled:
            return VERIFIED_ABSENT
        return PENDING if self.error is None else FAILED

    @property
    def is_settled(self) -> bool:
        """Whether two answers an hour or more apart agree, or no answer can come any more."""
        if self.is_unavailable:
            return True
        first, last = self.first_answer, self.last_answer
        return first is not None and last is not None and last - first >= VERIFY_AFTER

    @property
    def is_explained(self) -> bool:
        """Whether nothing waits for these candles: the market answered, or fails for good."""
        if self.first_answer is not None or self.is_unavailable:
            return True
        if self.error is None:
            return False
        return self.is_permanent or self.tries >= EXPLAINED_AFTER_TRIES

    @property
    def retry_at(self) -> datetime | None:
        """When to ask again; None if it is settled."""
        if self.is_settled:
            return None
        if self.error is None:
            return self.last_try + VERIFY_AFTER
        delay: timedelta = _FIRST_DELAY * 2 ** min(self.tries, _MOST_DOUBLINGS)
        longest = _LONGEST_PERMANENT_DELAY if self.is_permanent else _LONGEST_DELAY
        return self.last_try + min(delay, longest)

    @property
    def recheck_at(self) -> datetime | None:
        """When a fetch that runs anyway asks again for a settled refusal; None for all others.

        No run is requested for it.
        """
        is_resting = self.state == REFUSED and self.is_settled
        return self.last_try + RECHECK_AFTER if is_resting else None

    @property
    def reason(self) -> str | None:
        """Why the candles are missing, for people; None if the market has none."""
        if self.state == REFUSED:
            return f"[{self.rule}] {self.value}"
        return self.error if self.state == FAILED else None

    def answered(self, at: datetime) -> "Absence":
        """The market was asked at ``at`` and has none."""
        if self.state == VERIFIED_ABSENT:
            return self
        # What was sent broken and is not sent any more is to be verified anew.
        first = at if self.state == REFUSED else self.first_answer or at
        return Absence(self.start, self.end, first, at, at, 0)

    def refused(self, refusal: Refusal, at: datetime) -> "Absence":
        """The market was asked at ``at`` and sent the candle broken."""
        first = self.first_answer or at if self.state == REFUSED else at
        if self.recheck_at is not None and self.value == refusal.value:
            return self._rechecked(at)
        return Absence(
            self.start, self.end, first, at, at, 0, rule=refusal.rule, value=refusal.value
        )

    def failed(self, error: str, at: datetime, *, is_permanent: bool = False) -> "Absence":
        """The market was asked at ``at`` and did not answer."""
        if self.is_settled:
            return self._rechecked(at)
        return replace(
            self, last_try=at, tries=self.tries + 1, error=error, is_permanent=is_permanent
        )

    def continues(self, before: "Absence") -> bool:
        """Whether it follows ``before`` without a break, and the same is known of both."""
        return before.end == self.start and self._knowledge == before._knowledge

    def no_longer_served(self) -> "Absence":
        """The market serves nothing as old as this; what is settled stays as it is."""
        return self if self.is_settled else replace(self, error=None, is_unavailable=True)

    def _rechecked(self, at: datetime) -> "Absence":
        """Settled, and asked again in vain."""
        is_due = self.recheck_at is not None and self.recheck_at <= at
        return replace(self, last_try=at) if is_due else self

    @property
    def _knowledge(self) -> tuple[object, ...]:
        return (
            self.first_answer,
            self.last_answer,
            self.last_try,
            self.tries,
            self.error,
            self.is_permanent,
            self.rule,
            self.value,
            self.is_unavailable,
        )


def cut(absence: Absence, start: datetime, end: datetime) -> Absence | None:
    """The part of ``absence`` in ``[start, end)``; None if there is none."""
    first, last = max(absence.start, start), min(absence.end, end)
    if first >= last:
        return None
    is_whole = first == absence.start and last == absence.end
    return absence if is_whole else replace(absence, start=first, end=last)


def joined(absences: Iterable[Absence]) -> list[Absence]:
    """Neighbours about which the same is known become one."""
    found: list[Absence] = []
    for absence in absences:
        if found and absence.continues(found[-1]):
            found[-1] = replace(found[-1], end=absence.end)
        else:
            found.append(absence)
    return found
