"""What is sent to whom, what counts as accepted, and that an address never gets out."""

import logging
import re
import traceback
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from coin_assets.alerts import transport
from coin_assets.alerts.channels import (
    DISCORD_CHARACTERS,
    Channel,
    WebhookChannel,
    channels_of,
    discord_body,
    slack_body,
)
from coin_assets.alerts.messages import MessageKind
from coin_assets.alerts.transport import DeliveryRefused
from coin_assets.config.addresses import WEBHOOK_KINDS, Webhook
from coin_assets_tests.alerts.cycles import BTC, ETH, message
from coin_assets_tests.alerts.receiver import SECRET, Receiver, Reply

# https://docs.discord.com/developers/resources/message (allowed mentions, message flags), and
# https://docs.slack.dev/reference/methods/chat.postMessage
NOTHING_SPECIAL = {
    "discord": {"allowed_mentions": {"parse": []}, "flags": 4},
    "slack": {"mrkdwn": False, "unfurl_links": False, "unfurl_media": False},
}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def channel(receiver: Receiver, kind: str = "json") -> Channel:
    (made,) = channels_of((Webhook(kind, receiver.url),))
    return made


def refusal(receiver: Receiver, kind: str = "json") -> DeliveryRefused:
    with pytest.raises(DeliveryRefused) as caught:
        channel(receiver, kind).deliver(message())
    return caught.value


@pytest.mark.parametrize(("kind", "name"), [("discord", "content"), ("slack", "text")])
def test_chats_get_headline_and_text(receiver: Receiver, kind: str, name: str) -> None:
    sent = message(BTC, ETH)
    channel(receiver, kind).deliver(sent)
    (body,) = receiver.accepted
    assert body.pop(name) == f"{sent.headline}\n{sent.text}"
    assert body == NOTHING_SPECIAL[kind]


def test_json_gets_every_field_and_an_idempotency_key(receiver: Receiver) -> None:
    sent = message(BTC, ETH)
    channel(receiver).deliver(sent)
    (request,) = receiver.received
    assert request.method == "POST"
    assert request.headers["Idempotency-Key"] == sent.id
    assert request.body == {
        "id": sent.id,
        "kind": "alert",
        "severity": "critical",
        "condition_severity": "critical",
        "subjects": [BTC, ETH],
        "title": sent.title,
        "text": sent.text,
        "since": "2026-11-22T22:05:00Z",
        "created_at": "2026-11-22T22:05:00Z",
        "runbook": "docs/operations/stale.md",
    }


def test_a_recovery_is_for_information_in_every_channel(receiver: Receiver) -> None:
    over = replace(message(), kind=MessageKind.RECOVERY)
    channel(receiver).deliver(over)
    (request,) = receiver.received
    assert (request.body["severity"], request.body["condition_severity"]) == ("info", "critical")
    for text in (discord_body(over)["content"], slack_body(over)["text"]):
        assert text.startswith("[OK] ")
        assert "critical" not in text.lower()


def test_chats_neither_call_people_nor_overflow() -> None:
    sent = replace(message(), text="@everyone <!channel> & " + "x" * 5000)
    content = discord_body(sent)["content"]
    assert len(content) == DISCORD_CHARACTERS
    assert content.endswith("…")
    assert "@everyone" not in content
    assert "&lt;!channel&gt; &amp; x" in slack_body(sent)["text"]


@pytest.mark.parametrize("status", [200, 202, 204])
def test_any_2xx_is_an_acceptance(receiver: Receiver, status: int) -> None:
    receiver.always = Reply(status)
    channel(receiver).deliver(message())


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
def test_anything_else_is_a_refusal(receiver: Receiver, status: int) -> None:
    receiver.always = Reply(status)
    refused = refusal(receiver)
    assert f"HTTP {status}" in str(refused)
    assert "COIN_ALERT_WEBHOOKS" in str(refused)
    assert refused.retry_after is None


def test_a_refusal_has_the_requested_delay(receiver: Receiver) -> None:
    receiver.always = Reply(429, {"Retry-After": "17"})
    assert refusal(receiver).retry_after == 17
    receiver.always = Reply(503, {"retry-after": "2.5"})
    assert refusal(receiver).retry_after == 2.5
    receiver.always = Reply(503, {"Retry-After": "9" * 400})
    assert refusal(receiver).retry_after == 3600


def test_redirects_are_not_followed(receiver: Receiver) -> None:
    with Receiver() as other:
        receiver.always = Reply(307, {"Location": other.url})
        assert "HTTP 307, a redirect" in str(refusal(receiver))
        assert other.received == []


def test_a_cut_connection_is_a_refusal(receiver: Receiver) -> None:
    receiver.always = Reply(closes=True)
    assert "the connection failed" in str(refusal(receiver))


def test_a_receiver_that_hangs_is_left(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "READ_SECONDS", 0.2)
    receiver.always = Reply(seconds=0.6)
    began = datetime.now(UTC)
    assert "no answer within 0.2 s" in str(refusal(receiver))
    assert datetime.now(UTC) - began < timedelta(seconds=0.6)


def test_nobody_there() -> None:
    with Receiver() as receiver:
        gone = channel(receiver)
    with pytest.raises(DeliveryRefused, match="the connection failed"):
        gone.deliver(message())


@pytest.mark.parametrize(
    "url", [f"http://127.0.0.1:1/{SECRET}", f"http://a..b/{SECRET}", f"http://[::1/{SECRET}"]
)
def test_no_address_makes_another_error(url: str) -> None:
    with pytest.raises(DeliveryRefused) as caught:
        WebhookChannel(Webhook("json", url)).deliver(message())
    assert_secret_kept(caught.value)


@pytest.mark.parametrize("kind", WEBHOOK_KINDS)
@pytest.mark.parametrize(
    "reply",
    [
        Reply(),
        Reply(404),
        Reply(302, {"Location": f"http://127.0.0.1:1/{SECRET}"}),
        Reply(302, {"Location": f"http://[{SECRET}"}),
        Reply(closes=True),
        Reply(seconds=0.3),
    ],
)
def test_no_address_gets_out(
    receiver: Receiver,
    kind: str,
    reply: Reply,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(transport, "READ_SECONDS", 0.1)
    receiver.always = reply
    if reply == Reply():
        channel(receiver, kind).deliver(message())
    else:
        assert_secret_kept(refusal(receiver, kind))
    assert SECRET not in caplog.text


def assert_secret_kept(error: Exception) -> None:
    assert error.__cause__ is None
    assert error.__context__ is None
    assert SECRET not in "".join(traceback.format_exception_only(error))
    assert SECRET not in repr(error)


def test_ids_depend_on_channels_and_nothing_else() -> None:
    url = f"https://hooks.example.org/{SECRET}"
    hooks = [Webhook("json", url), Webhook("slack", url), Webhook("json", f"{url}2")]
    made = channels_of((*hooks, hooks[0]))
    assert [each.id for each in made] == [WebhookChannel(hook).id for hook in hooks]
    assert len({each.id for each in made}) == 3
    assert all(re.fullmatch("[0-9a-f]{16}", each.id) for each in made)
    assert [each.name for each in made] == [
        "json https://hooks.example.org/...",
        "slack https://hooks.example.org/...",
        "json https://hooks.example.org/...",
    ]
