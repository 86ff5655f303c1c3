"""Retry policy for exchange requests: exponential back-off within a time budget."""

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from coin_assets.domain.backoff import backoff
from coin_assets.errors import MarketUnavailable
from coin_assets.market.pace import Banned, Pace

MOST_TRIES = 6
BUDGET_SECONDS = 180.0
REMEDY = "Check the network and COIN_MARKET, or run again later."
_FIRST_DELAY, _LONGEST_DELAY = 2.0, 64.0

Answer = TypeVar("Answer")


class Interrupted(Exception):
    """A request failed temporarily.

    Attributes:
        asked_wait: seconds of the server's ``Retry-After``; None without one.
    """

    def __init__(self, reason: str, asked_wait: float | None = None) -> None:
        self.asked_wait = asked_wait
        super().__init__(reason)


class Retrying:
    """Calls with retries that share one budget of time; a success restores it.

    An outage costs the retries of one call, however many calls it affects: after a call was given
    up, each one is tried once until one succeeds. With the budget spent, calls are tried once as
    well. While a ``Retry-After`` longer than the budget lasts, no call is made at all, because
    exchanges extend the ban of clients that continue. Threads have a budget each and share
    ``pace``, so what one of them learns of an outage or a ``Retry-After`` holds for all.

    Attributes:
        retries: number of attempts after the first of each call.

    Args:
        sleep: waits a number of seconds.
        chance: returns a number in [0, 1), the jitter of the back-off.
        clock: measures the time of failed calls and of ``Retry-After``.
        budget: seconds of failed calls and pauses.
        pace: of the exchange.
    """

    def __init__(
        self,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        budget: float = BUDGET_SECONDS,
        pace: Pace | None = None,
    ) -> None:
        self._sleep, self._chance, self._clock = sleep, chance, clock
        self._budget = self._left = budget
        self._pace = pace or Pace()
        self.retries = 0

    def twin(self, sleep: Callable[[float], None]) -> "Retrying":
        """The same policy for another thread, with a budget of its own."""
        return Retrying(sleep, self._chance, self._clock, self._budget, self._pace)

    def call(self, ask: Callable[[], Answer], purpose: str) -> Answer:
        """Result of ``ask``, retried after `Interrupted`.

        Args:
            ask: makes one attempt.
            purpose: beginning of the message, for example ``"binance did not deliver candles"``.

        Raises:
            MarketUnavailable: no attempt succeeded within `MOST_TRIES` and the budget.
        """
        tries = 0
        while True:
            self._require_permission(purpose, None)
            tries += 1
            self.retries += tries > 1
            began = self._clock()
            try:
                answer = ask()
            except Banned:
                tries -= 1  # another thread learned it; nothing was sent
            except Interrupted as trouble:
                self._spend((self._clock() - began).total_seconds())
                self._wait(tries, trouble, purpose)
            else:
                self._left, self._pace.is_silent = self._budget, False
                return answer

    def _wait(self, tries: int, trouble: Interrupted, purpose: str) -> None:
        """Wait before the next attempt.

        Raises:
            MarketUnavailable: no attempt is left.
        """
        if trouble.asked_wait is not None and trouble.asked_wait > self._left:
            self._pace.banned_until = self._clock() + timedelta(seconds=trouble.asked_wait)
            self._require_permission(purpose, trouble)
        known_outage = self._pace.is_silent and trouble.asked_wait is None
        if tries >= MOST_TRIES or self._left <= 0 or known_outage:
            self._pace.is_silent = True
            attempts = "1 attempt" if tries == 1 else f"{tries} attempts"
            raise MarketUnavailable(
                f"{purpose} in {attempts} ({trouble}). {REMEDY}"
            ) from trouble.__cause__
        pause = backoff(_FIRST_DELAY, _LONGEST_DELAY, tries) * (1 + self._chance()) / 2
        seconds = min(max(pause, trouble.asked_wait or 0.0), self._left)
        if trouble.asked_wait is not None:
            self._pace.hold(trouble.asked_wait)
        self._spend(seconds)
        self._sleep(seconds)

    def _require_permission(self, purpose: str, trouble: Interrupted | None) -> None:
        until = self._pace.banned_until
        if until is not None and self._clock() < until:
            reason = f" ({trouble})" if trouble else ""
            raise MarketUnavailable(
                f"{purpose}: it allows no request until {until:%Y-%m-%d %H:%M:%S} UTC"
                f"{reason}. No request was sent since; run again after that."
            ) from (trouble.__cause__ if trouble else None)

    def _spend(self, seconds: float) -> None:
        self._left = max(0.0, self._left - seconds)
