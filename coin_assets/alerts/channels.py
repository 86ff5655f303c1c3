"""Alert channels: Discord, Slack and JSON webhooks."""

import hashlib
from typing import Protocol

from coin_assets.alerts.messages import Message
from coin_assets.alerts.transport import call
from coin_assets.config.addresses import Webhook, masked
from coin_assets.domain.json_format import Document, time_text

DISCORD_CHARACTERS = 2000
SLACK_CHARACTERS = 4000
_REMEDY = "It is tried again by itself; check COIN_ALERT_WEBHOOKS if that does not help."
# Discord and Slack would call people, or link, by what an error's text contains.
_SLACK_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_DISCORD_ESCAPES = str.maketrans({"@": "@\u200b"})


class Channel(Protocol):
    """A receiver of messages."""

    @property
    def id(self) -> str:
        """Hash of kind and address, from which the address cannot be derived."""
        ...

    @property
    def name(self) -> str:
        """Kind and host, for logs."""
        ...

    def deliver(self, message: Message) -> None:
        """Send; returning means that the message was accepted.

        Raises:
            DeliveryRefused: it was not, or that is unknown.
        """
        ...


class WebhookChannel:
    """A webhook of any known kind."""

    def __init__(self, webhook: Webhook) -> None:
        self._webhook = webhook
        secret = f"{webhook.kind}+{webhook.url}"
        self.id = hashlib.sha256(secret.encode()).hexdigest()[:16]
        self.name = f"{webhook.kind} {masked(webhook.url)}"

    def deliver(self, message: Message) -> None:
        """Post the message to the webhook; see `Channel.deliver`.

        The message's id is the idempotency key of every attempt.

        Raises:
            DeliveryRefused: the webhook did not accept it, or that is unknown.
        """
        call(
            "POST",
            self._webhook.url,
            self.name,
            _REMEDY,
            body=_BODIES[self._webhook.kind](message),
            key=message.id,
        )


def channels_of(webhooks: tuple[Webhook, ...]) -> tuple[Channel, ...]:
    """One channel for each distinct webhook."""
    channels = [WebhookChannel(webhook) for webhook in webhooks]
    return tuple({channel.id: channel for channel in channels}.values())


def discord_body(message: Message) -> Document:
    """The content, cut to Discord's limit."""
    return {"content": _cut(_plain(message).translate(_DISCORD_ESCAPES), DISCORD_CHARACTERS)}


def slack_body(message: Message) -> Document:
    """The text, escaped as Slack requires."""
    return {"text": _cut(_plain(message), SLACK_CHARACTERS).translate(_SLACK_ESCAPES)}


def json_body(message: Message) -> Document:
    """All fields; ``id`` is the same at each attempt.

    ``severity`` is ``info`` once the condition is over, so that a recovery wakes nobody up;
    ``condition_severity`` is that of the condition.
    """
    return {
        "id": message.id,
        "kind": message.kind.value,
        "severity": message.level,
        "condition_severity": message.severity.word,
        "subjects": list(message.subjects),
        "title": message.title,
        "text": message.text,
        "since": time_text(message.since),
        "created_at": time_text(message.created_at),
        "runbook": message.runbook,
    }


_BODIES = {"discord": discord_body, "slack": slack_body, "json": json_body}


def _plain(message: Message) -> str:
    return f"{message.headline}\n{message.text}"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
