"""Messages through apprise, each in a process of its own.

Services of apprise have timeouts between two bytes only, read whole answers, and log addresses.
A process can be stopped at any time, has a limit of memory, and its output goes nowhere.
"""

import json
import subprocess
import sys

from coin_assets.alerts.transport import DeliveryRefused

TOTAL_SECONDS = 12.0  # of which the import of apprise takes one or two
MEMORY_BYTES = 1 << 30
ACCEPTED, REFUSED, NO_ADDRESS, NO_PACKAGE, REFUSED_MESSAGE = 0, 10, 11, 12, 13
_REASONS = {
    REFUSED: "the service refused it, or does not answer",
    REFUSED_MESSAGE: "the service refused this message",
    NO_ADDRESS: "apprise cannot use the address",
    NO_PACKAGE: "the package apprise is missing; pip install 'coin_assets[alerts]'",
}


def send(url: str, title: str, text: str, level: str, shown: str, remedy: str) -> None:
    """Send one message; returning means that apprise reports it as accepted.

    Args:
        level: as `Message.level`.
        shown: names the other side in errors.
        remedy: what to check if it does not accept.

    Raises:
        DeliveryRefused: it was not accepted, or that is unknown.
    """
    code = REFUSED
    request = json.dumps({"url": url, "title": title, "text": text, "level": level})
    try:
        code = subprocess.run(
            [sys.executable, "-m", "coin_assets.alerts.apprise_process"],
            input=request.encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=TOTAL_SECONDS,
            check=False,
        ).returncode
        reason = "" if code == ACCEPTED else _REASONS.get(code, f"its process ended with {code}")
    except subprocess.TimeoutExpired:
        reason = f"no answer within {TOTAL_SECONDS:g} s"
    except OSError as error:
        reason = f"no process can be started ({error.strerror})"
    if reason:
        raise DeliveryRefused(
            f"{shown} did not accept the message: {reason}. {remedy}",
            is_of_message=code == REFUSED_MESSAGE,
        )
