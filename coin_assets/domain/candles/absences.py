"""`Absence`: consecutive candles that are not stored, and the market's answers about them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from coin_assets.domain.backoff import backoff
from coin_assets.domain.candles.refusals import IMPLAUSIBLE, Refusal
from coin_assets.domain.future_data import CLOCK_TOLERANCE

VERIFIED_ABSENT, UNAVAILABLE, REFUSED, PENDING, FAILED = STATES = (
    "verified_absent",
    "unavailable",
    "refused",
    "pending",
    "failed",
)
OPEN_STATES = (PENDING, FAILED)
VERIFY_AFTER = timedelta(hours=1)
# A settled refusal is requested again by a fetch that runs for other candles, at most this often.
RECHECK_AFTER = timedelta(hours=6)
# Number of failed requests after which a temporary failure counts as an explanation; about an hour.
EXPLAINED_AFTER_TRIES = 6
_FIRST_DELAY = timedelta(minutes=1)
# Back-off after temporary failures, and after permanent ones, which rarely change.
_LONGEST_DELAY, _LONGEST_PERMANENT_DELAY = timedelta(minutes=15), timedelta(hours=6)


@dataclass(frozen=True)
class Absence:
    """Consecutive missing candles, opens in ``[start, end)``, with one state.

    Attributes:
        first_answer, last_answer: times of the market's first and last answer without these
            candles or, for a refused candle, with a broken one; None without an answer.
        last_try: time of the last request, answered or not; for a settled refusal updated only
            every `RECHECK_AFTER`.
        tries: number of failed requests since the last answer.
        error: message of the last request if it failed.
        is_permanent: whether that error persists without a change of settings or market.
        rule, value: for a refused candle, the broken rule and the candle as last sent.
        is_unavailable: whether the candles are older than the market's history.

    Two answers an hour or more apart settle an absence. A settled absence causes no request, and no
    failure changes it. A fetch of its month that runs for other candles requests a settled refusal
    again every `RECHECK_AFTER`; see `recheck_at`.
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
        """Whether no run is requested for it any more.

        True if two answers an hour or more apart lack it, or the market no longer serves it.
        """
        if self.is_unavailable:
            return True
        first, last = self.first_answer, self.last_answer
        return first is not None and last is not None and last - first >= VERIFY_AFTER

    @property
    def is_explained(self) -> bool:
        """Whether processing continues without these candles.

        True if the market answered or no longer serves them, if the error is permanent, or after
        `EXPLAINED_AFTER_TRIES` failures.
        """
        if self.first_answer is not None or self.is_unavailable:
            return True
        if self.error is None:
            return False
        return self.is_permanent or self.tries >= EXPLAINED_AFTER_TRIES

    @property
    def retry_at(self) -> datetime | None:
        """Time of the next request; None if it is settled."""
        if self.is_settled:
            return None
        if self.error is None:
            return self.last_try + VERIFY_AFTER
        longest = _LONGEST_PERMANENT_DELAY if self.is_permanent else _LONGEST_DELAY
        return self.last_try + backoff(_FIRST_DELAY, longest, self.tries + 1)

    @property
    def newest_request(self) -> datetime | None:
        """Time of the newest request it records; None if the market no longer serves it.

        Then the times of requests decide nothing.
        """
        times = (self.first_answer, self.last_answer, self.last_try)
        return None if self.is_unavailable else max(time for time in times if time is not None)

    def is_due(self, now: datetime) -> bool:
        """Whether the next request is due; also if one is recorded in the future.

        A clock that was wrong for a while would otherwise put off requests for years.
        """
        is_due = self.retry_at is not None and self.retry_at <= now
        return is_due or self._not_after(now) is not self

    @property
    def recheck_at(self) -> datetime | None:
        """Time from which a fetch includes a settled refusal; None for all others.

        No run is requested for it.
        """
        is_resting = self.state == REFUSED and self.is_settled
        return self.last_try + RECHECK_AFTER if is_resting else None

    @property
    def reason(self) -> str | None:
        """Reason for messages; None where the market has no such candles."""
        if self.state == REFUSED:
            return f"[{self.rule}] {self.value}"
        return self.error if self.state == FAILED else None

    def answered(self, at: datetime) -> "Absence":
        """Return the absence after an answer at ``at`` without these candles."""
        known = self._not_after(at)
        if known.state == VERIFIED_ABSENT:
            return known
        # A refused candle that is no longer sent has to be verified from the start.
        first = at if known.state == REFUSED else min(known.first_answer or at, at)
        return Absence(self.start, self.end, first, at, at, 0)

    def refused(self, refusal: Refusal, at: datetime) -> "Absence":
        """Return the absence after an answer at ``at`` with a broken candle."""
        known = self._not_after(at)
        # An implausible candle is confirmed by a second answer with the same values.
        is_known = known.state == REFUSED and (
            refusal.rule != IMPLAUSIBLE or known.value == refusal.value
        )
        first = known.first_answer or at if is_known else at
        if known.recheck_at is not None and known.value == refusal.value:
            return known._rechecked(at)
        return Absence(
            self.start, self.end, first, at, at, 0, rule=refusal.rule, value=refusal.value
        )

    def failed(self, error: str, at: datetime, *, is_permanent: bool = False) -> "Absence":
        """Return the absence after a failed request.

        Args:
            error: message of the failure.
            at: time of the request, UTC.
            is_permanent: whether the failure persists without intervention.
        """
        if self.is_settled:
            return self._rechecked(at)
        known = self._not_after(at)
        return replace(
            known, last_try=at, tries=known.tries + 1, error=error, is_permanent=is_permanent
        )

    def continues(self, before: "Absence") -> bool:
        """Whether it starts where ``before`` ends and has the same state."""
        return before.end == self.start and self._facts == before._facts

    def no_longer_served(self) -> "Absence":
        """Return the absence as unavailable; a settled one is unchanged."""
        return self if self.is_settled else replace(self, error=None, is_unavailable=True)

    def _not_after(self, now: datetime) -> "Absence":
        """Return the absence without answers recorded after ``now``, when a clock was ahead."""
        newest, first = self.newest_request, self.first_answer
        if newest is None or newest - now <= CLOCK_TOLERANCE:
            return self
        if first is None or first - now > CLOCK_TOLERANCE:
            first = last = None
        else:
            last = min(self.last_answer or first, now)
        last_try = min(self.last_try, now)
        return replace(self, first_answer=first, last_answer=last, last_try=last_try)

    def _rechecked(self, at: datetime) -> "Absence":
        """Return the settled absence after another request without its candles."""
        is_due = self.recheck_at is not None and self.recheck_at <= at
        return replace(self, last_try=at) if is_due else self

    @property
    def _facts(self) -> tuple[object, ...]:
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
    """Part of ``absence`` in ``[start, end)``; None if they do not overlap."""
    first, last = max(absence.start, start), min(absence.end, end)
    if first >= last:
        return None
    is_whole = first == absence.start and last == absence.end
    return absence if is_whole else replace(absence, start=first, end=last)


def joined(absences: Iterable[Absence]) -> list[Absence]:
    """Absences with adjacent equal ones joined; see `Absence.continues`."""
    found: list[Absence] = []
    for absence in absences:
        if found and absence.continues(found[-1]):
            found[-1] = replace(found[-1], end=absence.end)
        else:
            found.append(absence)
    return found
