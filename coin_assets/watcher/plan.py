"""What the watcher looks at, and where it sends messages."""

import json
from dataclasses import asdict, dataclass, field
from typing import Self

# Cycles without a heartbeat after which the alerting counts as silent; a tick of it may take a
# minute. At a start, the code of many series takes minutes to load.
SILENT_CYCLES, LEAST_SILENT_SECONDS, START_SECONDS = 5, 120.0, 600.0


@dataclass(frozen=True, repr=False)
class WatchPlan:
    """Folders, databases, channels and intervals. Addresses and passwords in it are secrets.

    Attributes:
        home, published, records: folders that are written; ``records`` is Dagster's.
        alerts: folder of the heartbeat and of the outbox.
        postgres: parameters of a connection to Dagster's records; empty if they are in SQLite.
        webhooks: kind and address.
        cycle_seconds, repeat_cycles, escalate_cycles: as of other alerts.
        silent_seconds: age of a heartbeat that counts as silence; 0 for the one that fits a cycle.
        start_seconds: the same, before the first heartbeat since the start.
        shards: each has a heartbeat of its own.
    """

    home: str
    published: str
    records: str
    alerts: str
    postgres: dict[str, str] = field(default_factory=dict)
    webhooks: tuple[tuple[str, str], ...] = ()
    cycle_seconds: float = 60.0
    repeat_cycles: int = 3
    escalate_cycles: int = 60
    silent_seconds: float = 0.0
    start_seconds: float = START_SECONDS
    shards: int = 1

    def text(self) -> bytes:
        """As JSON."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def parse(cls, text: bytes) -> Self:
        """Inverse of `text`."""
        values = json.loads(text)
        values["webhooks"] = tuple((kind, url) for kind, url in values["webhooks"])
        return cls(**values)

    @property
    def longest_silence(self) -> float:
        """Seconds without a heartbeat after which the alerting counts as silent."""
        return self.silent_seconds or max(SILENT_CYCLES * self.cycle_seconds, LEAST_SILENT_SECONDS)
