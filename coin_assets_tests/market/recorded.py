"""Recorded candles as a market, so that the fake exchange can serve what a real one published."""

from collections.abc import Iterator, Mapping
from datetime import datetime

import pandas as pd

from coin_assets.domain.candles.frame import between, closed_by
from coin_assets.domain.series import Key
from coin_assets.errors import SymbolUnavailable
from coin_assets.market.base import Estimate, Page, Usage


class RecordedMarket:
    """`Market` over frames in memory.

    Args:
        frames: valid candle frames; other keys the market does not have.
    """

    def __init__(self, frames: Mapping[Key, pd.DataFrame]) -> None:
        self._frames = dict(frames)

    def pages(self, key: Key, start: datetime, end: datetime, now: datetime) -> Iterator[Page]:
        stop = min(end, key.timeframe.floor(now))
        if start < stop:
            yield Page(between(self._candles(key), start, stop), start, stop)

    def listed(self, key: Key, now: datetime, since: datetime | None = None) -> datetime | None:  # noqa: ARG002
        candles = closed_by(self._candles(key), key.timeframe, now)
        return None if candles.empty else candles["timestamp"].iloc[0].to_pydatetime()

    def edge(self, key: Key) -> datetime | None:  # noqa: ARG002 (protocol)
        """None: it serves everything."""
        return None

    def horizon(self, key: Key, now: datetime) -> datetime:  # noqa: ARG002
        return now

    def estimate(self, key: Key, start: datetime, end: datetime) -> Estimate:  # noqa: ARG002
        return Estimate(1, 0.0)

    def usage(self) -> Usage:
        return Usage()

    def close(self) -> None:
        pass

    def _candles(self, key: Key) -> pd.DataFrame:
        if key not in self._frames:
            raise SymbolUnavailable(f"{key} was not recorded.")
        return self._frames[key]
