"""Recorded candles as a market, so that the fake exchange can serve what a real one published."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from datetime import datetime

import pandas as pd

from coin_assets.domain.candles.frame import between, closed_by
from coin_assets.domain.series import Series
from coin_assets.errors import SymbolUnavailable
from coin_assets.market.base import Estimate, Page, Usage


class WholeMarket(ABC):
    """`Market` that serves any range of its history in one page."""

    @abstractmethod
    def candles(self, series: Series, start: datetime, end: datetime) -> pd.DataFrame:
        """All candles that open in ``[start, end)``, closed or not."""

    @abstractmethod
    def oldest(self, series: Series) -> pd.DataFrame:
        """Some of the oldest candles, or all."""

    def pages(
        self, series: Series, start: datetime, end: datetime, now: datetime
    ) -> Iterator[Page]:
        stop = min(end, series.timeframe.floor(now))
        if start < stop:
            yield Page(self.candles(series, start, stop), start, stop)

    def listed(
        self,
        series: Series,
        now: datetime,
        since: datetime | None = None,  # noqa: ARG002
    ) -> datetime | None:
        candles = closed_by(self.oldest(series), series.timeframe, now)
        return None if candles.empty else candles["timestamp"].iloc[0].to_pydatetime()

    def edge(self, series: Series) -> datetime | None:  # noqa: ARG002 (protocol)
        """None: it serves everything."""
        return None

    def horizon(self, series: Series, now: datetime) -> datetime:  # noqa: ARG002
        return now

    def estimate(self, series: Series, start: datetime, end: datetime) -> Estimate:  # noqa: ARG002
        return Estimate(1, 0.0)

    def usage(self) -> Usage:
        return Usage()

    def close(self) -> None:  # noqa: B027 (protocol)
        """Nothing to release."""


class RecordedMarket(WholeMarket):
    """`Market` over frames in memory.

    Args:
        frames: valid candle frames; the market has no other series.
    """

    def __init__(self, frames: Mapping[Series, pd.DataFrame]) -> None:
        self._frames = dict(frames)

    def candles(self, series: Series, start: datetime, end: datetime) -> pd.DataFrame:
        return between(self.oldest(series), start, end)

    def oldest(self, series: Series) -> pd.DataFrame:
        if series not in self._frames:
            raise SymbolUnavailable(f"{series} was not recorded.")
        return self._frames[series]
