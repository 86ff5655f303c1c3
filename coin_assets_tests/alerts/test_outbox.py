"""No message is lost, and an accepted message is not sent again.

- Incidents, messages and mutes outlive the process; a cycle is kept whole or not at all.
- Each channel gets every message once, in order, when it accepts them again; its back-off grows.
- A process that is killed, or a second one, changes nothing of this.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from coin_assets.alerts.channels import Channel, channels_of
from coin_assets.alerts.database import AlertsNotStored
from coin_assets.alerts.incidents import Mute, MuteKind
from coin_assets.alerts.messages import Message
from coin_assets.alerts.outbox import AlertBook, DeliveryReport
from coin_assets.config.addresses import Webhook
from coin_assets.errors import ConfigurationError
from coin_assets_tests.alerts.cycles import BTC, ETH, MINUTE, NOW, RULES, stale
from coin_assets_tests.alerts.receiver import SECRET, Receiver, Reply

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


class Desk:
    """A book, its channels, and a clock that the test sets."""

    def __init__(self, path: Path, *urls: str) -> None:
        self.path = path
        self.channels: tuple[Channel, ...] = channels_of(
            tuple(Webhook("json", url) for url in urls)
        )
        self.now = NOW
        self.log: list[str] = []

    @property
    def book(self) -> AlertBook:
        """Opened anew each time, as after a restart."""
        return AlertBook(self.path)

    def cycle(self, *subjects: str) -> list[Message]:
        wrong = [stale(subject, cause=f"cause of {subject}") for subject in subjects]
        ids = [channel.id for channel in self.channels]
        return self.book.advance(wrong, self.now, RULES, ids)

    def deliver(self, budget: float = 60) -> DeliveryReport:
        return self.book.deliver(self.channels, lambda: self.now, budget, self.log.append)

    def rows(self, table: str) -> int:
        with closing(sqlite3.connect(self.path)) as connection:
            count: int = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
        return count


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "alerts" / "alerts.sqlite"


@pytest.fixture
def desk(path: Path, receiver: Receiver) -> Desk:
    return Desk(path, receiver.url)


def ids(receiver: Receiver) -> list[str]:
    return [body["id"] for body in receiver.accepted]


# ------------------------------------------------------------------------------------ what is kept


def test_incidents_outlive_the_process(desk: Desk) -> None:
    (alert,) = desk.cycle(BTC)
    assert desk.cycle(BTC) == []
    incident = desk.book.incidents()[BTC]
    assert incident.alerted_at == incident.last_sent == NOW
    assert incident.condition == incident.sent_condition == stale(cause=f"cause of {BTC}")
    desk.now += 3 * MINUTE
    (repeat,) = desk.cycle(BTC)
    desk.now += MINUTE
    (recovery,) = desk.cycle()
    assert [each.kind.value for each in (alert, repeat, recovery)] == [
        "alert",
        "repeat",
        "recovery",
    ]
    assert [each.message for each in desk.book.pending()] == [alert, repeat, recovery]
    assert desk.book.incidents() == {}


def test_mutes_outlive_the_process_and_expire(desk: Desk) -> None:
    desk.book.mute([BTC, "disk"], NOW + 2 * MINUTE, MuteKind.MUTE, "planned", by="anna")
    assert desk.cycle(BTC) == []
    assert desk.book.mutes(NOW) == [
        Mute(BTC, NOW + 2 * MINUTE, MuteKind.MUTE, "planned", "anna"),
        Mute("disk", NOW + 2 * MINUTE, MuteKind.MUTE, "planned", "anna"),
    ]
    desk.now += 2 * MINUTE
    assert desk.book.mutes(desk.now) == []
    (alert,) = desk.cycle(BTC)
    assert alert.kind.value == "alert"
    assert desk.rows("mutes") == 0


def test_an_acknowledgement_ends_with_the_incident(desk: Desk) -> None:
    desk.cycle(BTC)
    desk.book.mute([BTC], NOW + DAY, MuteKind.ACKNOWLEDGE, "seen")
    desk.now += 100 * MINUTE
    assert desk.cycle(BTC) == []
    (recovery,) = desk.cycle()
    assert recovery.kind.value == "recovery"
    desk.now += MINUTE
    assert [each.kind.value for each in desk.cycle(BTC)] == ["alert"]
    desk.now += 3 * MINUTE
    assert [each.kind.value for each in desk.cycle(BTC)] == ["repeat"]


def test_only_open_incidents_are_acknowledged(desk: Desk) -> None:
    desk.cycle(BTC)
    with pytest.raises(
        ConfigurationError, match=rf"{ETH}: nothing is wrong .* Open incidents: {BTC}"
    ):
        desk.book.mute([BTC, ETH], NOW + DAY, MuteKind.ACKNOWLEDGE)
    assert desk.book.mutes(NOW) == []


def test_a_mute_can_be_taken_back(desk: Desk) -> None:
    desk.book.mute([BTC, ETH], NOW + DAY, MuteKind.MUTE)
    desk.book.unmute([BTC])
    assert [each.subject for each in desk.book.mutes(NOW)] == [ETH]


def test_a_cycle_is_kept_whole_or_not_at_all(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.cycle(BTC)

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("coin_assets.alerts.tables.prune", fail)
        with pytest.raises(KeyboardInterrupt):
            desk.cycle(ETH)
    assert list(desk.book.incidents()) == [BTC]
    assert [each.message.subjects for each in desk.book.pending()] == [(BTC,)]


# ------------------------------------------------------------------------------------- delivery


def test_each_message_is_delivered_once(desk: Desk, receiver: Receiver) -> None:
    messages = desk.cycle(BTC, ETH)
    assert desk.deliver() == DeliveryReport(delivered=2, pending=0, failed=())
    assert desk.deliver() == DeliveryReport(0, 0, ())
    assert ids(receiver) == [each.id for each in messages]
    assert desk.log == []


def test_nothing_to_deliver_in_a_new_home(desk: Desk) -> None:
    assert desk.deliver() == DeliveryReport(0, 0, ())


def test_after_an_outage_everything_comes_once_and_in_order(desk: Desk, receiver: Receiver) -> None:
    receiver.always = Reply(500)
    messages = []
    for minute in range(90):
        messages += desk.cycle(*([BTC, ETH] if minute % 20 < 15 else []))
        report = desk.deliver()
        assert report.pending == len(messages)
        desk.now += MINUTE
    assert {body["id"] for body in [each.body for each in receiver.received]} == {messages[0].id}
    assert len(receiver.received) < 20
    receiver.always = Reply()
    desk.now += 10 * MINUTE
    assert desk.deliver() == DeliveryReport(len(messages), 0, ())
    assert ids(receiver) == [each.id for each in messages]


def test_the_back_off_doubles_up_to_ten_minutes(desk: Desk, receiver: Receiver) -> None:
    receiver.always = Reply(500)
    desk.cycle(BTC)
    waits = []
    for _ in range(10):
        assert len(desk.deliver().failed) == 1
        (pending,) = desk.book.pending()
        assert pending.next_try is not None
        waits.append((pending.next_try - desk.now).total_seconds())
        desk.now = pending.next_try - SECOND
        assert desk.deliver() == DeliveryReport(0, 1, ())
        desk.now = pending.next_try
    assert waits == [5, 10, 20, 40, 80, 160, 320, 600, 600, 600]
    assert pending.tries == len(receiver.received) == 10
    assert "HTTP 500" in pending.error


def test_a_channel_is_left_alone_as_it_requests(desk: Desk, receiver: Receiver) -> None:
    desk.cycle(BTC)
    receiver.replies = [Reply(429, {"Retry-After": "100"})]
    report = desk.deliver()
    assert report.pending == 1
    assert "HTTP 429" in report.failed[0]
    desk.now += 99 * SECOND
    assert desk.deliver() == DeliveryReport(0, 1, ())
    desk.now += SECOND
    assert desk.deliver() == DeliveryReport(1, 0, ())


def test_a_short_wish_does_not_shorten_the_back_off(desk: Desk, receiver: Receiver) -> None:
    desk.cycle(BTC)
    receiver.replies = [Reply(429, {"Retry-After": "1"})]
    desk.deliver()
    desk.now += 4 * SECOND
    assert desk.deliver() == DeliveryReport(0, 1, ())


def test_order_is_kept_when_one_message_fails(desk: Desk, receiver: Receiver) -> None:
    messages = desk.cycle(BTC, ETH)
    receiver.replies = [Reply(), Reply(closes=True)]
    assert desk.deliver().delivered == 1
    desk.now += MINUTE
    messages += desk.cycle(BTC)
    assert desk.deliver() == DeliveryReport(2, 0, ())
    assert ids(receiver) == [each.id for each in messages]


def test_a_channel_that_is_down_does_not_hold_up_the_others(path: Path, receiver: Receiver) -> None:
    with Receiver() as down:
        down.always = Reply(503)
        desk = Desk(path, down.url, receiver.url)
        messages = desk.cycle(BTC, ETH)
        report = desk.deliver()
        assert (report.delivered, report.pending, len(report.failed)) == (2, 2, 1)
        assert ids(receiver) == [each.id for each in messages]
        assert len(desk.log) == 1
        down.always = Reply()
        desk.now += MINUTE
        assert desk.deliver() == DeliveryReport(2, 0, ())
        assert ids(down) == ids(receiver)


def test_the_budget_holds_for_each_channel(path: Path, receiver: Receiver) -> None:
    with Receiver() as down:
        down.always = Reply(503)
        desk = Desk(path, down.url, receiver.url)
        desk.cycle(BTC)
        ticks = iter(range(1000))  # every reading of the clock takes four seconds
        book, start = desk.book, desk.now
        report = book.deliver(
            desk.channels, lambda: start + 4 * next(ticks) * SECOND, 16, desk.log.append
        )
    assert (report.delivered, len(report.failed)) == (1, 1)
    assert len(ids(receiver)) == 1


def test_without_budget_nothing_is_begun(desk: Desk, receiver: Receiver) -> None:
    desk.cycle(BTC)
    assert desk.deliver(budget=0) == DeliveryReport(0, 1, ())
    assert receiver.received == []


def test_a_clock_that_was_wrong_does_not_stop_delivery(desk: Desk, receiver: Receiver) -> None:
    desk.now = NOW + 900 * DAY
    desk.cycle(BTC)
    receiver.replies = [Reply(500)]
    desk.deliver()
    desk.now = NOW
    assert desk.deliver() == DeliveryReport(1, 0, ())


# ------------------------------------------------------------------------------- what is removed


def test_a_channel_that_is_gone_is_forgotten_after_a_week(path: Path, receiver: Receiver) -> None:
    with Receiver() as old:
        desk = Desk(path, old.url)
        first = desk.cycle(BTC)
        desk.channels = channels_of((Webhook("json", receiver.url),))
        desk.now += 3 * MINUTE
        later = desk.cycle(BTC)
        assert desk.deliver() == DeliveryReport(1, 0, ())
        assert ids(receiver) == [each.id for each in later]
        desk.now = NOW + 7 * DAY
        desk.cycle()
        assert [each.message for each in desk.book.pending()][:1] == first
        desk.now += SECOND
        desk.cycle()
        assert {each.channel for each in desk.book.pending()} == {desk.channels[0].id}
        assert old.received == []


def test_a_channel_that_is_down_for_weeks_loses_nothing(desk: Desk, receiver: Receiver) -> None:
    receiver.always = Reply(500)
    messages = desk.cycle(BTC)
    for _ in range(60):
        desk.now += DAY
        messages += desk.cycle()
        desk.deliver()
    receiver.always = Reply()
    desk.now += DAY
    assert desk.deliver().delivered == len(messages) == 2


def test_delivered_messages_are_forgotten_after_a_month(desk: Desk) -> None:
    desk.cycle(BTC)
    desk.deliver()
    desk.book.mute([BTC], NOW + 99 * DAY, MuteKind.MUTE)
    for later, rows in ((30 * DAY, 1), (30 * DAY + SECOND, 0)):
        desk.now = NOW + later
        assert desk.cycle(BTC) == []
        assert (desk.rows("messages"), desk.rows("deliveries")) == (rows, rows)


def test_without_channels_messages_are_only_returned(path: Path) -> None:
    desk = Desk(path)
    assert len(desk.cycle(BTC)) == 1
    assert desk.deliver() == DeliveryReport(0, 0, ())


# ------------------------------------------------------------------------------------- the file


def test_no_address_is_stored_or_logged(desk: Desk, receiver: Receiver) -> None:
    desk.cycle(BTC, ETH)
    receiver.replies = [Reply(), Reply(404)]
    report = desk.deliver()
    stored = b"".join(each.read_bytes() for each in desk.path.parent.iterdir())
    assert b"HTTP 404" in stored
    assert SECRET.encode() not in stored
    assert SECRET not in "".join([*desk.log, *report.failed])


def test_an_unusable_folder_is_named(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file where a folder should be")
    with pytest.raises(AlertsNotStored, match="check the disk"):
        desk.cycle(BTC)


def test_hundreds_of_series_make_one_message(desk: Desk, receiver: Receiver) -> None:
    wrong = [stale(f"C{count}/USDT 1h") for count in range(500)]
    ids_of = [channel.id for channel in desk.channels]
    assert len(desk.book.advance(wrong, NOW, RULES, ids_of)) == 1
    worse = [replace(each, kind="missing") for each in wrong]
    assert len(desk.book.advance(worse, NOW + MINUTE, RULES, ids_of)) == 1
    assert desk.deliver().delivered == 2
    assert len(receiver.accepted[1]["subjects"]) == 500
