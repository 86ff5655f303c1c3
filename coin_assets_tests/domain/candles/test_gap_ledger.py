"""The gap ledger: every candle that could exist is stored or explained, never both.

- A candle is verified absent after two answers an hour or more apart, and stays so. One answer
  makes it pending, a question in vain makes it failed and keeps the error.
- A candle that is sent broken is refused, with rule and value, until it is sent right or not at
  all.
- What is older than what the market serves is unavailable, unless it was settled before.
- What is pending or failed is requested again, what fails ever more rarely, but for ever.
- A failure that is permanent, or lasts for many tries, explains a candle: nothing waits for it.
- The ledger of ranges agrees with a dictionary of single candles.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coin_assets.domain.candles.absences import (
    EXPLAINED_AFTER_TRIES,
    FAILED,
    PENDING,
    REFUSED,
    UNAVAILABLE,
    VERIFIED_ABSENT,
    Absence,
    cut,
)
from coin_assets.domain.candles.gap_ledger import Ledger, Missing
from coin_assets.domain.candles.gaps import Gap, find_gaps
from coin_assets.domain.candles.outages import Outage, outages
from coin_assets.domain.candles.refusals import Refusal
from coin_assets.domain.timeframes import Timeframe
from coin_assets.store.ledger_documents import document_of, ledger_of

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
HOURLY = Timeframe("1h")
DAY = datetime(2026, 11, 1, tzinfo=UTC)
REQUESTED = datetime(2026, 11, 3, 12, tzinfo=UTC)
MANY = 12  # tries


def at(hour: int) -> datetime:
    return DAY + hour * HOUR


def gap(first: int, last: int) -> Gap:
    return Gap(at(first), at(last), last - first)


def missing(first: int, last: int, state: str, error: str | None = None) -> Missing:
    return Missing(at(first), at(last), last - first, state, error)


def answered(*times: timedelta) -> Ledger:
    """Hours 3 and 4 are absent, as the market answered at these times after `REQUESTED`."""
    ledger = Ledger()
    for time in times:
        ledger = ledger.answered(at(0), at(24), [gap(3, 5)], REQUESTED + time)
    return ledger


def failed(times: int, ledger: Ledger = Ledger()) -> Ledger:  # noqa: B008 (frozen)
    """Hours 3 and 4 were requested in vain, a minute after another."""
    for number in range(times):
        now = REQUESTED + number * MINUTE
        ledger = ledger.failed(at(0), at(24), [gap(3, 5)], f"error {number}", now)
    return ledger


def explained(ledger: Ledger, first: int = 3, last: int = 5) -> list[Missing]:
    return ledger.explained([gap(first, last)], HOURLY)


# ------------------------------------------------------------------------------------------ states


@pytest.mark.parametrize(
    ("answers", "state"),
    [
        ([0 * HOUR], PENDING),
        ([0 * HOUR, HOUR - timedelta.resolution], PENDING),
        ([0 * HOUR, HOUR], VERIFIED_ABSENT),
        ([0 * HOUR, 30 * MINUTE, 59 * MINUTE], PENDING),
        ([0 * HOUR, 30 * MINUTE, 60 * MINUTE], VERIFIED_ABSENT),
        ([0 * HOUR, 1000 * HOUR], VERIFIED_ABSENT),
    ],
)
def test_absent_is_verified_by_two_answers_an_hour_or_more_apart(
    answers: list[timedelta], state: str
) -> None:
    assert explained(answered(*answers)) == [missing(3, 5, state)]


def test_what_nobody_requested_is_pending_and_unanswered() -> None:
    assert explained(Ledger()) == [missing(3, 5, PENDING)]
    assert Ledger().unanswered([gap(3, 5)]) == [(at(3), at(5))]
    assert Ledger().due(at(0), at(24), REQUESTED) == []


def test_a_question_in_vain_makes_failed_with_the_last_error() -> None:
    assert explained(failed(1)) == [missing(3, 5, FAILED, "error 0")]
    assert explained(failed(3)) == [missing(3, 5, FAILED, "error 2")]
    assert failed(3).unanswered([gap(3, 5)]) == [(at(3), at(5))]


def test_pending_turns_to_failed_but_keeps_its_answer() -> None:
    once = failed(1, answered(-HOUR))
    assert explained(once) == [missing(3, 5, FAILED, "error 0")]
    assert once.unanswered([gap(3, 5)]) == []
    twice = once.answered(at(0), at(24), [gap(3, 5)], REQUESTED + MINUTE)
    assert explained(twice) == [missing(3, 5, VERIFIED_ABSENT)]


def test_an_answer_after_failures_is_the_first_answer_and_clears_the_error() -> None:
    ledger = failed(4).answered(at(0), at(24), [gap(3, 5)], REQUESTED + HOUR)
    assert explained(ledger) == [missing(3, 5, PENDING)]
    assert ledger.due(at(0), at(24), REQUESTED + 2 * HOUR - MINUTE) == []
    assert ledger.due(at(0), at(24), REQUESTED + 2 * HOUR) == [(at(3), at(5))]


def test_what_is_verified_stays_as_it_is_whatever_is_requested_later() -> None:
    verified = answered(0 * HOUR, HOUR)
    assert failed(3, verified) == verified
    assert verified.answered(at(0), at(24), [gap(3, 5)], REQUESTED + 9 * HOUR) == verified
    assert verified.due(at(0), at(24), REQUESTED + 10_000 * HOUR) == []


def test_a_candle_that_the_market_has_after_all_leaves_the_ledger() -> None:
    for ledger in (answered(0 * HOUR), answered(0 * HOUR, HOUR), failed(2)):
        partly = ledger.answered(at(4), at(6), [], REQUESTED + 2 * HOUR)
        assert [(each.start, each.end) for each in partly.absences] == [(at(3), at(4))]
        assert ledger.answered(at(0), at(24), [], REQUESTED).absences == ()


# ----------------------------------------------------------------------------------- asking again


def test_pending_is_due_an_hour_after_the_answer() -> None:
    ledger = answered(0 * HOUR)
    assert ledger.due(at(0), at(24), REQUESTED + HOUR - timedelta.resolution) == []
    assert ledger.due(at(0), at(24), REQUESTED + HOUR) == [(at(3), at(5))]


def test_pending_is_never_given_up_however_often_it_was_requested() -> None:
    ledger = answered(*(number * MINUTE for number in range(3 * MANY)))
    (absence,) = ledger.absences
    assert (absence.state, absence.retry_at) == (
        PENDING,
        REQUESTED + (3 * MANY - 1) * MINUTE + HOUR,
    )


@pytest.mark.parametrize(("is_permanent", "longest"), [(False, 15 * MINUTE), (True, 6 * HOUR)])
def test_what_fails_is_requested_ever_more_rarely_and_never_given_up(
    is_permanent: bool, longest: timedelta
) -> None:
    delays = []
    ledger = Ledger()
    for _ in range(3 * MANY):
        ledger = ledger.failed(
            at(0), at(24), [gap(3, 5)], "error", REQUESTED, is_permanent=is_permanent
        )
        (absence,) = ledger.absences
        assert absence.retry_at is not None
        delays.append(absence.retry_at - absence.last_try)
    assert delays[:3] == [2 * MINUTE, 4 * MINUTE, 8 * MINUTE]
    assert delays == sorted(delays)
    assert delays[-1] == longest


def test_a_candle_that_is_sent_broken_is_refused_until_it_is_sent_right_or_not_at_all() -> None:
    refusal = Refusal(at(3), at(4), "ohlc", "high=1 low=2")
    ledger = Ledger().answered(at(0), at(24), [gap(3, 5)], REQUESTED, [refusal])
    assert explained(ledger) == [
        missing(3, 4, REFUSED, "[ohlc] high=1 low=2"),
        missing(4, 5, PENDING),
    ]
    assert ledger.unanswered([gap(3, 5)]) == []
    assert ledger.due(at(0), at(24), REQUESTED + HOUR) == [(at(3), at(4)), (at(4), at(5))]
    again = ledger.answered(at(0), at(24), [gap(3, 5)], REQUESTED + HOUR, [refusal])
    assert again.due(at(0), at(24), REQUESTED + 1000 * HOUR) == []
    assert again.answered(at(0), at(24), [gap(3, 5)], REQUESTED + 2 * HOUR, [refusal]) == again
    assert again.answered(at(0), at(24), [gap(4, 5)], REQUESTED + 2 * HOUR).absences == (
        again.absences[1],
    )
    gone = again.answered(at(0), at(24), [gap(3, 5)], REQUESTED + 2 * HOUR)
    assert explained(gone) == [missing(3, 4, PENDING), missing(4, 5, VERIFIED_ABSENT)]


def test_a_settled_refusal_is_rechecked_every_six_hours_and_is_never_due() -> None:
    refusal, whole = Refusal(at(3), at(4), "ohlc", "high=1 low=2"), (at(0), at(24))

    def requested(ledger: Ledger, later: timedelta) -> Ledger:
        return ledger.answered(*whole, [gap(3, 5)], REQUESTED + later, [refusal])

    once = requested(Ledger(), 0 * HOUR)
    assert once.rechecks(*whole, REQUESTED + 100 * HOUR) == []  # it is due
    settled = requested(once, HOUR)
    assert settled.rechecks(*whole, REQUESTED + 7 * HOUR - MINUTE) == []
    assert settled.rechecks(*whole, REQUESTED + 7 * HOUR) == [(at(3), at(4))]  # not what is absent
    assert settled.rechecks(at(4), at(24), REQUESTED + 7 * HOUR) == []
    failed = settled.failed(*whole, [gap(3, 5)], "down", REQUESTED + 7 * HOUR)
    for again in (requested(settled, 7 * HOUR), failed):
        assert again.rechecks(*whole, REQUESTED + 13 * HOUR - MINUTE) == []
        assert again.rechecks(*whole, REQUESTED + 13 * HOUR) == [(at(3), at(4))]
        assert again.due(*whole, REQUESTED + 1000 * HOUR) == []
        assert explained(again) == explained(settled)


def test_what_is_older_than_what_is_served_is_unavailable_unless_it_was_settled() -> None:
    ledger = answered(0 * HOUR, HOUR).answered(at(6), at(12), [gap(6, 12)], REQUESTED)
    ledger = ledger.failed(at(12), at(14), [gap(12, 14)], "too old", REQUESTED).served_from(at(13))
    assert ledger.edge == at(13)
    assert ledger.missing(HOURLY) == [
        missing(3, 5, VERIFIED_ABSENT),
        missing(6, 12, UNAVAILABLE),
        missing(12, 13, UNAVAILABLE),
        missing(13, 14, FAILED, "too old"),
    ]
    assert ledger.due(at(0), at(24), REQUESTED + 1000 * HOUR) == [(at(13), at(14))]
    assert ledger.absent_until(at(6)) == at(13)
    assert ledger.served_from(at(2)).edge == at(13)


def test_an_answer_starts_the_count_of_tries_anew() -> None:
    ledger = failed(MANY).answered(at(0), at(24), [gap(3, 5)], REQUESTED)
    (absence,) = failed(1, ledger).absences
    assert (absence.tries, absence.retry_at) == (1, REQUESTED + 2 * MINUTE)


@pytest.mark.parametrize(
    ("start", "end", "due"),
    [(0, 24, (3, 5)), (4, 24, (4, 5)), (0, 4, (3, 4)), (5, 24, None), (0, 3, None)],
)
def test_only_what_lies_in_the_range_is_due(
    start: int, end: int, due: tuple[int, int] | None
) -> None:
    expected = [] if due is None else [(at(due[0]), at(due[1]))]
    assert answered(0 * HOUR).due(at(start), at(end), REQUESTED + HOUR) == expected


# ------------------------------------------------------------------------------ listing, forgetting


def test_the_listing_is_the_oldest_one_ever_seen() -> None:
    ledger = Ledger().listed_at(at(5))
    assert ledger.listed == at(5)
    assert ledger.listed_at(at(7)).listed == at(5)
    assert ledger.listed_at(at(2)).listed == at(2)
    assert answered(0 * HOUR).listed_at(at(1)).absences == answered(0 * HOUR).absences


@pytest.mark.parametrize(("before", "left"), [(0, [3, 4]), (3, [3, 4]), (4, [4]), (5, []), (9, [])])
def test_what_lies_before_the_retention_is_forgotten(before: int, left: list[int]) -> None:
    ledger = answered(0 * HOUR).listed_at(at(0)).forgotten_before(at(before))
    assert ledger.listed == at(0)
    held = [opened for each in ledger.absences for opened in HOURLY.opens(each.start, each.end)]
    assert held == [at(hour) for hour in left]


# ----------------------------------------------------------------------------- explaining in pieces


def test_a_gap_is_cut_where_states_or_errors_differ_and_nowhere_else() -> None:
    ledger = (
        Ledger()
        .answered(at(0), at(4), [gap(0, 4)], REQUESTED)
        .answered(at(4), at(6), [gap(4, 6)], REQUESTED + MINUTE)  # pending as well
        .failed(at(8), at(10), [gap(8, 10)], "first", REQUESTED)
        .failed(at(10), at(12), [gap(10, 12)], "second", REQUESTED)
        .answered(at(0), at(2), [gap(0, 2)], REQUESTED + HOUR)
    )
    assert explained(ledger, 0, 14) == [
        missing(0, 2, VERIFIED_ABSENT),
        missing(2, 8, PENDING),  # the last two of them because nobody requested them
        missing(8, 10, FAILED, "first"),
        missing(10, 12, FAILED, "second"),
        missing(12, 14, PENDING),
    ]
    assert ledger.unanswered([gap(0, 14)]) == [
        (at(6), at(8)),
        (at(8), at(10)),
        (at(10), at(12)),
        (at(12), at(14)),
    ]


def test_neighbours_of_which_the_same_is_known_become_one() -> None:
    in_parts = Ledger()
    for first, last in ((0, 3), (6, 9), (3, 6)):
        in_parts = in_parts.answered(at(first), at(last), [gap(first, last)], REQUESTED)
    assert in_parts == Ledger().answered(at(0), at(24), [gap(0, 9)], REQUESTED)
    assert len(in_parts.absences) == 1


@pytest.mark.parametrize(
    ("time", "until"), [(2, 2), (3, 8), (4, 8), (7, 8), (8, 8), (9, 9), (10, 12)]
)
def test_absent_until_follows_verified_absences_without_a_break(time: int, until: int) -> None:
    ledger = Ledger()
    for later, gaps in ((0 * HOUR, [gap(3, 6)]), (MINUTE, [gap(6, 8), gap(10, 13)])):
        for again in (later, later + HOUR):
            for each in gaps:
                ledger = ledger.answered(each.start, each.end, [each], REQUESTED + again)
    ledger = ledger.answered(at(12), at(13), [], REQUESTED)  # found after all
    ledger = ledger.answered(at(12), at(13), [gap(12, 13)], REQUESTED)  # and lost: pending
    assert len(ledger.absences) == 4
    assert ledger.absent_until(at(time)) == at(until)


# ------------------------------------------------------------------------- against single candles

CANDLES = 24
REFUSED_RANGE = "refused"  # the error that is permanent


@dataclass
class Known:
    """The entry of one candle in a dictionary of single candles."""

    stored: bool = False
    answers: list[datetime] = field(default_factory=list)
    failures: list[tuple[datetime, str]] = field(default_factory=list)  # since the last answer
    broken: bool = False  # as it was last sent
    unavailable: bool = False  # older than what is served, since it was last requested

    @property
    def settled(self) -> bool:
        return self.unavailable or any(answer >= self.answers[0] + HOUR for answer in self.answers)

    @property
    def explained(self) -> bool:
        if self.answers or self.unavailable:
            return True
        if not self.failures:
            return False
        return self.failures[-1][1] == REFUSED_RANGE or len(self.failures) >= EXPLAINED_AFTER_TRIES

    def requested(self, now: datetime, error: str | None, *, absent: bool, broken: bool) -> None:
        if error is not None:
            if not self.settled:
                self.failures.append((now, error))
        elif broken:
            self.answers = [*self.answers, now] if self.sent_broken else [now]
            self.broken, self.unavailable = True, False
            self.failures.clear()
        elif absent and (self.broken or self.unavailable or not self.settled):
            self.answers = [now] if self.sent_broken else [*self.answers, now]
            self.broken = self.unavailable = False
            self.failures.clear()
        elif not absent:
            self.stored = True

    @property
    def sent_broken(self) -> bool:
        return self.broken and not self.unavailable

    def no_longer_served(self) -> None:
        if (self.answers or self.failures) and not (self.stored or self.settled):
            self.unavailable = True

    @property
    def answer(self) -> tuple[str, str | None]:
        if self.unavailable:
            return UNAVAILABLE, None
        if self.broken:
            return REFUSED, "[ohlc] broken"
        if self.settled:
            return VERIFIED_ABSENT, None
        return (FAILED, self.failures[-1][1]) if self.failures else (PENDING, None)

    def is_due(self, now: datetime) -> bool:
        if self.stored or self.settled or not (self.answers or self.failures):
            return False
        if not self.failures:
            return self.answers[-1] + HOUR <= now
        at_most = 6 * HOUR if self.failures[-1][1] == REFUSED_RANGE else 15 * MINUTE
        delay = min(timedelta(minutes=2 ** len(self.failures)), at_most)
        return self.failures[-1][0] + delay <= now


@dataclass(frozen=True)
class Question:
    """``length`` candles from ``first`` on, requested ``later`` minutes after the question before.

    After that the market serves nothing older than candle ``edge``, if that is given.
    """

    first: int
    length: int
    later: int
    absent: frozenset[int]
    broken: frozenset[int]
    error: str | None
    edge: int | None


QUESTIONS = st.lists(
    st.builds(
        Question,
        first=st.integers(0, CANDLES - 1),
        length=st.integers(1, CANDLES),
        later=st.sampled_from([0, 1, 7, 30, 60, 61, 600]),
        absent=st.frozensets(st.integers(0, CANDLES - 1)),
        broken=st.frozensets(st.integers(0, CANDLES - 1), max_size=4),
        error=st.sampled_from([None, None, REFUSED_RANGE, "timed out"]),
        edge=st.sampled_from([None, None, None, None, 3, 8, CANDLES]),
    ),
    max_size=12,
)


def single(ranges: list[tuple[datetime, datetime]], timeframe: Timeframe) -> list[datetime]:
    return [
        opened.to_pydatetime() for start, end in ranges for opened in timeframe.opens(start, end)
    ]


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(["1m", "1h", "1w", "1M"]), questions=QUESTIONS)
def test_any_questions_leave_each_candle_stored_or_explained_as_a_dictionary_has_it(
    name: str, questions: list[Question]
) -> None:
    timeframe = Timeframe(name)
    opens = [timeframe.shift(DAY, number) for number in range(CANDLES + 1)]
    model = {opened: Known() for opened in opens[:-1]}
    ledger, now = Ledger(), REQUESTED

    def gaps_between(start: datetime, end: datetime) -> list[Gap]:
        held = [opened for opened, known in model.items() if known.stored]
        return find_gaps(pd.Series(held, dtype="datetime64[us, UTC]"), timeframe, start, end)

    for question in questions:
        now += question.later * MINUTE
        last = min(question.first + question.length, CANDLES)
        start, end = opens[question.first], opens[last]
        for number in range(question.first, last):
            known = model[opens[number]]
            if not known.stored:
                known.requested(
                    now,
                    question.error,
                    absent=number in question.absent,
                    broken=number in question.broken,
                )
        gaps = gaps_between(start, end)
        if question.error is None:
            sent = [number for number in sorted(question.broken) if question.first <= number < last]
            refusals = [
                Refusal(opens[number], opens[number + 1], "ohlc", "broken") for number in sent
            ]
            ledger = ledger.answered(start, end, gaps, now, refusals)
        else:
            is_permanent = question.error == REFUSED_RANGE
            ledger = ledger.failed(start, end, gaps, question.error, now, is_permanent=is_permanent)
        if question.edge is not None:
            ledger = ledger.served_from(opens[question.edge])
            for opened in opens[: question.edge]:
                model[opened].no_longer_served()

    assert ledger_of(json.loads(json.dumps(document_of(ledger)))) == ledger
    everything = gaps_between(opens[0], opens[-1])
    found = ledger.explained(everything, timeframe)
    answers = [
        (opened, (each.state, each.error))
        for each in found
        for opened in single([(each.start, each.end)], timeframe)
    ]
    assert answers == [
        (opened, known.answer) for opened, known in model.items() if not known.stored
    ]
    assert all(each.count == timeframe.count(each.start, each.end) > 0 for each in found)
    assert single(ledger.unanswered(everything), timeframe) == [
        opened for opened, known in model.items() if not known.stored and not known.explained
    ]
    for later in (0 * HOUR, 5 * MINUTE, HOUR, 100 * HOUR):
        assert single(ledger.due(opens[0], opens[-1], now + later), timeframe) == [
            opened for opened, known in model.items() if known.is_due(now + later)
        ]
    for opened in opens[:-1]:
        expected = opened
        while expected in model and not model[expected].stored and model[expected].settled:
            expected = timeframe.next(expected)
        assert ledger.absent_until(opened) == expected
    held = single([(each.start, each.end) for each in ledger.absences], timeframe)
    assert held == [
        opened
        for opened, known in model.items()
        if not known.stored and (known.answers or known.failures)
    ]


# ----------------------------------------------------------------------------------- other releases


def test_a_ledger_of_an_earlier_release_has_none_of_the_newer_fields() -> None:
    time = REQUESTED.isoformat()
    absence = {"start": at(3).isoformat(), "end": at(5).isoformat(), "first_answer": None}
    known = absence | {"last_answer": None, "last_try": time, "tries": 10, "error": "timed out"}
    ledger = ledger_of({"listed": at(0).isoformat(), "absences": [known]})
    assert (ledger.listed, ledger.edge) == (at(0), None)
    assert explained(ledger) == [missing(3, 5, FAILED, "timed out")]
    assert ledger.due(at(0), at(24), REQUESTED + 15 * MINUTE) == [(at(3), at(5))]  # not given up
    assert document_of(ledger)["absences"] == [known]


# -------------------------------------------------------------------------------------- linear time


def absences_cut(monkeypatch: pytest.MonkeyPatch, holes: int) -> dict[str, int]:
    """Absences that each operation on a ledger of so many reads."""
    gaps = [gap(2 * number, 2 * number + 1) for number in range(holes)]
    read = [0]

    def counted(absence: Absence, start: datetime, end: datetime) -> Absence | None:
        read[0] += 1
        return cut(absence, start, end)

    monkeypatch.setattr("coin_assets.domain.candles.gap_ledger.cut", counted)
    ledger, last, found = Ledger(), at(2 * holes), {}
    operations: dict[str, Callable[[], object]] = {
        "answered": lambda: ledger.answered(at(0), last, gaps, REQUESTED),
        "again": lambda: ledger.answered(at(0), last, gaps, REQUESTED + HOUR),
        "newest only": lambda: ledger.answered(last - 4 * HOUR, last, gaps[-2:], REQUESTED),
        "failed": lambda: ledger.failed(at(0), last, gaps, "error", REQUESTED),
        "explained": lambda: ledger.explained(gaps, HOURLY),
        "unanswered": lambda: ledger.unanswered(gaps),
        "unknown": lambda: ledger.unknown(gaps),
        "due": lambda: ledger.due(at(0), last, REQUESTED),
    }
    for name, operation in operations.items():
        read[0] = 0
        result = operation()
        found[name] = read[0]
        ledger = result if isinstance(result, Ledger) else ledger
    monkeypatch.setattr("coin_assets.domain.candles.gap_ledger.cut", cut)
    return found


def test_absences_read_grow_with_the_gaps_and_no_faster(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    few, many = absences_cut(monkeypatch, 100), absences_cut(monkeypatch, 400)
    assert few["explained"] == 100
    assert many["newest only"] == few["newest only"] < 10
    for name, count in many.items():
        assert count <= 4 * few[name] + 8, name


# ----------------------------------------------------------------------------------------- outages


def test_what_several_symbols_lack_is_one_outage() -> None:
    lacking = {
        "BTC/USDT": [missing(2, 6, VERIFIED_ABSENT)],
        "ETH/USDT": [missing(3, 8, VERIFIED_ABSENT)],
        "XRP/USDT": [missing(5, 6, VERIFIED_ABSENT), missing(20, 21, VERIFIED_ABSENT)],
    }
    assert outages(lacking, HOURLY) == [
        Outage(at(3), at(5), 2, ("BTC/USDT", "ETH/USDT")),
        Outage(at(5), at(6), 1, ("BTC/USDT", "ETH/USDT", "XRP/USDT")),
    ]


@pytest.mark.parametrize("state", [PENDING, FAILED])
def test_what_is_not_verified_is_no_outage(state: str) -> None:
    lacking = {"A/B": [missing(2, 6, VERIFIED_ABSENT)], "C/B": [missing(2, 6, state)]}
    assert outages(lacking, HOURLY) == []


def runs(hours: frozenset[int]) -> list[Missing]:
    held = pd.Series(
        [at(hour) for hour in range(CANDLES) if hour not in hours], dtype="datetime64[us, UTC]"
    )
    return [
        Missing(each.start, each.end, each.count, VERIFIED_ABSENT)
        for each in find_gaps(held, HOURLY, at(0), at(CANDLES))
    ]


@settings(max_examples=100, deadline=None)
@given(
    lacking=st.dictionaries(
        st.sampled_from("ABCD"), st.frozensets(st.integers(0, CANDLES - 1)), max_size=4
    )
)
def test_outages_are_what_counting_hour_by_hour_finds(lacking: dict[str, frozenset[int]]) -> None:
    found = outages({name: runs(hours) for name, hours in lacking.items()}, HOURLY)
    by_hour = {
        opened: each.symbols
        for each in found
        for opened in single([(each.start, each.end)], HOURLY)
    }
    expected = {}
    for hour in range(CANDLES):
        lackers = tuple(sorted(name for name, hours in lacking.items() if hour in hours))
        if len(lackers) > 1:
            expected[at(hour)] = lackers
    assert by_hour == expected
    assert sum(each.count for each in found) == len(by_hour)
    for before, after in pairwise(found):
        assert before.end < after.start or before.symbols != after.symbols
