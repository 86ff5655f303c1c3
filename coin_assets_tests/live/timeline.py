"""What happened when, in seconds since the start, as text and as JSON."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from coin_assets_tests.live.waiting import until

DISTURBED, CALM = "disturbed", "calm"


@dataclass(frozen=True)
class Event:
    """Something that happened at ``at`` (seconds since the epoch)."""

    at: float
    kind: str
    text: str


class Timeline:
    """Collects events from several threads; those of ``loud`` kinds are printed at once."""

    def __init__(self, loud: tuple[str, ...] = ("step", "failed")) -> None:
        self.started = time.time()
        self._loud = loud
        self._lock = threading.Lock()
        self._events: list[Event] = []

    def note(self, kind: str, text: str, at: float | None = None) -> None:
        event = Event(time.time() if at is None else at, kind, text)
        with self._lock:
            self._events.append(event)
        if kind in self._loud:
            print(self._line(event), flush=True)  # noqa: T201 (a person waits for it)

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """A part of the scenario; a failure says in which."""
        self.note("step", what)
        try:
            yield
        except BaseException as error:
            self.note("failed", f"{what}: {error}")
            raise

    @property
    def events(self) -> list[Event]:
        """All events by time."""
        with self._lock:
            return sorted(self._events, key=lambda event: event.at)

    def is_calm(self, start: float, end: float) -> bool:
        """Whether nothing was made to fail between two times (seconds since the epoch)."""
        calm = False  # until the first publication
        for event in self.events:
            if event.kind in (DISTURBED, CALM) and event.at <= start:
                calm = event.kind == CALM
            elif event.kind == DISTURBED and event.at <= end:
                return False
        return calm

    def text(self, without: tuple[str, ...] = ()) -> str:
        """A line each event, but for those of some kinds."""
        return "\n".join(self._line(event) for event in self.events if event.kind not in without)

    def write(self, file: Path, **more: Any) -> None:
        """As JSON: ``started_at``, ``events`` with seconds since then, and ``more``."""
        document = {
            "started_at": datetime.fromtimestamp(self.started, UTC).isoformat(),
            "events": [
                asdict(event) | {"at": round(event.at - self.started, 2)} for event in self.events
            ],
            **more,
        }
        file.write_text(json.dumps(document, indent=1) + "\n")

    def _line(self, event: Event) -> str:
        clock = datetime.fromtimestamp(event.at, UTC)
        return f"{event.at - self.started:8.1f} s  {clock:%H:%M:%S}  {event.kind:14} {event.text}"


class NotesWaits:
    """Something with a timeline that waits, and notes what was met."""

    timeline: Timeline

    def until(
        self,
        what: str,
        probe: Callable[[], object],
        seconds: float,
        seen: Callable[[], object] = lambda: "",
    ) -> None:
        """As `coin_assets_tests.live.waiting.until`."""
        until(what, probe, seconds, seen)
        self.timeline.note("met", what)
