"""A market that another one stands behind; wrappers change what they are about, and no more."""

from collections.abc import Iterator
from datetime import datetime

from coin_assets.domain.series import Series
from coin_assets.market.base import Estimate, Market, Page, Usage


class WrappedMarket:
    """All answers are those of ``whole``."""

    def __init__(self, whole: Market) -> None:
        self._whole = whole

    def pages(
        self, series: Series, start: datetime, end: datetime, now: datetime
    ) -> Iterator[Page]:
        return self._whole.pages(series, start, end, now)

    def listed(
        self, series: Series, now: datetime, since: datetime | None = None
    ) -> datetime | None:
        return self._whole.listed(series, now, since)

    def edge(self, series: Series) -> datetime | None:
        """As the whole market."""
        return self._whole.edge(series)

    def horizon(self, series: Series, now: datetime) -> datetime:
        return self._whole.horizon(series, now)

    def estimate(self, series: Series, start: datetime, end: datetime) -> Estimate:
        return self._whole.estimate(series, start, end)

    def usage(self) -> Usage:
        return self._whole.usage()

    def close(self) -> None:
        self._whole.close()
