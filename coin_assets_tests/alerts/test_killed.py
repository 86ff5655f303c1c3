"""SIGKILL at any moment, and two processes at once: nothing lost, nothing accepted doubled."""

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from threading import Event

import pytest

from coin_assets.alerts.channels import WebhookChannel
from coin_assets.alerts.messages import Message, MessageKind
from coin_assets.alerts.outbox import AlertBook, DeliveryReport
from coin_assets.config.addresses import Webhook
from coin_assets_tests.alerts.cycles import BTC, ETH, NOW, RULES, stale
from coin_assets_tests.alerts.receiver import Receiver, Reply

MESSAGES = 12


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def book(tmp_path: Path) -> AlertBook:
    return AlertBook(tmp_path / "alerts.sqlite")


def filled(book: AlertBook, receiver: Receiver) -> list[Message]:
    wrong = [stale(f"job {count}", cause=f"cause {count}") for count in range(MESSAGES)]
    return book.advance(wrong, NOW, RULES, [WebhookChannel(Webhook("json", receiver.url)).id])


def started(*arguments: str, stdout: int = subprocess.DEVNULL) -> "subprocess.Popen[bytes]":
    module = "coin_assets_tests.alerts.book_process"
    return subprocess.Popen([sys.executable, "-m", module, *arguments], stdout=stdout)


def delivering(tmp_path: Path, receiver: Receiver, minute: int) -> "subprocess.Popen[bytes]":
    return started("deliver", str(tmp_path / "alerts.sqlite"), receiver.url, str(minute))


def deliver(book: AlertBook, receiver: Receiver, minute: int) -> DeliveryReport:
    now = NOW + timedelta(minutes=minute)
    channel = WebhookChannel(Webhook("json", receiver.url))
    return book.deliver([channel], lambda: now, 60, lambda _: None)


def wait_for(arrived: Event) -> None:
    assert arrived.wait(60)
    arrived.clear()


def killed(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    assert process.wait() == -signal.SIGKILL


def ids(receiver: Receiver) -> list[str]:
    return [body["id"] for body in receiver.accepted]


def test_killed_while_the_answer_is_held(
    tmp_path: Path, book: AlertBook, receiver: Receiver
) -> None:
    """Two were accepted; the third had arrived and was not answered."""
    messages, held = filled(book, receiver), Event()
    receiver.replies = [Reply(), Reply(), Reply(closes=True, hold=held)]
    process = delivering(tmp_path, receiver, 0)
    deadline = time.monotonic() + 60
    while receiver.replies and time.monotonic() < deadline:
        time.sleep(0.01)
    assert receiver.replies == []
    killed(process)
    held.set()
    assert len(book.pending()) == MESSAGES - 2
    assert deliver(book, receiver, 0) == DeliveryReport(0, MESSAGES - 2, ())  # it backs off
    assert deliver(book, receiver, 1) == DeliveryReport(MESSAGES - 2, 0, ())
    assert ids(receiver) == [each.id for each in messages]


def test_killed_at_any_moment(tmp_path: Path, book: AlertBook, receiver: Receiver) -> None:
    """Only a message that was under way at the kill can come again, and with its id."""
    messages, kills = filled(book, receiver), 3
    receiver.always = Reply(seconds=0.01)
    for kill in range(kills):
        if not book.pending():
            break  # on a busy machine a kill can come late
        process = delivering(tmp_path, receiver, kill)
        wait_for(receiver.arrived)
        time.sleep(0.011 + 0.004 * kill)
        process.kill()
        process.wait()
        time.sleep(0.05)
        receiver.arrived.clear()
    deliver(book, receiver, kills)
    assert book.pending() == []
    counts = Counter(ids(receiver))
    assert list(counts) == [each.id for each in messages]
    assert counts.total() <= MESSAGES + kills


def test_two_processes_at_once(tmp_path: Path, book: AlertBook, receiver: Receiver) -> None:
    messages, held = filled(book, receiver), Event()
    receiver.replies = [Reply(hold=held)]
    process = delivering(tmp_path, receiver, 0)
    wait_for(receiver.arrived)
    assert deliver(book, receiver, 0) == DeliveryReport(0, MESSAGES, ())
    held.set()
    assert process.wait(60) == 0
    assert deliver(book, receiver, 1) == DeliveryReport(0, 0, ())
    assert ids(receiver) == [each.id for each in messages]


@pytest.mark.parametrize("milliseconds", [0, 3])
def test_killed_between_cycles(tmp_path: Path, book: AlertBook, milliseconds: int) -> None:
    """After any kill incidents and messages agree."""
    process = started("advance", str(tmp_path / "alerts.sqlite"), stdout=subprocess.PIPE)
    assert process.stdout is not None
    # It prints each minute. Reading its database would mean to wait for a lock that it holds
    # nearly all the time.
    with process.stdout as lines:
        assert [int(next(lines)) for _ in range(7)] == list(range(7))
        time.sleep(milliseconds / 1000)
        killed(process)
    kinds = [each.message.kind for each in book.pending()]
    assert len(kinds) >= 7
    pairs = zip(kinds[::2], kinds[1::2], strict=False)
    assert set(pairs) == {(MessageKind.ALERT, MessageKind.RECOVERY)}
    assert set(book.incidents()) == ({BTC, ETH} if len(kinds) % 2 else set())
