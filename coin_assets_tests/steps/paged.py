"""A market in small pages, as exchanges send them: each ends with its last candle."""

from collections.abc import Iterator
from datetime import datetime

import pandas as pd

from coin_assets.domain.candles import empty_candles
from coin_assets.domain.keys import Key
from coin_assets.market.base import Estimate, Market, Page


class PagedMarket:
    """``whole`` in pages of at most ``size`` candles."""

    def __init__(self, whole: Market, size: int) -> None:
        self._whole = whole
        self._size = size

    def pages(self, key: Key, start: datetime, end: datetime, now: datetime) -> Iterator[Page]:
        stop = min(end, key.timeframe.floor(now))
        frames = [page.candles for page in self._whole.pages(key, start, end, now)]
        candles = pd.concat([empty_candles(), *frames], ignore_index=True)
        while start < stop:
            page, candles = candles.head(self._size), candles.iloc[self._size :]
            until = stop
            if len(candles):
                until = key.timeframe.close_of(page["timestamp"].iloc[-1].to_pydatetime())
            yield Page(page.reset_index(drop=True), start, until)
            start = until

    def listed(self, key: Key, now: datetime) -> datetime | None:
        return self._whole.listed(key, now)

    def horizon(self, key: Key, now: datetime) -> datetime:
        return self._whole.horizon(key, now)

    def estimate(self, key: Key, start: datetime, end: datetime) -> Estimate:
        return self._whole.estimate(key, start, end)

    def close(self) -> None:
        self._whole.close()
