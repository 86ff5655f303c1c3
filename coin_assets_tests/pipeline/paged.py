"""A market in small pages, as exchanges send them: each ends with its last candle."""

from collections.abc import Iterator
from datetime import datetime

import pandas as pd

from coin_assets.domain.candles.frame import empty_candles
from coin_assets.domain.series import Series
from coin_assets.market.base import Market, Page
from coin_assets_tests.market.wrapped import WrappedMarket


class PagedMarket(WrappedMarket):
    """``whole`` in pages of at most ``size`` candles."""

    def __init__(self, whole: Market, size: int) -> None:
        super().__init__(whole)
        self._size = size

    def pages(
        self, series: Series, start: datetime, end: datetime, now: datetime
    ) -> Iterator[Page]:
        stop = min(end, series.timeframe.floor(now))
        frames = [page.candles for page in self._whole.pages(series, start, end, now)]
        candles = pd.concat([empty_candles(), *frames], ignore_index=True)
        while start < stop:
            page, candles = candles.head(self._size), candles.iloc[self._size :]
            until = stop
            if len(candles):
                until = series.timeframe.close_of(page["timestamp"].iloc[-1].to_pydatetime())
            yield Page(page.reset_index(drop=True), start, until)
            start = until
