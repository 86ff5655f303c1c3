"""Type of JSON documents, and the format of times in them."""

from datetime import UTC, datetime
from typing import Any

TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"

Document = dict[str, Any]


def time_text(time: datetime) -> str:
    """Format a time for JSON: ``2026-11-22T20:00:00Z``.

    Args:
        time: timezone-aware; fractions of a second are cut off.
    """
    return time.astimezone(UTC).strftime(TIME_FORMAT)


def parse_time(text: str) -> datetime:
    """Parse a time written by `time_text`; the result is UTC.

    Raises:
        ValueError: ``text`` has another format.
    """
    return datetime.strptime(text, TIME_FORMAT).replace(tzinfo=UTC)
