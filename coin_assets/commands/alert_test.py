"""``make alert-test``: sends a test message to every alert channel."""

import argparse
import sys
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from coin_assets.alerts.channels import Channel, channels_of
from coin_assets.alerts.conditions import Severity
from coin_assets.alerts.messages import Message, MessageKind
from coin_assets.alerts.transport import DeliveryRefused
from coin_assets.commands.terminal import finished
from coin_assets.config.settings import Settings
from coin_assets.errors import ConfigurationError


def main(arguments: Sequence[str] | None = None, now: datetime | None = None) -> int:
    """Print a line a channel; 0 if all accepted, 1 if one did not, 2 if there is none."""
    argparse.ArgumentParser(
        prog="make alert-test",
        description="Send a test message to every channel of COIN_ALERT_WEBHOOKS at once. Needs no "
        "running make up. Exit code 0: all accepted it; 1: not; 2: no channel, or wrong settings.",
    ).parse_args(arguments)
    return finished("make alert-test", lambda: _test(Settings(), now or datetime.now(UTC)))


def _test(settings: Settings, now: datetime) -> int:
    channels = channels_of(settings.alert_webhooks)
    if not channels:
        raise ConfigurationError(
            "COIN_ALERT_WEBHOOKS is empty, so nobody would be alerted; set it as in "
            "docs/operations/alerts.md."
        )
    message = _message(now)
    with ThreadPoolExecutor(len(channels)) as pool:
        accepted = list(pool.map(lambda channel: _is_accepted(channel, message), channels))
    return 0 if all(accepted) else 1


def _is_accepted(channel: Channel, message: Message) -> bool:
    """Send, and print the result in one line."""
    began, problem = time.monotonic(), ""
    try:
        channel.deliver(message)
    except DeliveryRefused as error:
        problem = f": {error}"
    milliseconds = (time.monotonic() - began) * 1000
    word = "refused" if problem else "accepted"
    sys.stdout.write(f"{channel.name}: {word} after {milliseconds:.0f} ms{problem}\n")
    return not problem


def _message(now: datetime) -> Message:
    return Message(
        id=uuid.uuid4().hex,
        kind=MessageKind.TEST,
        severity=Severity.WARNING,
        subjects=("alert channels",),
        title="test of the alert channels",
        text="Sent by make alert-test. Nothing is wrong, and there is nothing to do.",
        since=now,
        created_at=now,
        runbook="docs/operations/alerts.md",
    )


if __name__ == "__main__":
    sys.exit(main())
