"""How far a long pull has come, at what rate, and how long it will still take."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from coin_assets.domain.durations import duration_text

_EVERY_SECONDS = 10.0


class FetchProgress:
    """Says a line at most every ten seconds, so that short pulls say nothing.

    Args:
        total: candles to fetch.
        say: receives the lines.
        stopwatch: seconds since any moment; never goes back.
    """

    def __init__(
        self,
        what: str,
        total: int,
        say: Callable[[str], None],
        stopwatch: Callable[[], float] = time.monotonic,
    ) -> None:
        self._what = what
        self._total = total
        self._say = say
        self._stopwatch = stopwatch
        self._started = self._said = stopwatch()
        self._done = 0

    def advance(self, candles: int, until: datetime) -> None:
        """``candles`` more are done, and the pull stands at ``until``."""
        self._done += candles
        now = self._stopwatch()
        if now - self._said < _EVERY_SECONDS or self._done >= self._total:
            return
        self._said = now
        rate = self._done / (now - self._started)
        left = duration_text(timedelta(seconds=(self._total - self._done) / rate))
        self._say(
            f"{self._what}: {self._done:,} of {self._total:,} candles, at {until:%Y-%m-%d %H:%M}, "
            f"{rate:,.0f} candles/s, {left} left"
        )
