"""A platform with its real sensors in simulated time, for tests of what happens over hours."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, Self

import dagster as dg

from coin_assets.market.base import Market
from coin_assets.market.ccxt import CcxtMarket
from coin_assets.orchestration.sensors.runs import PURPOSE_TAG
from coin_assets_tests.platform import Platform, given, utc

HOUR = timedelta(hours=1)
_QUARTER_OF_AN_HOUR = 15 * 60.0


class Exchange(Protocol):
    """A stand-in of an exchange, whose clock tests set."""

    now: datetime

    def configure(self, client: Any) -> None:
        """Point a ccxt client here."""


class Rig:
    """A platform and the exchange behind it, with one clock for both.

    Args:
        connect: makes a new market for each cycle, as each run of a live platform has its own.
    """

    def __init__(
        self,
        platform: Platform,
        exchange: Exchange | None = None,
        connect: Callable[[], Market] | None = None,
    ) -> None:
        self.platform = platform
        self._exchange = exchange
        self._connect = connect

    @classmethod
    def on_exchange(
        cls, home: Path, exchange_id: str, exchange: Exchange, start: str, **settings: Any
    ) -> Self:
        """A platform that collects from ``start`` on, through the real ccxt client."""
        now = f"{exchange.now:%Y-%m-%dT%H:%M:%S}"
        platform = Platform(home, now, history_start=start, **settings)
        return cls(platform, exchange, lambda: ccxt_market(platform, exchange_id, exchange))

    def cycle(self) -> list[dg.RunRequest]:
        """As `Platform.cycle`."""
        if self._connect is not None:
            self.platform.market = given(self._connect(), self.platform.market)
        return self.platform.cycle()

    def collect(self, most: int = 40) -> list[dg.RunRequest]:
        """Cycle until nothing is requested twice, a quarter of an hour apart for back-off.

        Returns what was requested.
        """
        requested: list[dg.RunRequest] = []
        quiet = 0
        for _ in range(most):
            found = self.cycle()
            requested += found
            quiet = 0 if found else quiet + 1
            if quiet == 2:
                return requested
            self.platform.ahead += _QUARTER_OF_AN_HOUR
        raise AssertionError(f"it does not come to rest: {requested[-3:]}")

    def try_for(self, cycles: int) -> list[dg.RunRequest]:
        """What so many cycles request, a quarter of an hour apart."""
        requested: list[dg.RunRequest] = []
        for _ in range(cycles):
            requested += self.cycle()
            self.platform.ahead += _QUARTER_OF_AN_HOUR
        return requested

    def pass_time(self, hours: int) -> None:
        """Move the clocks on; nothing is requested in between, as if the daemon were down."""
        later = utc(self.platform.now) + hours * HOUR
        self.platform.now = f"{later:%Y-%m-%dT%H:%M:%S}"
        self.platform.ahead += hours * 3600.0
        if self._exchange is not None:
            self._exchange.now = later

    def advance(self, hours: int) -> list[dg.RunRequest]:
        """What is still requested, after all is done that the hours brought."""
        self.pass_time(hours)
        self.collect()
        return self.cycle()

    def advance_hourly(self, hours: int) -> list[list[dg.RunRequest]]:
        """What is requested in each of the next hours."""
        found = []
        for _ in range(hours):
            self.pass_time(1)
            found.append(self.collect())
        return found


def ccxt_market(platform: Platform, exchange_id: str, exchange: Exchange) -> CcxtMarket:
    """The ccxt client for ``exchange``, with the platform's clock and without waits."""
    return CcxtMarket(
        exchange_id, exchange.configure, sleep=lambda _: None, clock=lambda: utc(platform.now)
    )


def purposes(requests: list[dg.RunRequest]) -> list[str]:
    """Purposes of these requests, sorted."""
    return sorted(request.tags[PURPOSE_TAG] for request in requests)
