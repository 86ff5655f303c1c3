"""Heartbeat of the alerting: a file, and a call to a monitor outside."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from coin_assets.alerts import transport
from coin_assets.config.addresses import masked
from coin_assets.domain.json_format import parse_time, time_text
from coin_assets.errors import CorruptArtefact
from coin_assets.files.atomic import write_atomically

FILE = "heartbeat.json"
_MOST_CYCLES = 5


def is_alive(undelivered_since: datetime | None, now: datetime, cycle: timedelta) -> bool:
    """Whether to beat: no message was refused by all channels for more than five cycles.

    Args:
        undelivered_since: time of the oldest message that no channel has accepted.
    """
    return undelivered_since is None or now - undelivered_since <= _MOST_CYCLES * cycle


def beat(folder: Path, now: datetime, facts: Mapping[str, Any]) -> None:
    """Replace ``folder/heartbeat.json`` by ``{"at": ..., **facts}``."""
    document = {"at": time_text(now), **facts}
    write_atomically(folder / FILE, (json.dumps(document, indent=1) + "\n").encode())


def heartbeat_age(folder: Path, now: datetime) -> timedelta | None:
    """Time since the last beat; None if there was none.

    Raises:
        CorruptArtefact: the file is not what was written.
    """
    file = folder / FILE
    try:
        return now - parse_time(json.loads(file.read_bytes())["at"])
    except FileNotFoundError:
        return None
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptArtefact(
            f"{file} is no heartbeat ({error}); the next cycle of the alerting replaces it."
        ) from error


def call(url: str) -> None:
    """Call the heartbeat address.

    Raises:
        DeliveryRefused: it did not accept the call.
    """
    shown = f"the heartbeat address {masked(url)}"
    transport.call("GET", url, shown, "Check COIN_HEARTBEAT_URL if this does not pass by itself.")
