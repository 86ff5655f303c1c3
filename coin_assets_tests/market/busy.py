"""A fake exchange that takes its time, and knows how many requests it answered at once."""

import time
from collections.abc import Iterable
from datetime import datetime
from threading import Lock
from typing import Any

from coin_assets.market.base import Market
from coin_assets_tests.market.exchange import FakeExchange, Request
from coin_assets_tests.market.faults import Fault, Reply


class BusyExchange(FakeExchange):
    """Answers ``delay`` seconds after a request arrived.

    Attributes:
        most_at_once: most requests that were open at one time.
        arrivals: monotonic times of all requests.
        page: candles of a request at most, as ccxt documents them.
        broken: what happens to every reply on candles of a symbol.
        pace: milliseconds between two requests of weight 1; None for no limit.
    """

    def __init__(
        self,
        now: datetime,
        symbols: Iterable[str],
        market: Market | None = None,
        delay: float = 0.1,
    ) -> None:
        super().__init__(now, market, symbols)
        self.delay = delay
        self.most_at_once = self._open = 0
        self.arrivals: list[float] = []
        self.broken: dict[str, Fault] = {}
        self.page: int | None = None
        self.pace: float | None = None
        self._lock = Lock()

    def configure(self, client: Any) -> None:
        super().configure(client)
        if self.page is not None:
            client.features["spot"]["fetchOHLCV"]["limit"] = self.page
        if self.pace is not None:
            client.enableRateLimit, client.rateLimit = True, self.pace

    def answer(self, request: Request) -> Reply | None:
        with self._lock:
            self._open += 1
            self.most_at_once = max(self.most_at_once, self._open)
            self.arrivals.append(time.monotonic())
        try:
            time.sleep(self.delay)
            reply, fault = super().answer(request), self.broken.get(request.query.get("symbol", ""))
            return reply if fault is None or reply is None else fault(reply)
        finally:
            with self._lock:
                self._open -= 1
