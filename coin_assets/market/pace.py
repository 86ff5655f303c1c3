"""Rate limit of one exchange, shared by all threads of a run, and the switch that ends them.

The limit is ccxt's: ``rateLimit`` milliseconds times the cost of a request lie between the request
before and this one (``Exchange.throttle`` of ccxt's synchronous client, which is not safe for
threads). ccxt takes both numbers from the documentation of the exchange.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Event, Lock


class Halted(BaseException):
    """Ends a fetch whose run is over; nothing handles it as an error of the market."""


class Banned(Exception):
    """A request is not sent: the exchange has banned this machine meanwhile."""


class Halt:
    """Switch that ends the fetches of threads before their next request or pause."""

    def __init__(self) -> None:
        self._event = Event()

    def stop(self) -> None:
        """End the fetches; a request in flight is completed first."""
        self._event.set()

    def check(self) -> None:
        """Raise `Halted` after `stop`."""
        if self._event.is_set():
            raise Halted

    def sleep(self, seconds: float) -> None:
        """Wait; raises `Halted` as soon as `stop` is called."""
        if self._event.wait(seconds):
            raise Halted


class Pace:
    """Times at which requests may be sent to one exchange; safe for threads.

    Attributes:
        banned_until: end of a ``Retry-After`` that is too long to wait for; None without one.
        is_silent: a call was given up, and none has succeeded since.

    Args:
        stopwatch: monotonic time in seconds.
        clock: time of ``banned_until``.
    """

    def __init__(
        self,
        stopwatch: Callable[[], float] = time.monotonic,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._stopwatch, self._clock = stopwatch, clock
        self._lock = Lock()
        self._last = self._held_until = float("-inf")
        self.banned_until: datetime | None = None
        self.is_silent = False

    def turn(self, interval: float, sleep: Callable[[float], None] = time.sleep) -> None:
        """Wait until ``interval`` seconds after the turn before, and until no hold lasts.

        Others wait meanwhile, so turns are never closer together than their intervals. If ``sleep``
        raises, the turn is not taken.

        Raises:
            Banned: ``banned_until`` is not over.
        """
        with self._lock:
            now = self._stopwatch()
            while now < (due := max(self._last + interval, self._held_until)):
                sleep(due - now)
                now = max(due, self._stopwatch())
            if self.banned_until is not None and self._clock() < self.banned_until:
                raise Banned
            self._last = now

    def hold(self, seconds: float) -> None:
        """Give no turn for so long: the exchange asked one of the threads to wait."""
        self._held_until = max(self._held_until, self._stopwatch() + seconds)
