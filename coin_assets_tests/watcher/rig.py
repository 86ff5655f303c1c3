"""A watcher in a process of its own, over a home that a test spoils."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from coin_assets.alerts.heartbeat import beat
from coin_assets.watcher.plan import WatchPlan
from coin_assets_tests.alerts.receiver import Receiver
from coin_assets_tests.webui import ROOT

WAIT_SECONDS = 60


def plan_of(home: Path, *receivers: Receiver, **changes: Any) -> WatchPlan:
    """Cycles so short that tests take seconds; no repeat falls into one."""
    plan = WatchPlan(
        home=str(home),
        published=str(home / "published"),
        records=str(home / "dagster"),
        alerts=str(home / "alerts"),
        webhooks=tuple(("json", each.url) for each in receivers),
        cycle_seconds=0.2,
        repeat_cycles=3000,
        escalate_cycles=6000,
        silent_seconds=60.0,
    )
    return replace(plan, **changes)


def beat_ago(home: Path, seconds: float = 0.0) -> None:
    """The heartbeat file as ``health_alerts`` left it ``seconds`` ago."""
    beat(home / "alerts", datetime.now(UTC) - timedelta(seconds=seconds), {"fresh": 1})


class Watching:
    """The process, from the end of its settings on, as ``make up`` has it."""

    def __init__(self, plan: WatchPlan, log: Path) -> None:
        self.log = log
        reading, writing = os.pipe()
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(plan.text())
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "coin_assets.watcher", "--plan", str(reading)],
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=[reading],
            )
        os.close(reading)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def until(self, met: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while not met():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def cycles(self, receiver: Receiver, seconds: float = 1.0) -> list[Any]:
        """What was accepted after some more cycles."""
        time.sleep(seconds)
        assert self.process.poll() is None, self.log.read_text()
        return list(receiver.accepted)


def files_of(home: Path) -> dict[str, bytes]:
    """Every file below a home, hidden ones too."""
    return {str(path): path.read_bytes() for path in home.rglob("*") if path.is_file()}


def told(bodies: list[Any]) -> list[tuple[str, str]]:
    """Kind and title of messages."""
    return [(body["kind"], body["title"]) for body in json.loads(json.dumps(bodies))]
