"""A message that a channel refuses for itself does not hold up the ones after it.

Receivers answer as Discord and Slack do: HTTP 400 to a body that they will not have (Discord to
content of more than 2,000 characters: https://github.com/Rapptz/discord.py/issues/10201; Slack
``invalid_payload``), 403 and 404 if the channel itself is closed. 413 and 422 are those of proxies
and of receivers that validate JSON.
"""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from coin_assets.alerts.messages import MessageKind, short_form
from coin_assets.alerts.outbox import DeliveryReport
from coin_assets_tests.alerts.cycles import BTC, ETH, MINUTE, XRP, message
from coin_assets_tests.alerts.receiver import Receiver, Reply
from coin_assets_tests.alerts.test_outbox import DAY, SECOND, Desk, ids

WAITS = (5, 10)  # seconds before the second and the third try


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def desk(tmp_path: Path, receiver: Receiver) -> Desk:
    return Desk(tmp_path / "alerts" / "alerts.sqlite", receiver.url)


def refuse_texts_of(subject: str, status: int) -> Any:
    """Refuse a body whose text speaks of ``subject``; a short text does not."""
    return lambda body: status if subject in body["text"] else 200


def refuse_all_of(subject: str, status: int) -> Any:
    return lambda body: status if subject in body["subjects"] else 200


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_message_that_is_refused_is_replaced_by_a_short_text(
    desk: Desk, receiver: Receiver, status: int
) -> None:
    receiver.judge = refuse_texts_of(BTC, status)
    bad, good = desk.cycle(BTC, ETH)
    for wait in WAITS:
        assert desk.deliver().pending == 2
        desk.now += wait * SECOND
    assert desk.deliver() == DeliveryReport(2, 0, ())
    assert ids(receiver) == [f"{bad.id}-short", good.id]
    keys = [each.headers["Idempotency-Key"] for each in receiver.received]
    assert keys == [bad.id] * 3 + [f"{bad.id}-short", good.id]
    short = receiver.accepted[0]
    assert (short["subjects"], short["severity"], short["kind"]) == ([BTC], "critical", "alert")
    assert f"hard_stale: {BTC}" in short["title"]
    assert bad.id in short["text"]
    assert f"alert {bad.id} was sent as a short text: " in desk.log[-1]
    assert f"HTTP {status}" in desk.log[-1]
    assert desk.book.overview(desk.now).set_aside == ()


def test_a_message_that_is_refused_in_any_form_is_set_aside_and_reported(
    desk: Desk, receiver: Receiver
) -> None:
    receiver.judge = refuse_all_of(BTC, 422)
    bad, *good = desk.cycle(BTC, ETH, XRP)
    for wait in WAITS:
        assert desk.deliver().delivered == 0
        desk.now += wait * SECOND
    assert desk.deliver() == DeliveryReport(2, 0, (), set_aside=1)
    assert ids(receiver) == [each.id for each in good]
    assert desk.log[-1].startswith(f"alert {bad.id} was set aside: json ")
    assert bad.text.splitlines()[0] in desk.log[-1]
    (aside,) = desk.book.overview(desk.now).set_aside
    assert (aside.message, aside.at) == (bad, desk.now)
    assert "HTTP 422" in aside.reason
    assert desk.book.undelivered_since(desk.channels) is None

    (alert,) = desk.cycle(BTC, ETH, XRP)
    assert (alert.subjects, alert.title) == (
        ("alert channels",),
        "messages refused: alert channels",
    )
    assert "1 set aside in the last day" in alert.text
    assert bad.id in alert.text
    assert BTC not in alert.text
    assert desk.deliver() == DeliveryReport(1, 0, (), set_aside=1)
    desk.now += DAY + SECOND
    over = [each for each in desk.cycle(BTC, ETH, XRP) if each.kind == MessageKind.RECOVERY]
    assert [each.subjects for each in over] == [("alert channels",)]
    assert desk.book.overview(desk.now).set_aside == ()


def test_several_refused_in_a_row_do_not_hold_up_the_next(desk: Desk, receiver: Receiver) -> None:
    receiver.judge = refuse_all_of(BTC, 400)
    bad = []
    for _ in range(25):
        bad += desk.cycle(BTC)
        desk.deliver()
        desk.now += MINUTE
    assert len(bad) == 4
    good = [each for each in desk.cycle(BTC, ETH) if each.subjects == (ETH,)]
    report = desk.deliver()
    assert (report.delivered, report.pending, report.set_aside) == (1, 0, 4)
    assert ids(receiver) == [each.id for each in good]


def test_a_channel_that_refuses_everything_keeps_its_messages_in_order(
    desk: Desk, receiver: Receiver
) -> None:
    """As with the address of another service: each body is wrong there."""
    receiver.judge = lambda _: 400
    messages = []
    for minute in range(0, 60, 10):
        messages += desk.cycle(*([BTC, ETH] if minute % 20 < 15 else []))
        report = desk.deliver()
        assert (report.pending, report.set_aside) == (len(messages), 0)
        assert report.failed
        desk.now += 10 * MINUTE
    assert len(messages) > 5
    assert desk.book.undelivered_since(desk.channels) == messages[0].created_at
    receiver.judge = None
    assert desk.deliver() == DeliveryReport(len(messages), 0, ())
    assert ids(receiver) == [each.id for each in messages]


@pytest.mark.parametrize(
    "reply", [*map(Reply, (401, 403, 404, 408, 410, 425, 429, 500)), Reply(closes=True)], ids=str
)
def test_a_fault_of_the_channel_holds_up_everything(
    desk: Desk, receiver: Receiver, reply: Reply
) -> None:
    receiver.always = reply
    messages = desk.cycle(BTC, ETH)
    for _ in range(8):
        assert desk.deliver().pending == 2
        desk.now += 10 * MINUTE
    assert {each.body["id"] for each in receiver.received} == {messages[0].id}
    receiver.always = Reply()
    assert desk.deliver() == DeliveryReport(2, 0, ())
    assert ids(receiver) == [each.id for each in messages]


def test_an_outage_on_the_way_sets_nothing_aside(desk: Desk, receiver: Receiver) -> None:
    messages = desk.cycle(BTC, ETH)
    refused, gone = Reply(400), Reply(closes=True)
    # Third try: the whole message and its short text are refused; the next message meets an outage.
    receiver.replies = [refused, refused, refused, refused, gone]
    for wait in (*WAITS, 60):
        assert desk.deliver().pending == 2
        desk.now += wait * SECOND
    assert desk.deliver() == DeliveryReport(2, 0, ())
    assert ids(receiver) == [each.id for each in messages]


def test_a_message_that_one_channel_sets_aside_is_undelivered_until_another_accepts_it(
    tmp_path: Path, receiver: Receiver
) -> None:
    receiver.judge = refuse_all_of(BTC, 400)
    with Receiver() as down:
        down.always = Reply(503)
        desk = Desk(tmp_path / "alerts" / "alerts.sqlite", receiver.url, down.url)
        bad, good = desk.cycle(BTC, ETH)
        for wait in (*WAITS, 10):
            report = desk.deliver()
            desk.now += wait * SECOND
        assert (report.delivered, report.pending, report.set_aside) == (1, 2, 1)
        assert desk.book.undelivered_since(desk.channels) == bad.created_at
        down.always = Reply()
        desk.now += MINUTE
        assert desk.deliver().pending == 0
        assert ids(down) == [bad.id, good.id]


def test_a_short_text_has_nothing_that_could_be_refused() -> None:
    odd = message(*(f"\u202e@everyone ☃{number}" + "x" * 500 for number in range(50)))
    short = short_form(odd)
    assert short.headline.isascii()
    assert short.text.isascii()
    assert len(short.headline) < 120
    assert len(short.subjects) == 10
    assert all(each.isascii() and len(each) <= 100 for each in short.subjects)
    assert (short.kind, short.severity, short.since) == (odd.kind, odd.severity, odd.since)
    assert timedelta() == short.created_at - odd.created_at
