"""Heartbeat of the alerting: a file, and a call to a monitor outside."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from coin_assets.alerts import transport
from coin_assets.config.addresses import masked
from coin_assets.domain.future_data import why_ahead
from coin_assets.domain.json_format import parse_time, time_text
from coin_assets.errors import CorruptArtefact
from coin_assets.files.atomic import write_atomically
from coin_assets.files.faults import machine_faults_named
from coin_assets.files.strict_json import CONTENT_ERRORS, content_of, document_of, shown

FILE = "heartbeat.json"
_REMEDY = "The next cycle of the alerting replaces it."
_MOST_CYCLES, _LEAST_SILENT = 5, timedelta(minutes=2)


def is_alive(undelivered_since: datetime | None, now: datetime, cycle: timedelta) -> bool:
    """Whether to beat: no message was refused by all channels for more than five cycles.

    Args:
        undelivered_since: time of the oldest message that no channel has accepted.
    """
    return undelivered_since is None or now - undelivered_since <= _MOST_CYCLES * cycle


def file_of(shard: int) -> str:
    """Name of the heartbeat of a shard; that of shard 0 is the one without shards."""
    return FILE if shard == 0 else FILE.replace(".", f".shard-{shard}.")


def silent_after(cycle: timedelta) -> timedelta:
    """Age from which on a heartbeat counts as silence; a tick may take a minute."""
    return max(_MOST_CYCLES * cycle, _LEAST_SILENT)


def beat(folder: Path, now: datetime, facts: Mapping[str, Any], shard: int = 0) -> None:
    """Replace ``folder/heartbeat.json`` by ``{"at": ..., **facts}``.

    Raises:
        MachineFault: the machine failed.
    """
    document, path = {"at": time_text(now), **facts}, folder / file_of(shard)
    with machine_faults_named(path):
        write_atomically(path, (json.dumps(document, indent=1) + "\n").encode())


def heartbeat_age(folder: Path, now: datetime, shards: int = 1) -> timedelta | None:
    """Time since the last beat, of the shard that is silent for longest; None if one has none.

    Raises:
        MachineFault, CorruptArtefact: see `_age`.
    """
    ages = [_age(folder / file_of(number), now) for number in range(shards)]
    known = [age for age in ages if age is not None]
    return max(known) if len(known) == len(ages) else None


def _age(file: Path, now: datetime) -> timedelta | None:
    """Time since the beat in a file; None if there was none.

    Raises:
        MachineFault: the machine failed; the file may be intact.
        CorruptArtefact: the file is not what was written, or its time lies in the future.
    """
    try:
        at = parse_time(document_of(content_of(file, _REMEDY))["at"])
    except FileNotFoundError:
        return None
    except CONTENT_ERRORS as error:
        raise CorruptArtefact(f"{file} is no heartbeat ({shown(error)}). {_REMEDY}") from error
    if why_ahead(at, now) is not None:
        raise CorruptArtefact(
            f"{file} is no heartbeat: its time {time_text(at)} lies in the future. {_REMEDY}"
        )
    return now - at


def call(url: str) -> None:
    """Call the heartbeat address.

    Raises:
        DeliveryRefused: it did not accept the call.
    """
    shown = f"the heartbeat address {masked(url)}"
    transport.call("GET", url, shown, "Check COIN_HEARTBEAT_URL if this does not pass by itself.")
