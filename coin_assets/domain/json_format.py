"""Type of JSON documents, and the format of times in them."""

from datetime import UTC, datetime
from typing import Any

TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"

Document = dict[str, Any]

# Outside of these years a time is no time of a candle, and arithmetic on it can overflow.
_FIRST_YEAR, _LAST_YEAR = 1970, 2199


def time_text(time: datetime) -> str:
    """Format a time for JSON: ``2026-11-22T20:00:00Z``.

    Args:
        time: timezone-aware; fractions of a second are cut off.
    """
    return time.astimezone(UTC).strftime(TIME_FORMAT)


def parse_time(text: str) -> datetime:
    """Parse a time written by `time_text`; the result is UTC.

    Raises:
        ValueError: ``text`` has another format, or see `plausible`.
    """
    return plausible(datetime.strptime(text, TIME_FORMAT).replace(tzinfo=UTC))


def plausible(time: datetime) -> datetime:
    """``time`` in UTC.

    Raises:
        ValueError: it has no time zone, or lies before 1970 or after 2199.
    """
    if time.tzinfo is None or not _FIRST_YEAR <= time.year <= _LAST_YEAR:
        raise ValueError(f"{time} is no time in UTC from {_FIRST_YEAR} to {_LAST_YEAR}")
    return time.astimezone(UTC)
