"""Which conditions are alerted, when, and together with which others.

- An alert when it begins, a word when it gets worse, repeats at growing intervals of an hour at
  most, one escalation, and a recovery for what was alerted.
- What fails together is in one message; a subject is in one message a cycle.
- Acknowledged: nothing but news. Muted: nothing; what is open when the mute ends is alerted then.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coin_assets.alerts.conditions import Condition, Severity
from coin_assets.alerts.incidents import (
    LONGEST_INTERVAL,
    Incident,
    Mute,
    MuteKind,
    Rules,
    advance,
    still_holding,
)
from coin_assets.alerts.messages import Message, MessageKind
from coin_assets_tests.alerts.cycles import BTC, ETH, MINUTE, NOW, RULES, XRP, soft, stale

HOUR = timedelta(hours=1)


class Cycles:
    """Cycles one after the other; ``sent`` has minute, kind and subjects of every message."""

    def __init__(self, rules: Rules = RULES) -> None:
        self.rules = rules
        self.incidents: dict[str, Incident] = {}
        self.sent: list[tuple[float, str, tuple[str, ...]]] = []

    def at(
        self, minute: float, *conditions: Condition, mutes: Sequence[Mute] = ()
    ) -> list[Message]:
        now = NOW + minute * MINUTE
        self.incidents, messages = advance(self.incidents, conditions, mutes, now, self.rules)
        self.sent += [(minute, each.kind.value, each.subjects) for each in messages]
        return messages

    def every_minute(
        self, first: int, last: int, *conditions: Condition, mutes: Sequence[Mute] = ()
    ) -> None:
        for minute in range(first, last + 1):
            self.at(minute, *conditions, mutes=mutes)

    def kinds(self) -> list[tuple[float, str]]:
        return [(minute, kind) for minute, kind, _ in self.sent]


@pytest.fixture
def cycles() -> Cycles:
    return Cycles()


def test_from_alert_to_recovery(cycles: Cycles) -> None:
    cycles.every_minute(0, 200, stale())
    (recovery,) = cycles.at(201)
    assert cycles.kinds() == [
        (0, "alert"),
        (3, "repeat"),
        (9, "repeat"),
        (21, "repeat"),
        (45, "repeat"),
        (60, "escalation"),
        (108, "repeat"),
        (168, "repeat"),
        (201, "recovery"),
    ]
    assert recovery.since == NOW
    assert cycles.incidents == {}
    assert cycles.at(202) == []


def test_missed_cycles_change_nothing(cycles: Cycles) -> None:
    for minute in (0, 40, 100, 130):
        cycles.at(minute, stale())
    assert cycles.kinds() == [(0, "alert"), (40, "repeat"), (100, "escalation"), (130, "repeat")]


def test_soft_stale_is_alerted_when_it_lasts(cycles: Cycles) -> None:
    cycles.every_minute(0, 2, soft())
    cycles.at(2.5)
    cycles.every_minute(3, 6, soft())
    cycles.at(7)
    assert cycles.kinds() == [(6, "alert"), (7, "recovery")]


def test_what_gets_worse_sends_a_message_and_what_gets_better_does_not(cycles: Cycles) -> None:
    cycles.every_minute(0, 3, soft())
    cycles.at(4, stale())
    cycles.at(5, soft())
    cycles.at(6, stale())  # as in the last message
    cycles.at(6.5, stale(kind="corrupt"))
    assert cycles.kinds() == [(3, "alert"), (4, "worse"), (6.5, "worse")]


def test_hard_stale_is_alerted_at_once_although_soft_stale_waited(cycles: Cycles) -> None:
    cycles.at(0, soft())
    cycles.at(1, stale())
    assert cycles.kinds() == [(1, "alert")]


def test_worse_again_after_a_repeat_reported_it_as_better(cycles: Cycles) -> None:
    cycles.at(0, stale())
    cycles.at(3, soft())
    cycles.at(4, stale())
    assert cycles.kinds() == [(0, "alert"), (3, "repeat"), (4, "worse")]


def test_another_cause_or_detail_is_no_transition(cycles: Cycles) -> None:
    cycles.at(0, stale(cause="timeout"))
    cycles.at(1, stale(cause="HTTP 503"))
    cycles.at(2, stale(kind="something else"))
    assert cycles.kinds() == [(0, "alert")]


def test_the_worst_condition_of_a_subject_counts(cycles: Cycles) -> None:
    (message,) = cycles.at(0, soft(), stale(kind="missing"), stale())
    assert message.title == f"missing: {BTC}"


def test_the_recovery_counts_from_the_earliest_time(cycles: Cycles) -> None:
    cycles.at(0, stale(since=NOW - HOUR))
    cycles.at(1, stale(since=NOW + MINUTE))
    (recovery,) = cycles.at(2)
    assert recovery.since == NOW - HOUR
    assert "after 62 min" in recovery.text


def test_one_message_for_one_cause(cycles: Cycles) -> None:
    messages = cycles.at(0, stale(BTC), stale(ETH), stale(XRP, cause="not listed"))
    assert [each.subjects for each in messages] == [(BTC, ETH), (XRP,)]
    cycles.at(3, stale(BTC), stale(ETH), stale(XRP, cause="not listed"))
    cycles.at(4)
    assert cycles.sent[2:] == [
        (3, "repeat", (BTC, ETH)),
        (3, "repeat", (XRP,)),
        (4, "recovery", (BTC, ETH)),
        (4, "recovery", (XRP,)),
    ]


def test_a_joining_subject_is_alerted_alone_with_how_many_there_are_then_repeated_together(
    cycles: Cycles,
) -> None:
    cycles.every_minute(0, 9, stale(BTC), stale(ETH))
    (joined,) = cycles.at(10, stale(BTC), stale(ETH), stale(XRP))
    assert joined.kind == MessageKind.ALERT
    assert joined.subjects == (XRP,)
    assert "3 are affected by now" in joined.text
    cycles.sent.clear()
    cycles.every_minute(11, 61, stale(BTC), stale(ETH), stale(XRP))
    assert cycles.sent == [
        (13, "repeat", (BTC, ETH, XRP)),
        (37, "repeat", (BTC, ETH, XRP)),  # with the interval of those that wait longest
        (60, "escalation", (BTC, ETH)),
    ]


def test_an_acknowledged_subject_has_only_news(cycles: Cycles) -> None:
    noted = [Mute(BTC, NOW + 2 * HOUR, MuteKind.ACKNOWLEDGE)]
    cycles.at(0, replace(soft(), only_when_lasting=False))
    cycles.every_minute(1, 90, soft(), mutes=noted)
    cycles.at(91, stale(), mutes=noted)
    cycles.every_minute(92, 119, stale(), mutes=noted)
    assert cycles.kinds() == [(0, "alert"), (91, "worse")]
    cycles.at(120, stale(), mutes=noted)
    assert cycles.kinds()[2:] == [(120, "escalation")]
    cycles.at(121, mutes=noted)
    assert cycles.kinds()[3:] == [(121, "recovery")]


def test_an_acknowledged_member_is_left_out_of_repeats_but_counted(cycles: Cycles) -> None:
    cycles.at(0, stale(BTC), stale(ETH))
    noted = [Mute(BTC, NOW + HOUR, MuteKind.ACKNOWLEDGE)]
    (repeat,) = cycles.at(3, stale(BTC), stale(ETH), mutes=noted)
    assert repeat.subjects == (ETH,)
    assert "2 are affected by now" in repeat.text


def test_a_muted_subject_is_alerted_when_the_mute_ends(cycles: Cycles) -> None:
    quiet = [Mute(BTC, NOW + 10 * MINUTE, MuteKind.MUTE)]
    cycles.every_minute(0, 12, stale(), mutes=quiet)
    assert cycles.kinds() == [(10, "alert")]


def test_a_mute_swallows_everything_in_its_time(cycles: Cycles) -> None:
    cycles.at(0, replace(soft(), only_when_lasting=False))
    quiet = [Mute(BTC, NOW + 100 * MINUTE, MuteKind.MUTE)]
    cycles.every_minute(1, 70, stale(), mutes=quiet)
    cycles.at(71, mutes=quiet)
    cycles.at(72, stale(), mutes=quiet)
    cycles.at(73, mutes=quiet)
    cycles.at(101)
    assert cycles.kinds() == [(0, "alert")]


def test_what_got_worse_while_muted_is_alerted_after(cycles: Cycles) -> None:
    cycles.every_minute(0, 3, soft())
    quiet = [Mute(BTC, NOW + 10 * MINUTE, MuteKind.MUTE)]
    cycles.every_minute(4, 10, stale(), mutes=quiet)
    assert cycles.kinds() == [(3, "alert"), (10, "worse")]


def test_acknowledgements_end_with_their_incident() -> None:
    incidents = {BTC: Incident(stale(), NOW, NOW)}
    mutes = [Mute(name, NOW + HOUR, kind) for name in (BTC, ETH) for kind in MuteKind]
    held = still_holding(mutes, incidents, NOW)
    assert [(each.subject, each.kind.value) for each in held] == [
        (BTC, "acknowledge"),
        (BTC, "mute"),
        (ETH, "mute"),
    ]
    assert still_holding(mutes, incidents, NOW + HOUR) == []


def test_a_clock_that_is_set_back_does_not_silence(cycles: Cycles) -> None:
    cycles.at(10_000, stale())
    cycles.every_minute(0, 3, stale())
    assert cycles.kinds() == [(10_000, "alert"), (3, "repeat")]


def test_whoever_wants_repeats_less_often_than_hourly_gets_them() -> None:
    rules = Rules(MINUTE, repeat_cycles=90, escalate_cycles=1000)
    assert [rules.interval(count) for count in (0, 1, 999)] == [90 * MINUTE] * 3


# ------------------------------------------------------------------------------------------- laws

SUBJECTS = (BTC, ETH, XRP, "disk")
KINDS = ("stale", "hard_stale", "missing", "failing")
conditions = st.builds(
    lambda subject, kind, cause, severity, lasting: stale(
        subject, kind, cause, NOW, severity, lasting
    ),
    st.sampled_from(SUBJECTS),
    st.sampled_from(KINDS),
    st.sampled_from(("", "timeout")),
    st.sampled_from(list(Severity)),
    st.booleans(),
)
mutes = st.builds(
    lambda subject, minute, kind: Mute(subject, NOW + minute * MINUTE, kind),
    st.sampled_from(SUBJECTS),
    st.integers(0, 200),
    st.sampled_from(list(MuteKind)),
)
Steps = list[tuple[int, list[Condition]]]
# Each set of conditions lasts for some minutes.
steps = st.lists(st.tuples(st.integers(1, 90), st.lists(conditions, max_size=5)), max_size=6)
rules = st.builds(Rules, st.just(MINUTE), st.integers(1, 40), st.integers(1, 80))

Event = tuple[datetime, Message | None]  # None: a cycle without the subject


def histories(
    story: Steps, mutes: Sequence[Mute], law: Rules
) -> tuple[dict[str, list[Event]], list[tuple[datetime, list[Message]]]]:
    """Events of each subject, and messages of each cycle."""
    received: dict[str, list[Event]] = defaultdict(list)
    sent = []
    incidents: dict[str, Incident] = {}
    now = NOW
    for minutes, found in story:
        for _ in range(minutes):
            incidents, messages = advance(incidents, found, mutes, now, law)
            assert set(incidents) == {each.subject for each in found}
            assert advance(incidents, found, mutes, now, law) == (incidents, [])
            sent.append((now, messages))
            for each in messages:
                for subject in each.subjects:
                    received[subject].append((now, each))
            for subject in set(received) - set(incidents):
                received[subject].append((now, None))
            now += MINUTE
    return received, sent


def kinds_between_gaps(events: Iterable[Event]) -> list[list[MessageKind]]:
    """Kinds of messages, in pieces that end where the subject was well."""
    pieces: list[list[MessageKind]] = [[]]
    for _, message in events:
        if message is None:
            pieces.append([])
        else:
            pieces[-1].append(message.kind)
    return [piece for piece in pieces if piece]


@given(steps, st.lists(mutes, max_size=3), rules)
def test_messages_of_a_subject_are_in_order(story: Steps, mutes: list[Mute], law: Rules) -> None:
    received, sent = histories(story, mutes, law)
    for events in received.values():
        for piece in kinds_between_gaps(events):
            assert piece[0] == MessageKind.ALERT
            assert piece.count(MessageKind.ALERT) == 1
            assert piece.count(MessageKind.ESCALATION) <= 1
            assert MessageKind.RECOVERY not in piece[:-1]
    for now, messages in sent:
        subjects = [subject for each in messages for subject in each.subjects]
        assert len(subjects) == len(set(subjects))
        quiet = {each.subject for each in mutes if each.until > now and each.kind == MuteKind.MUTE}
        assert not quiet & set(subjects)


@given(steps, rules)
def test_what_was_alerted_recovers_once_and_nothing_else_does(story: Steps, law: Rules) -> None:
    received, _ = histories([*story, (1, [])], [], law)
    for events in received.values():
        for piece in kinds_between_gaps(events):
            assert piece[-1] == MessageKind.RECOVERY


@given(steps, rules)
def test_one_message_for_each_kind_and_cause(story: Steps, law: Rules) -> None:
    _, sent = histories(story, [], law)
    for _, messages in sent:
        groups = [
            (each.kind, each.title.split(":")[0], re.findall("^Cause: .*", each.text, re.MULTILINE))
            for each in messages
            if each.kind != MessageKind.RECOVERY  # it does not name the cause any more
        ]
        assert all(groups.count(group) == 1 for group in groups)
    ids = [each.id for _, messages in sent for each in messages]
    assert len(ids) == len(set(ids))


@given(st.lists(st.integers(0, 30), min_size=1, max_size=4), rules)
def test_intervals_of_repeats(starts: list[int], law: Rules) -> None:
    """Subjects join one after the other and stay for four hours."""
    story: Steps = []
    for minute in range(240):
        joined = [
            stale(subject)
            for subject, start in zip(SUBJECTS, starts, strict=False)
            if minute >= start
        ]
        story.append((1, joined))
    received, sent = histories(story, [], law)
    for events in received.values():
        times = [now for now, message in events if message is not None]
        ends = [*times[1:], NOW + 239 * MINUTE]
        assert all(end - start <= LONGEST_INTERVAL for start, end in zip(times, ends, strict=True))
        repeats = [now for now, each in events if each and each.kind == MessageKind.REPEAT]
        gaps = [end - start for start, end in pairwise(repeats)]
        assert all(gap >= law.first_interval for gap in gaps)
    for _, messages in sent:
        assert sum(each.kind == MessageKind.REPEAT for each in messages) <= 1
