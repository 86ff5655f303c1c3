"""A market whose answers are partly errors, broken candles, or no longer served."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from coin_assets.domain.candles.frame import between, empty_candles
from coin_assets.domain.candles.refusals import Refusal
from coin_assets.domain.series import Series
from coin_assets.errors import CoinAssetsError
from coin_assets.market.base import Market, Page
from coin_assets_tests.market.wrapped import WrappedMarket

RULE, VALUE = "ohlc", "high below low"


@dataclass(frozen=True)
class Spoiled:
    """The range ``[start, end)``, ISO texts in UTC, that the market does not answer well.

    Attributes:
        error: of its pages; without one the range is no longer served.
    """

    start: str
    end: str
    error: CoinAssetsError | None = None


class SpoiledMarket(WrappedMarket):
    """``whole``, with a page of its own for each part of a spoiled range.

    Args:
        broken: opens, ISO texts in UTC, of candles that are sent broken.
    """

    def __init__(
        self, whole: Market, spoiled: list[Spoiled] | None = None, broken: list[str] | None = None
    ) -> None:
        super().__init__(whole)
        self.spoiled = spoiled or []
        self.broken = broken or []

    def pages(
        self, series: Series, start: datetime, end: datetime, now: datetime
    ) -> Iterator[Page]:
        for page in self._whole.pages(series, start, end, now):
            reached = page.start
            for each in self.spoiled:
                first = max(_utc(each.start), reached)
                last = min(_utc(each.end), page.end)
                if first >= last:
                    continue
                if reached < first:
                    yield self._part(series, page, reached, first)
                is_gone = each.error is None
                yield Page(empty_candles(), first, last, is_unavailable=is_gone, error=each.error)
                reached = last
            if reached < page.end:
                yield self._part(series, page, reached, page.end)

    def _part(self, series: Series, page: Page, start: datetime, end: datetime) -> Page:
        opens = [_utc(each) for each in self.broken if start <= _utc(each) < end]
        refused = [Refusal(each, series.timeframe.close_of(each), RULE, VALUE) for each in opens]
        candles = between(page.candles, start, end)
        kept = candles[~candles["timestamp"].isin(opens)].reset_index(drop=True)
        return Page(kept, start, end, tuple(refused))


def _utc(text: str) -> datetime:
    return pd.Timestamp(text, tz="UTC").to_pydatetime()
