"""The process that sends one message through apprise; started by `apprise_sending.send`."""

import contextlib
import json
import resource
import sys
from typing import Any

from coin_assets.alerts.apprise_sending import (
    ACCEPTED,
    MEMORY_BYTES,
    NO_ADDRESS,
    NO_PACKAGE,
    REFUSED,
)
from coin_assets.alerts.escaping import mentioning_nobody

_CONNECT_SECONDS, _READ_SECONDS = 4.0, 8.0
_TYPES = {"info": "info", "warning": "warning", "critical": "failure"}


def main() -> int:
    """Send the message that standard input holds; returns a code of `apprise_sending`."""
    request: dict[str, str] = json.load(sys.stdin)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    try:
        import apprise
    except ImportError:
        return NO_PACKAGE
    asset = apprise.AppriseAsset(
        app_id="coin_assets",
        async_mode=False,
        http_redirects=False,
        interpret_escapes=False,
        interpret_emojis=False,
    )
    service: Any = apprise.Apprise.instantiate(request["url"], asset=asset)
    if service is None:
        return NO_ADDRESS
    service.socket_connect_timeout = _CONNECT_SECONDS
    service.socket_read_timeout = _READ_SECONDS
    sender = apprise.Apprise(asset=asset)
    sender.add(service)
    accepted = sender.notify(
        title=mentioning_nobody(request["title"]),
        body=mentioning_nobody(request["text"]),
        notify_type=_TYPES[request["level"]],
        body_format=apprise.NotifyFormat.TEXT,  # escaped for services of Markdown and HTML
    )
    return ACCEPTED if accepted else REFUSED


if __name__ == "__main__":
    sys.exit(main())
