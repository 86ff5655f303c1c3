"""The exchange's clock, as the ``Date`` headers of its answers tell it.

A ``Date`` has whole seconds, and an answer takes time, so the exchange's time is known within
bounds. A cache sends the ``Date`` at which it stored an answer (RFC 9111, section 4.2.3); such
answers tell nothing.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from threading import Lock
from typing import Any, Protocol, runtime_checkable

from coin_assets.domain.candles.frame import LATEST

# Servers write a Date that they made up to a second before; clocks are never equal.
TOLERANCE = timedelta(seconds=1)
_CACHE_HEADERS = ("x-cache", "x-cache-status", "cf-cache-status")
_NONE = timedelta(0)


@dataclass(frozen=True)
class ServerTime:
    """The time of an exchange at one moment, UTC.

    Attributes:
        earliest, latest: bounds.
    """

    earliest: datetime
    latest: datetime

    def lead_of(self, local: datetime) -> timedelta:
        """How far ``local`` is ahead, negative if behind; zero if the bounds leave it open.

        It is the largest lead within the bounds, or the smallest lag.
        """
        if local > self.latest + TOLERANCE or local < self.earliest - TOLERANCE:
            return local - self.earliest
        return _NONE


@runtime_checkable
class Clocked(Protocol):
    """A market whose candles close by a clock of its own."""

    def server_time(self) -> ServerTime | None:
        """The exchange's present time; None as long as no answer tells it.

        Makes one request at most, if there were answers and none of them tells it.
        """
        ...


def time_of(market: object) -> ServerTime | None:
    """Time of a market, if it has a clock of its own and an answer told it."""
    return market.server_time() if isinstance(market, Clocked) else None


class ServerClock:
    """Clock of one exchange; safe for threads.

    Attributes:
        is_asked: whether the exchange was asked for its time.

    If answers contradict one another, the earlier time counts: no candle is closed too soon.

    Args:
        stopwatch: monotonic time in seconds.
    """

    def __init__(self, stopwatch: Callable[[], float] = time.monotonic) -> None:
        self._stopwatch = stopwatch
        self._lock = Lock()
        self.is_asked = False
        self._bounds: tuple[float, float] | None = None  # POSIX time less that of the stopwatch

    def note_answer(self, response: Any, *_: Any, **__: Any) -> None:
        """Read an answer of ``requests``; a hook for ``response``."""
        date = _date_of(response.headers)
        if date is not None:
            received = self._stopwatch()
            self.note(date, date + 1, received - response.elapsed.total_seconds(), received)

    def note(self, earliest: float, latest: float, sent: float, received: float) -> None:
        """Record that the exchange's time was within bounds at some moment of a request.

        Args:
            earliest, latest: POSIX time.
            sent, received: of the request, by the stopwatch.
        """
        found = earliest - received, latest - sent
        with self._lock:
            known = self._bounds or found
            both = max(known[0], found[0]), min(known[1], found[1])
            self._bounds = both if both[0] <= both[1] else min(known, found)

    def now(self) -> ServerTime | None:
        """The exchange's present time; None before an answer that tells it."""
        if self._bounds is None:
            return None
        at = self._stopwatch()
        earliest, latest = (_time(bound + at) for bound in self._bounds)
        return ServerTime(earliest, latest)


def _date_of(headers: Mapping[str, str]) -> float | None:
    """POSIX time of the ``Date`` header; None without one, or if a cache sent the answer."""
    lowered = {name.lower(): value.strip() for name, value in headers.items()}
    if lowered.get("age", "0") != "0":
        return None
    if any("hit" in lowered.get(name, "").lower() for name in _CACHE_HEADERS):
        return None
    try:
        date = parsedate_to_datetime(lowered["date"])
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (KeyError, ValueError, OverflowError):
        return None


def _time(posix: float) -> datetime:
    return datetime.fromtimestamp(min(max(posix, 0.0), LATEST.timestamp()), UTC)
