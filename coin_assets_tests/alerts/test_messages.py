"""Texts: short, and with what somebody needs who was woken up.

- Since when, how old, why, what to do; who is affected, by timeframe if they are many.
- A message fits what the narrowest channel takes, whatever the errors contain.
"""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from coin_assets.alerts.channels import DISCORD_CHARACTERS
from coin_assets.alerts.conditions import Condition
from coin_assets.alerts.messages import MessageKind, compose
from coin_assets.alerts.records import message_text, parse_message
from coin_assets.alerts.wording import shortened, subjects_words
from coin_assets_tests.alerts.cycles import BTC, ETH, NOW, XRP, message, stale
from coin_assets_tests.platform import utc

SINCE = utc("2026-11-22T20:00")


def test_an_alert_contains_the_detail_and_the_remedy() -> None:
    found = [stale(subject, since=SINCE) for subject in (BTC, ETH, XRP)]
    composed = compose(MessageKind.ALERT, found, 3, NOW)
    assert composed.title == "hard_stale: 3 series (BTC/USDT 1h, ETH/USDT 1h, XRP/USDT 1h)"
    assert composed.text.splitlines() == [
        "Since 2026-11-22 20:00 UTC (2 h 5 min).",
        "data ends 2026-11-22 20:00, 125 min old (limit 130)",
        "Cause: the exchange does not answer",
        "To do: check the exchange, then run update",
        "Runbook: docs/operations/stale.md",
    ]
    assert composed.headline == f"[CRITICAL] {composed.title}"
    assert composed.since == SINCE


def test_each_subject_has_its_own_detail() -> None:
    other = replace(stale(ETH, since=SINCE), detail="data ends\n2026-11-22 19:00")
    composed = compose(MessageKind.REPEAT, [stale(BTC), other], 5, NOW)
    assert composed.title.startswith("still hard_stale: 2 series")
    assert composed.text.splitlines()[:4] == [
        "Since 2026-11-22 20:00 UTC at the earliest (2 h 5 min).",
        "BTC/USDT 1h: data ends 2026-11-22 20:00, 125 min old (limit 130)",
        "ETH/USDT 1h: data ends 2026-11-22 19:00",
        "5 are affected by now.",
    ]


def test_an_escalation_names_the_runbook() -> None:
    composed = compose(MessageKind.ESCALATION, [stale()], 1, NOW)
    assert composed.title == "escalation, hard_stale: BTC/USDT 1h"
    assert composed.text.splitlines()[-1] == "Runbook: docs/operations/stale.md"
    assert composed.runbook == "docs/operations/stale.md"


def test_a_recovery_contains_the_duration() -> None:
    composed = compose(MessageKind.RECOVERY, [stale(since=SINCE)], 0, NOW)
    assert composed.headline == "[OK] recovered from hard_stale: BTC/USDT 1h"
    assert composed.text == "Over at 2026-11-22 22:05 UTC after 2 h 5 min (since 2026-11-22 20:00)."
    composed = compose(MessageKind.RECOVERY, [stale(since=SINCE), stale(ETH)], 0, NOW)
    assert composed.text.splitlines()[1:] == ["BTC/USDT 1h: 2 h 5 min", "ETH/USDT 1h: 0 s"]


def test_many_subjects_are_counted_by_timeframe() -> None:
    found = [stale(f"C{count}/USDT {name}") for name in ("1d", "1h") for count in range(25)]
    composed = compose(MessageKind.ALERT, found, 50, NOW)
    assert composed.title == "hard_stale: 50 series (1h: 25, 1d: 25)"
    assert "1h: C0/USDT, C1/USDT, C2/USDT, C3/USDT, C4/USDT and 20 more" in composed.text
    assert "First: C0/USDT 1d: data ends" in composed.text
    assert len(composed.subjects) == 50
    over = compose(MessageKind.RECOVERY, found, 0, NOW)
    assert "1d: C0/USDT, C1/USDT" in over.text


def test_subjects_that_are_no_series() -> None:
    assert subjects_words(["disk", "job train_models"]) == "2 subjects (disk, job train_models)"
    many = [*(f"job {count}" for count in range(9)), BTC, ETH]
    assert subjects_words(many) == "11 subjects (1h: 2, others: 9)"


def test_the_log_line_is_one_line_with_everything() -> None:
    composed = message()
    line = composed.log_line()
    assert "\n" not in line
    for part in (composed.headline, composed.id, "2026-11-22 22:05", "To do: check the exchange"):
        assert part in line


def test_every_event_has_an_id_of_its_own() -> None:
    events = [
        compose(kind, [stale(subject, cause=cause)], 1, NOW + later * timedelta(minutes=1))
        for kind in MessageKind
        for subject in (BTC, ETH)
        for cause in ("", "timeout")
        for later in range(2)
    ]
    assert len({each.id for each in events}) == len(events) == 48
    assert message().id == message().id


long_texts = st.text(st.characters(codec="utf-8"), max_size=700)
conditions = st.builds(
    lambda subject, cause, detail, remedy: replace(
        stale(f"{subject[:30]} 1h", cause=cause), detail=detail, remedy=remedy
    ),
    *[long_texts] * 4,
)


@given(st.lists(conditions, min_size=1, max_size=15), st.sampled_from(list(MessageKind)))
def test_a_message_is_short_and_survives_storage(found: list[Condition], kind: MessageKind) -> None:
    composed = compose(kind, found, len(found), NOW)
    assert len(f"{composed.headline}\n{composed.text}") <= DISCORD_CHARACTERS
    assert parse_message(message_text(composed)) == composed


def test_shortened_texts_are_one_line() -> None:
    assert shortened("a\n b\t c", 10) == "a b c"
    assert shortened("abcdef ghi", 8) == "abcdef…"
