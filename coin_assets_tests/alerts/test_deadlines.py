"""A call ends in time and reads next to nothing, whatever the other side sends, and how slowly."""

import logging
import socket
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from coin_assets.alerts import heartbeat, transport
from coin_assets.alerts.channels import WebhookChannel, channels_of
from coin_assets.alerts.outbox import AlertBook
from coin_assets.alerts.transport import DeliveryRefused
from coin_assets.config.addresses import Webhook
from coin_assets_tests.alerts.cycles import BTC, ETH, NOW, RULES, XRP, message, stale
from coin_assets_tests.alerts.raw_server import Answer, dripping, flooding, raw_server
from coin_assets_tests.alerts.receiver import SECRET, Receiver

OK = b"HTTP/1.1 200 OK\r\n"
TOTAL = 0.4


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "TOTAL_SECONDS", TOTAL)


def refused(url: str) -> str:
    began = time.monotonic()
    with pytest.raises(DeliveryRefused) as caught:
        WebhookChannel(Webhook("json", url)).deliver(message())
    assert time.monotonic() - began < TOTAL + 1.5
    assert SECRET not in str(caught.value)
    assert caught.value.__context__ is None
    return str(caught.value)


def calls_alive() -> int:
    return sum(each.name == "alert call" for each in threading.enumerate())


@pytest.mark.parametrize(
    "answer",
    [
        dripping(b"", b"H"),
        dripping(OK + b"X-Slow: "),
        dripping(OK, b"X-More: 1\r\n"),
        dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["status line", "one header", "many headers", "interim answers"],
)
def test_a_server_that_drips_is_cut_off(answer: Answer) -> None:
    with raw_server(answer) as server:
        assert f"no answer within {TOTAL:g} s" in refused(server.url)
        assert server.ended.wait(2)
    assert calls_alive() == 0


def test_a_handshake_that_drips_is_cut_off() -> None:
    hello = b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc"  # the head of a ServerHello of 16 KiB
    with raw_server(dripping(hello), reads=False) as server:
        assert f"no answer within {TOTAL:g} s" in refused(f"https://{server.host}/{SECRET}")
        assert server.ended.wait(2)


def test_a_body_without_end_is_not_read() -> None:
    sent: list[int] = []
    with raw_server(flooding(OK + b"\r\n", sent)) as server:
        WebhookChannel(Webhook("json", server.url)).deliver(message())
        assert server.ended.wait(2)
    assert sent[0] < 20_000_000  # what the kernel's buffers take


def test_the_body_of_a_redirect_is_not_read() -> None:
    sent: list[int] = []
    head = b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\n\r\n"
    with raw_server(flooding(head, sent)) as server:
        assert "HTTP 302, a redirect" in refused(server.url)
        assert server.ended.wait(2)
    assert sent[0] < 20_000_000


def test_headers_without_end_are_not_read() -> None:
    with raw_server(dripping(OK, b"X-Many: 1\r\n" * 200, seconds=0)) as server:
        assert "the connection failed" in refused(server.url)


def test_headers_that_are_none_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """urllib3 logs the whole address with them, as a warning (connection.py, getresponse)."""
    caplog.set_level(logging.DEBUG)

    def answer(accepted: socket.socket, _: threading.Event) -> None:
        accepted.sendall(OK + b"no header\r\n\r\n")

    with raw_server(answer) as server:
        WebhookChannel(Webhook("json", server.url)).deliver(message())
    assert SECRET not in caplog.text


def test_one_slow_webhook_starves_nobody(tmp_path: Path) -> None:
    """One byte every 4 s kept a healthy channel from 3 of 3 messages."""
    book = AlertBook(tmp_path / "alerts.sqlite")
    with Receiver() as healthy, raw_server(dripping(b"", b"H", 4.0)) as slow:
        hooks = [Webhook("json", slow.url), Webhook("slack", slow.url)]
        channels = channels_of((*hooks, Webhook("json", healthy.url)))
        ids = [each.id for each in channels]
        wrong = [stale(each, cause=f"cause of {each}") for each in (BTC, ETH, XRP)]
        book.advance(wrong, NOW, RULES, ids)
        began = time.monotonic()
        report = book.deliver(channels, lambda: NOW, 60, print)
        assert time.monotonic() - began < TOTAL + 2
        assert len(healthy.accepted) == report.delivered == 3
        assert len(report.failed) == 2
        # As long as one channel accepts messages, the alerting is alive.
        assert book.undelivered_since(channels) is None
        assert book.undelivered_since(channels[:2]) is None


def test_the_heartbeat_ends_in_time_too() -> None:
    with (
        raw_server(dripping(OK)) as server,
        pytest.raises(DeliveryRefused, match=f"no answer within {TOTAL:g} s"),
    ):
        heartbeat.call(server.url)


def test_a_resolver_that_hangs_holds_up_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """As glibc's does while name servers do not answer: timeout times attempts, resolv.conf(5)."""
    answered = threading.Event()
    real = socket.getaddrinfo

    def hanging(_host: Any, *rest: Any) -> Any:
        answered.wait(20)
        return real("127.0.0.1", *rest)

    with Receiver() as receiver:
        url = receiver.url.replace("127.0.0.1", "hooks.example.org")
        monkeypatch.setattr(socket, "getaddrinfo", hanging)
        assert f"no answer within {TOTAL:g} s" in refused(url)
        began = datetime.now().astimezone()
        for _ in range(3):
            assert "the resolver of host names still hangs" in refused(url)
        assert (datetime.now().astimezone() - began).total_seconds() < TOTAL
        assert calls_alive() == 1
        answered.set()
        deadline = time.monotonic() + 5
        while calls_alive() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert receiver.received == []  # what was given up is not sent later
        WebhookChannel(Webhook("json", url)).deliver(message())
        assert len(receiver.accepted) == 1
