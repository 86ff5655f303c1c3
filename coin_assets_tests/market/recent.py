"""An exchange that serves only its newest candles, as Kraken (720) and Hyperliquid (5000) do."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from coin_assets.domain.candles.frame import between, empty_candles
from coin_assets.domain.series import Key
from coin_assets.market.base import Market, Page
from coin_assets.market.sandbox import SandboxMarket
from coin_assets_tests.market.wrapped import WrappedMarket


class RecentMarket(WrappedMarket):
    """``whole`` (the sandbox) with its last ``served`` candles of each timeframe."""

    def __init__(self, served: int, whole: Market | None = None) -> None:
        super().__init__(whole or SandboxMarket())
        self._served = served
        self._edge: datetime | None = None
        self.asked: list[tuple[Key, datetime, datetime]] = []

    def oldest(self, key: Key, now: datetime) -> datetime:
        """Open of the oldest candle that is served."""
        return key.timeframe.shift(now, -self._served)

    def pages(self, key: Key, start: datetime, end: datetime, now: datetime) -> Iterator[Page]:
        self.asked.append((key, start, end))
        edge = self._edge = self.oldest(key, now)
        for page in self._whole.pages(key, start, end, now):
            if page.start < edge:
                until = min(edge, page.end)
                yield Page(empty_candles(), page.start, until, is_unavailable=True)
            if edge < page.end:
                begin = max(edge, page.start)
                candles = between(page.candles, begin, page.end)
                yield replace(page, candles=candles, start=begin)

    def listed(self, key: Key, now: datetime, since: datetime | None = None) -> datetime | None:  # noqa: ARG002
        return self.oldest(key, now)

    def edge(self, key: Key) -> datetime | None:  # noqa: ARG002
        return self._edge
