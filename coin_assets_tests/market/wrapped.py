"""A market that another one stands behind; wrappers change what they are about, and no more."""

from collections.abc import Iterator
from datetime import datetime

from coin_assets.domain.series import Key
from coin_assets.market.base import Estimate, Market, Page, Usage


class WrappedMarket:
    """All answers are those of ``whole``."""

    def __init__(self, whole: Market) -> None:
        self._whole = whole

    def pages(self, key: Key, start: datetime, end: datetime, now: datetime) -> Iterator[Page]:
        return self._whole.pages(key, start, end, now)

    def listed(self, key: Key, now: datetime, since: datetime | None = None) -> datetime | None:
        return self._whole.listed(key, now, since)

    def edge(self, key: Key) -> datetime | None:
        """As the whole market."""
        return self._whole.edge(key)

    def horizon(self, key: Key, now: datetime) -> datetime:
        return self._whole.horizon(key, now)

    def estimate(self, key: Key, start: datetime, end: datetime) -> Estimate:
        return self._whole.estimate(key, start, end)

    def usage(self) -> Usage:
        return self._whole.usage()

    def close(self) -> None:
        self._whole.close()
