"""Progress of a long fetch: candles done, rate, remaining time."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from coin_assets.domain.durations import duration_text

_EVERY_SECONDS = 10.0


class FetchProgress:
    """Logs a line at most every ten seconds; a short fetch logs none.

    Args:
        what: name of the fetch, at the start of each line.
        total: candles to fetch.
        log: receives the lines.
        stopwatch: monotonic time in seconds.
    """

    def __init__(
        self,
        what: str,
        total: int,
        log: Callable[[str], None],
        stopwatch: Callable[[], float] = time.monotonic,
    ) -> None:
        self._what = what
        self._total = total
        self._log = log
        self._stopwatch = stopwatch
        self._started = self._logged = stopwatch()
        self._done = 0

    def advance(self, candles: int, until: datetime) -> None:
        """Add ``candles`` that are done; the fetch has reached ``until``."""
        self._done += candles
        now = self._stopwatch()
        if now - self._logged < _EVERY_SECONDS or self._done >= self._total:
            return
        self._logged = now
        rate = self._done / (now - self._started)
        left = duration_text(timedelta(seconds=(self._total - self._done) / rate))
        self._log(
            f"{self._what}: {self._done:,} of {self._total:,} candles, at {until:%Y-%m-%d %H:%M}, "
            f"{rate:,.0f} candles/s, {left} left"
        )
