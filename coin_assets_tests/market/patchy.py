"""A market without some of its candles, for tests of gaps and listings."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import pandas as pd

from coin_assets.domain.series import Series
from coin_assets.market.base import Market, Page
from coin_assets.market.sandbox import SandboxMarket
from coin_assets_tests.market.wrapped import WrappedMarket


class PatchyMarket(WrappedMarket):
    """``whole`` (the sandbox) without the candles of ``absent``, which tests may change.

    Args:
        absent: half-open ranges of opens, as ISO texts in UTC.
        listed: no candle before this time exists.
    """

    def __init__(
        self,
        absent: list[tuple[str, str]] | None = None,
        listed: str = "2017-08-17T04:00",
        whole: Market | None = None,
    ) -> None:
        super().__init__(whole or SandboxMarket())
        self.listed_at = _utc(listed)
        self.absent = [(_utc(start), _utc(end)) for start, end in absent or []]
        self.asked: list[tuple[datetime, datetime]] = []

    def pages(
        self, series: Series, start: datetime, end: datetime, now: datetime
    ) -> Iterator[Page]:
        self.asked.append((start, end))
        for page in self._whole.pages(series, start, end, now):
            opens = page.candles["timestamp"]
            keep = opens >= self.listed_at
            for first, last in self.absent:
                keep &= (opens < first) | (opens >= last)
            yield replace(page, candles=page.candles[keep].reset_index(drop=True))

    def listed(
        self,
        series: Series,
        now: datetime,
        since: datetime | None = None,  # noqa: ARG002
    ) -> datetime | None:
        opened = series.timeframe.next(self.listed_at - pd.Timedelta(microseconds=1))
        return opened if series.timeframe.close_of(opened) <= now else None

    def edge(self, series: Series) -> datetime | None:  # noqa: ARG002 (protocol)
        """None: it serves everything."""
        return None


def _utc(text: str) -> datetime:
    return pd.Timestamp(text, tz="UTC").to_pydatetime()
