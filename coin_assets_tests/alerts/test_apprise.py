"""Channels of apprise, with its own clients against servers on this machine."""

import logging
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import psutil
import pytest

from coin_assets.alerts import apprise_sending
from coin_assets.alerts.channels import Channel, channels_of
from coin_assets.alerts.transport import DeliveryRefused
from coin_assets.config.addresses import webhooks
from coin_assets.errors import ConfigurationError
from coin_assets_tests.alerts.cycles import BTC, message
from coin_assets_tests.alerts.mail_server import MailServer
from coin_assets_tests.alerts.raw_server import dripping, flooding, raw_server
from coin_assets_tests.alerts.receiver import SECRET, Receiver, Reply

pytest.importorskip("apprise", reason="the extra alerts is not installed")
FOREIGN = "@everyone <!channel> <b>bold</b> & *more*"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def channel(address: str) -> Channel:
    (made,) = channels_of(webhooks(f"apprise+{address}"))
    return made


def json_channel(receiver: Receiver) -> Channel:
    return channel(receiver.url.replace("http://", "json://"))


def test_ntfy_gets_title_text_and_urgency(receiver: Receiver) -> None:
    """The body is that of https://docs.ntfy.sh/publish/#publish-as-json."""
    host = receiver.url.split("/")[2]
    sent = replace(message(BTC), text=f"first\n{FOREIGN}")
    channel(f"ntfy://{host}/{SECRET}").deliver(sent)
    (body,) = receiver.accepted
    assert body["topic"] == SECRET
    assert body["title"] == sent.headline
    assert (
        body["message"]
        == "first\n@\u200beveryone <\u200b!channel> <\u200bb>bold<\u200b/b> & *more*"
    )


def test_mail_gets_to_all_recipients_and_shows_markup_as_text() -> None:
    with MailServer() as server:
        mail = channel(f"mailto://{server.host}?from=alerts@c.example&to=a@c.example%2Cb@c.example")
        mail.deliver(replace(message(BTC), text=FOREIGN))
    assert {each for to, _ in server.received for each in to} == {"a@c.example", "b@c.example"}
    for _, received in server.received:
        assert received["Subject"] == message(BTC).headline
        shown = received.get_body(("plain", "html"))
        assert shown is not None
        assert "@everyone" not in shown.get_content()
        page = received.get_body(("html",))
        assert page is None or "<b>" not in page.get_content()


@pytest.mark.parametrize(
    "reply", [Reply(500), Reply(302, {"Location": "/elsewhere"}), Reply(closes=True)]
)
def test_what_apprise_swallows_is_a_refusal(
    receiver: Receiver,
    reply: Reply,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    receiver.always = reply
    with pytest.raises(DeliveryRefused) as caught:
        json_channel(receiver).deliver(message())
    assert "apprise json://... did not accept the message: the service" in str(caught.value)
    assert len(receiver.received) == 1
    shown = "".join([*capfd.readouterr(), caplog.text, str(caught.value)])
    assert SECRET not in shown


@pytest.mark.parametrize(("status", "is_of_message"), [(400, True), (401, False)])
def test_apprise_s_log_tells_whether_the_message_was_refused(
    receiver: Receiver, status: int, is_of_message: bool
) -> None:
    receiver.always = Reply(status)
    with pytest.raises(DeliveryRefused) as caught:
        json_channel(receiver).deliver(message())
    assert caught.value.is_of_message == is_of_message


def test_a_service_that_drips_is_left_with_its_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apprise_sending, "TOTAL_SECONDS", 3.0)
    before = set(psutil.Process().children())
    with raw_server(dripping(b"HTTP/1.1 200 OK\r\nX-Slow: ")) as server:
        slow = channel(f"json://{server.host}/{SECRET}")
        began = time.monotonic()
        with pytest.raises(DeliveryRefused, match="no answer within 3 s"):
            slow.deliver(message())
        assert time.monotonic() - began < 6
    assert set(psutil.Process().children()) == before


@pytest.mark.slow
def test_an_answer_without_end_takes_bounded_memory() -> None:
    sent: list[int] = []
    with raw_server(flooding(b"HTTP/1.1 200 OK\r\n\r\n", sent)) as server:
        with pytest.raises(DeliveryRefused):
            channel(f"json://{server.host}/{SECRET}").deliver(message())
        assert server.ended.wait(5)
    assert sent[0] < 2 * apprise_sending.MEMORY_BYTES


def test_names_and_representations_hold_no_address() -> None:
    (hook,) = webhooks(f"apprise+json://{SECRET}/{SECRET}")
    assert repr(hook) == "Webhook(apprise+json://...)"
    assert channels_of((hook,))[0].name == "apprise json://..."
    assert channels_of((hook,))[0].id != channels_of(webhooks(f"apprise+json://{SECRET}/x"))[0].id


@pytest.mark.parametrize("address", [f"nosuch://{SECRET}", SECRET, f"tgram://{SECRET}", ""])
def test_an_address_that_apprise_cannot_use_stops_the_load(
    address: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ConfigurationError, match="is none that apprise can use") as caught:
        webhooks(f"apprise+{address}")
    assert SECRET not in str(caught.value)
    assert SECRET not in caplog.text


def test_a_missing_package_stops_the_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)  # how Python marks what cannot be imported
    with pytest.raises(ConfigurationError, match=r"pip install 'coin_assets\[alerts\]'"):
        webhooks("apprise+json://127.0.0.1/")
