"""Patience with an exchange: which failures are tried again, when, and for how long in all."""

import random
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TypeVar

from coin_assets.errors import MarketUnavailable

MOST_TRIES = 6
BUDGET_SECONDS = 180.0
_FIRST_DELAY, _LONGEST_DELAY = 2.0, 64.0

Answer = TypeVar("Answer")


class Interrupted(Exception):
    """A request failed in a way that may pass.

    Attributes:
        asked_wait: seconds that the other side asks to be left alone, if it does.
    """

    def __init__(self, reason: str, asked_wait: float | None = None) -> None:
        self.asked_wait = asked_wait
        super().__init__(reason)


class Retrying:
    """Calls that share one budget of lost time, which a success fills up again.

    An outage thus costs one budget, however many calls it hits: with the budget spent, each call
    is tried once. While the other side has asked to be left alone for longer than the budget
    lasts, it is not called at all: those who keep calling are banned for longer.

    Attributes:
        retries: tries so far after the first of each call.

    Args:
        chance: a number in [0, 1), so that many clients do not come back at the same moment.
        clock: measures what failed calls cost, and until when the other side wants to be left.
        budget: seconds.
    """

    def __init__(
        self,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        budget: float = BUDGET_SECONDS,
    ) -> None:
        self._sleep, self._chance, self._clock = sleep, chance, clock
        self._budget = self._left = budget
        self._not_before: datetime | None = None
        self.retries = 0

    def call(self, ask: Callable[[], Answer], purpose: str) -> Answer:
        """What ``ask`` returns, tried again when it is `Interrupted`.

        Args:
            purpose: begins the message, for example ``"binance did not deliver candles"``.

        Raises:
            MarketUnavailable: it did not succeed within tries and budget.
        """
        self._respect_wish(purpose, None)
        tries = 0
        while True:
            tries += 1
            self.retries += tries > 1
            began = self._clock()
            try:
                answer = ask()
            except Interrupted as trouble:
                self._spend((self._clock() - began).total_seconds())
                self._wait(tries, trouble, purpose)
            else:
                self._left, self._not_before = self._budget, None
                return answer

    def _wait(self, tries: int, trouble: Interrupted, purpose: str) -> None:
        """Wait before the next try, or give up."""
        if trouble.asked_wait is not None and trouble.asked_wait > self._left:
            self._not_before = self._clock() + timedelta(seconds=trouble.asked_wait)
            self._respect_wish(purpose, trouble)
        if tries >= MOST_TRIES or self._left <= 0:
            times = "once" if tries == 1 else f"{tries} times"
            raise MarketUnavailable(
                f"{purpose}, asked {times} ({trouble}). Check the network and COIN_MARKET; asking "
                "again later may help."
            ) from trouble.__cause__
        backoff = min(_FIRST_DELAY * 2 ** (tries - 1), _LONGEST_DELAY) * (1 + self._chance()) / 2
        seconds = min(max(backoff, trouble.asked_wait or 0.0), self._left)
        self._spend(seconds)
        self._sleep(seconds)

    def _respect_wish(self, purpose: str, trouble: Interrupted | None) -> None:
        if self._not_before is not None and self._clock() < self._not_before:
            reason = f" ({trouble})" if trouble else ""
            raise MarketUnavailable(
                f"{purpose}: it asked to be left alone until {self._not_before:%Y-%m-%d %H:%M:%S} "
                f"UTC{reason}. Nothing was asked since; run again after that."
            ) from (trouble.__cause__ if trouble else None)

    def _spend(self, seconds: float) -> None:
        self._left = max(0.0, self._left - seconds)


def asked_wait(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds to wait by a ``Retry-After`` header (seconds or an HTTP date); None without one."""
    text = next((value for name, value in headers.items() if name.lower() == "retry-after"), None)
    if text is None:
        return None
    if re.fullmatch(r"\d+(\.\d+)?", text.strip()):
        return float(text)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (until.astimezone(UTC) - now).total_seconds())
