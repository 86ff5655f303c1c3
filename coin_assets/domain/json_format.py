"""JSON documents: their type, and the notation of times in them."""

from datetime import UTC, datetime
from typing import Any

TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"

Document = dict[str, Any]


def time_text(time: datetime) -> str:
    """``2026-11-22T20:00:00Z``."""
    return time.astimezone(UTC).strftime(TIME_FORMAT)


def parse_time(text: str) -> datetime:
    """Inverse of `time_text`; ValueError otherwise."""
    return datetime.strptime(text, TIME_FORMAT).replace(tzinfo=UTC)
