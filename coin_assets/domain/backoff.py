"""Waits between attempts: exponential back-off, and what a server requests."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TypeVar

_MOST_DOUBLINGS = 30
_LONGEST_SECONDS = 1e9  # more would overflow the time of the next attempt

Wait = TypeVar("Wait", float, timedelta)


def backoff(first: Wait, longest: Wait, failures: int) -> Wait:
    """Wait after a number of failures in a row: doubles from ``first`` up to ``longest``.

    Args:
        failures: at least 1.
    """
    return min(first * (1 << min(failures - 1, _MOST_DOUBLINGS)), longest)


def failures_to_longest(first: Wait, longest: Wait) -> int:
    """Number of failures in a row after which `backoff` is the longest wait."""
    counts = range(1, _MOST_DOUBLINGS + 1)
    return next((n for n in counts if backoff(first, longest, n) == longest), counts.stop)


def look_back(first: timedelta, longest: timedelta, attempt: timedelta) -> timedelta:
    """Time before an attempt that holds the failures after which the wait is the longest.

    Failures that are counted over a shorter time never add up to the longest wait.

    Args:
        first, longest: as in `backoff`.
        attempt: longest usual time from the end of a wait to the end of the attempt.
    """
    return failures_to_longest(first, longest) * (longest + attempt)


def retry_after(
    headers: Mapping[str, str], now: datetime, longest: float = _LONGEST_SECONDS
) -> float | None:
    """Seconds of a ``Retry-After`` header, at most ``longest``; None without one.

    The header holds seconds or an HTTP date (RFC 9110, section 10.2.3).

    Args:
        headers: of the answer; the case of names does not matter.
        now: UTC.
    """
    texts = (value for name, value in headers.items() if name.lower() == "retry-after")
    text = next(texts, "").strip()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return min(float(text), longest)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    if until.tzinfo is None:  # the offset -0000
        until = until.replace(tzinfo=UTC)
    return min(max(0.0, (until - now).total_seconds()), longest)
