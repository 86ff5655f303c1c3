"""The process that sends one message through apprise; started by `apprise_sending.send`."""

import contextlib
import json
import logging
import re
import resource
import sys
from typing import Any

from coin_assets.alerts.apprise_sending import (
    ACCEPTED,
    MEMORY_BYTES,
    NO_ADDRESS,
    NO_PACKAGE,
    REFUSED,
    REFUSED_MESSAGE,
)
from coin_assets.alerts.escaping import mentioning_nobody
from coin_assets.alerts.transport import is_of_message

_CONNECT_SECONDS, _READ_SECONDS = 4.0, 8.0
# Apprise returns no status. Its services log "Failed to send ...: Bad Request, error=400." (plugins
# discord.py, slack.py, ntfy.py, custom_json.py, telegram.py of apprise 1.9 and later).
_LOGGED_STATUS = re.compile(r"\berror=(\d{3})\b")
_TYPES = {"info": "info", "warning": "warning", "critical": "failure"}


class _Statuses(logging.Handler):
    """HTTP status of the last refusal in apprise's log; 0 without one."""

    last = 0

    def emit(self, record: logging.LogRecord) -> None:
        found = _LOGGED_STATUS.search(record.getMessage())
        self.last = int(found[1]) if found else self.last


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
    statuses = _Statuses()
    logging.getLogger("apprise").addHandler(statuses)
    accepted = sender.notify(
        title=mentioning_nobody(request["title"]),
        body=mentioning_nobody(request["text"]),
        notify_type=_TYPES[request["level"]],
        body_format=apprise.NotifyFormat.TEXT,  # escaped for services of Markdown and HTML
    )
    if accepted:
        return ACCEPTED
    return REFUSED_MESSAGE if is_of_message(statuses.last) else REFUSED


if __name__ == "__main__":
    sys.exit(main())
