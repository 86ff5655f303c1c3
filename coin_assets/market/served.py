"""An exchange that may serve only its recent candles."""

from collections.abc import Iterator
from datetime import datetime

import pandas as pd

from coin_assets.domain.candles import empty_candles
from coin_assets.domain.keys import Key
from coin_assets.market.base import Market, Page


class Served:
    """The pages of an exchange, which is not asked again for what it no longer serves.

    That edge only moves forward, so it is remembered for each key.
    """

    def __init__(self, exchange: Market) -> None:
        self._exchange = exchange
        self._edges: dict[Key, datetime] = {}

    def pages(self, key: Key, start: datetime, end: datetime, now: datetime) -> Iterator[Page]:
        """As `Market.pages`."""
        stop = min(end, key.timeframe.floor(now))
        edge = min(self._edges.get(key, start), stop)
        if start < edge:
            yield Page(empty_candles(), start, edge, is_unavailable=True)
            start = edge
            if not key.timeframe.count(start, stop):
                if start < stop:
                    yield Page(empty_candles(), start, stop)
                return
        for page in self._exchange.pages(key, start, end, now):
            if page.is_unavailable:
                self._edges[key] = max(page.end, self._edges.get(key, page.end))
            yield page

    def candles(self, key: Key, start: datetime, end: datetime, now: datetime) -> pd.DataFrame:
        """All candles of `pages`."""
        return joined(list(self.pages(key, start, end, now)))

    def reaches(self, key: Key, start: datetime, end: datetime, now: datetime) -> bool:
        """Whether the exchange still serves any part of ``[start, end)``."""
        return any(not page.is_unavailable for page in self.pages(key, start, end, now))


def joined(pages: list[Page]) -> pd.DataFrame:
    """The candles of consecutive pages.

    Raises:
        CoinAssetsError: a page could not be read.
    """
    for page in pages:
        if page.error is not None:
            raise page.error
    parts = [page.candles for page in pages]
    return pd.concat(parts, ignore_index=True) if parts else empty_candles()
