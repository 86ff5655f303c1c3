"""Metrics of the home: alerts, heartbeat and disk."""

import shutil
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from prometheus_client.core import Metric

from coin_assets.alerts.conditions import Severity
from coin_assets.alerts.heartbeat import heartbeat_age
from coin_assets.alerts.outbox import AlertBook
from coin_assets.metrics.gauges import gauge


def alert_metrics(book: Path, now: datetime) -> Iterator[Metric]:
    """Open alerts and undelivered messages, from the database ``book``."""
    found = AlertBook(book).overview(now)
    counts = Counter(each.condition.severity for each in found.incidents.values())
    yield gauge(
        "alerts_open",
        "Open alerts, acknowledged and muted ones too.",
        ("severity",),
        (((severity.word,), counts[severity]) for severity in Severity),
    )
    yield gauge(
        "alert_messages_undelivered",
        "Messages that a channel has not accepted yet.",
        (),
        [((), found.pending)],
    )
    yield gauge(
        "alert_messages_set_aside",
        "Messages of the last day that a channel refused for themselves.",
        (),
        [((), len(found.set_aside))],
    )


def heartbeat_metrics(folder: Path, now: datetime, shards: int = 1) -> Iterator[Metric]:
    """Age of the heartbeat file of the alerting, the oldest of the shards.

    Raises:
        FileNotFoundError: there was no cycle of the alerting yet.
    """
    age = heartbeat_age(folder, now, shards)
    if age is None:
        raise FileNotFoundError(f"{folder} has no heartbeat yet")
    yield gauge(
        "heartbeat_age_seconds",
        "Time since the last cycle of the alerting, which the daemon runs.",
        (),
        [((), age.total_seconds())],
    )


def disk_metrics(home: Path) -> Iterator[Metric]:
    """Use of the home's disk, as ``df`` counts it."""
    usage = shutil.disk_usage(home)
    yield gauge("disk_free_bytes", "Free bytes of the home's disk.", (), [((), usage.free)])
    yield gauge(
        "disk_used_ratio",
        "Share of the home's disk in use; COIN_DISK_LIMITS limits it.",
        (),
        [((), usage.used / (usage.used + usage.free))],
    )
