"""An exchange that serves only its newest candles, as Kraken (720) and Hyperliquid (5000) do."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from coin_assets.domain.candles.frame import between, empty_candles
from coin_assets.domain.series import Series
from coin_assets.market.base import Market, Page
from coin_assets.market.sandbox import SandboxMarket
from coin_assets_tests.market.wrapped import WrappedMarket


class RecentMarket(WrappedMarket):
    """``whole`` (the sandbox) with its last ``served`` candles of each timeframe."""

    def __init__(self, served: int, whole: Market | None = None) -> None:
        super().__init__(whole or SandboxMarket())
        self._served = served
        self._edge: datetime | None = None
        self.asked: list[tuple[Series, datetime, datetime]] = []

    def oldest(self, series: Series, now: datetime) -> datetime:
        """Open of the oldest candle that is served."""
        return series.timeframe.shift(now, -self._served)

    def pages(
        self, series: Series, start: datetime, end: datetime, now: datetime
    ) -> Iterator[Page]:
        self.asked.append((series, start, end))
        edge = self._edge = self.oldest(series, now)
        for page in self._whole.pages(series, start, end, now):
            if page.start < edge:
                until = min(edge, page.end)
                yield Page(empty_candles(), page.start, until, is_unavailable=True)
            if edge < page.end:
                begin = max(edge, page.start)
                candles = between(page.candles, begin, page.end)
                yield replace(page, candles=candles, start=begin)

    def listed(
        self,
        series: Series,
        now: datetime,
        since: datetime | None = None,  # noqa: ARG002
    ) -> datetime | None:
        return self.oldest(series, now)

    def edge(self, series: Series) -> datetime | None:  # noqa: ARG002
        return self._edge
