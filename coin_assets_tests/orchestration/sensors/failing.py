"""A market that does not answer for some symbols."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from coin_assets.domain.series import Series
from coin_assets.errors import CoinAssetsError, MarketUnavailable
from coin_assets.market.base import Page
from coin_assets_tests.market.patchy import PatchyMarket


class FailingMarket(PatchyMarket):
    """The sandbox; a request for one of the symbols ``down`` raises the error ``kind``."""

    def __init__(
        self, down: Iterable[str] = (), kind: type[CoinAssetsError] = MarketUnavailable
    ) -> None:
        super().__init__()
        self.down, self.kind = set(down), kind

    def pages(
        self, series: Series, start: datetime, end: datetime, now: datetime
    ) -> Iterator[Page]:
        if series.symbol in self.down:
            # As clients do; the error of the library must decide nothing.
            raise self.kind(f"{series} does not answer") from ConnectionError("reset by peer")
        yield from super().pages(series, start, end, now)
