"""A process whose system calls fail below a folder: ``python -m ... home receiver-url cell``.

It runs with `failing_calls.c` preloaded. It prints what the installation showed during the fault
and after it.
"""

import ctypes
import errno
import json
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from coin_assets.alerts.conditions import Condition
from coin_assets.planning import facts as work
from coin_assets.watcher.watch import Watcher
from coin_assets_tests.alerts.receiver import Receiver
from coin_assets_tests.orchestration.faults.watched import (
    cycles,
    platform_at,
    published,
    served,
    statuses,
)
from coin_assets_tests.watcher.rig import plan_of


def main(home: str, folder: str, name: str, reads: str) -> None:
    calls = ctypes.CDLL(None)
    work.FIRST_DELAY = timedelta(minutes=1)
    with Receiver() as receiver:
        platform = platform_at(Path(home), receiver)
        platform.tick("health_alerts")
        calls.fault_set(str(Path(home, folder)).encode(), getattr(errno, name), int(reads))
        raised = []
        try:
            cycles(platform)
        except Exception as error:  # noqa: BLE001 (reported; a tick must not raise)
            raised.append(repr(error))
        during = {
            "statuses": _flat(statuses(platform)),
            "served": _flat(served(platform)),
            "messages": [each for each in receiver.accepted if each is not None],
            "raised": raised,
            "watcher": [each.detail for each in _watched(Path(home))],
        }
        hits = calls.fault_count()
        calls.fault_set(b"", 0, 0)
        before = len(receiver.accepted)
        platform.ahead += 3600.0
        cycles(platform, 4)
        after = {
            "statuses": _flat(statuses(platform)),
            "messages": receiver.accepted[before:],
            "published": {name: data.decode() for name, data in published(platform).items()},
        }
    sys.stdout.write(json.dumps({"hits": hits, "during": during, "after": after}) + "\n")


def _watched(home: Path) -> list[Condition]:
    """What the watcher sees, which is a process of its own in an installation."""
    return Watcher(plan_of(home), (), sys.stderr.write, time.monotonic()).look(datetime.now(UTC))


def _flat(found: object) -> dict[str, Any]:
    names = cast("dict[tuple[str, str], Any]", found)
    return {" ".join(name): value for name, value in names.items()}


if __name__ == "__main__":
    main(*sys.argv[1:])
