"""Wrapper of an exchange that may serve only its recent candles."""

from collections.abc import Iterator
from datetime import datetime

import pandas as pd

from coin_assets.domain.candles.frame import between, empty_candles
from coin_assets.domain.series import Series
from coin_assets.errors import CoinAssetsError, InvalidCandles, RangeRefused
from coin_assets.market.base import Market, Page


class PartUnread(Exception):
    """One range could not be read, although the exchange answers for others.

    Attributes:
        error: the reason.
    """

    def __init__(self, error: CoinAssetsError) -> None:
        self.error = error
        super().__init__(str(error))


class Served:
    """Pages of an exchange, without requests for candles that it no longer serves.

    That edge only moves forward, so it is kept for each series.
    """

    def __init__(self, exchange: Market) -> None:
        self._exchange = exchange
        self._edges: dict[Series, datetime] = {}

    def pages(
        self, series: Series, start: datetime, end: datetime, now: datetime
    ) -> Iterator[Page]:
        """Pages as in `Market.pages`."""
        stop = min(end, series.timeframe.floor(now))
        edge = min(self._edges.get(series, start), stop)
        if start < edge:
            yield Page(empty_candles(), start, edge, is_unavailable=True)
            start = edge
            if not series.timeframe.count(start, stop):
                if start < stop:
                    yield Page(empty_candles(), start, stop)
                return
        for page in self._exchange.pages(series, start, end, now):
            if page.is_unavailable:
                self._edges[series] = max(page.end, self._edges.get(series, page.end))
            yield page

    def answers(self, series: Series, start: datetime, end: datetime, now: datetime) -> list[Page]:
        """All `pages` as a list; after a refusal, the rest is a page with that error.

        Raises:
            TemporaryError, SymbolUnavailable: as `Market.pages`.
        """
        return list(self._to_the_end(series, start, end, now))

    def candles(
        self, series: Series, start: datetime, end: datetime, now: datetime
    ) -> pd.DataFrame:
        """All candles of `answers`.

        Raises:
            PartUnread: a page could not be read.
        """
        return candles_of(self.answers(series, start, end, now), start, end)

    def reaches(self, series: Series, start: datetime, end: datetime, now: datetime) -> bool:
        """Whether the exchange serves any part of ``[start, end)``."""
        return any(
            not page.is_unavailable and page.error is None
            for page in self.answers(series, start, end, now)
        )

    def _to_the_end(
        self, series: Series, start: datetime, end: datetime, now: datetime
    ) -> Iterator[Page]:
        reached = start
        try:
            for page in self.pages(series, start, end, now):
                yield page
                reached = page.end
        except (InvalidCandles, RangeRefused) as error:
            stop = min(end, series.timeframe.floor(now))
            yield Page(empty_candles(), reached, stop, error=error)


def candles_of(pages: list[Page], start: datetime, end: datetime) -> pd.DataFrame:
    """Candles of consecutive pages that open in ``[start, end)``.

    Raises:
        PartUnread: a page of that range could not be read.
    """
    inside = [page for page in pages if page.start < end and start < page.end]
    for page in inside:
        if page.error is not None:
            raise PartUnread(page.error)
    return between(joined(inside), start, end)


def joined(pages: list[Page]) -> pd.DataFrame:
    """Candles of consecutive pages; pages with an error have none."""
    parts = [page.candles for page in pages if page.error is None]
    return pd.concat(parts, ignore_index=True) if parts else empty_candles()
