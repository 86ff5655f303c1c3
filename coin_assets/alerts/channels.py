"""Alert channels: Discord, Slack and JSON webhooks, and all services of apprise."""

import hashlib
from typing import Protocol

from coin_assets.alerts import apprise_sending
from coin_assets.alerts.escaping import bounded, cut, for_markdown, for_slack
from coin_assets.alerts.messages import Message
from coin_assets.alerts.transport import call
from coin_assets.config.addresses import APPRISE, Webhook
from coin_assets.domain.json_format import Document, time_text
from coin_assets.foreign_text import shortened

# https://docs.discord.com/developers/resources/webhook; a text object of Slack is as long.
DISCORD_CHARACTERS, SLACK_CHARACTERS = 2000, 3000
TITLE_CHARACTERS, SUBJECTS, SUBJECT_CHARACTERS = 500, 1000, 240
_REMEDY = "Check COIN_ALERT_WEBHOOKS, and the service at that address."
_NO_PREVIEWS = 1 << 2  # Discord's flag SUPPRESS_EMBEDS


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
        """Send, within some seconds; returning means that the message was accepted.

        Raises:
            DeliveryRefused: it was not, or that is unknown.
        """
        ...


class WebhookChannel:
    """A webhook of any known kind."""

    def __init__(self, webhook: Webhook) -> None:
        self._webhook = webhook
        self.id = _hash(webhook)
        self.name = webhook.name

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


class AppriseChannel:
    """A service that the package apprise speaks to."""

    def __init__(self, webhook: Webhook) -> None:
        self._url = webhook.url
        self.id = _hash(webhook)
        self.name = webhook.name

    def deliver(self, message: Message) -> None:
        """Send by apprise; see `Channel.deliver`.

        Raises:
            DeliveryRefused: the service did not accept it, or that is unknown.
        """
        title, text = shortened(message.headline, TITLE_CHARACTERS), bounded(message.text)
        apprise_sending.send(self._url, title, text, message.level, self.name, _REMEDY)


def channels_of(webhooks: tuple[Webhook, ...]) -> tuple[Channel, ...]:
    """One channel for each distinct webhook."""
    channels: list[Channel] = [
        AppriseChannel(webhook) if webhook.kind == APPRISE else WebhookChannel(webhook)
        for webhook in webhooks
    ]
    return tuple({channel.id: channel for channel in channels}.values())


def discord_body(message: Message) -> Document:
    """The content, which mentions nobody, shows markup as text, and fits into Discord's limit."""
    return {
        "content": cut(for_markdown(_plain(message)), DISCORD_CHARACTERS),
        "allowed_mentions": {"parse": []},
        "flags": _NO_PREVIEWS,
    }


def slack_body(message: Message) -> Document:
    """The text, escaped as Slack requires, without formatting and previews."""
    return {
        "text": for_slack(cut(_plain(message), SLACK_CHARACTERS)),
        "mrkdwn": False,
        "unfurl_links": False,
        "unfurl_media": False,
    }


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
        "subjects": [shortened(each, SUBJECT_CHARACTERS) for each in message.subjects[:SUBJECTS]],
        "title": shortened(message.title, TITLE_CHARACTERS),
        "text": bounded(message.text),
        "since": time_text(message.since),
        "created_at": time_text(message.created_at),
        "runbook": shortened(message.runbook, SUBJECT_CHARACTERS),
    }


_BODIES = {"discord": discord_body, "slack": slack_body, "json": json_body}


def _plain(message: Message) -> str:
    return bounded(f"{message.headline}\n{message.text}")


def _hash(webhook: Webhook) -> str:
    secret = f"{webhook.kind}+{webhook.url}"
    return hashlib.sha256(secret.encode()).hexdigest()[:16]
