"""Pages of candles: requested from the market, committed to the store and the gap ledger."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from coin_assets.domain.candles.absences import Absence
from coin_assets.domain.candles.frame import between, empty_candles, merged
from coin_assets.domain.candles.gap_ledger import Ledger, Range
from coin_assets.domain.candles.gaps import Gap, find_gaps
from coin_assets.domain.candles.revisions import revisions_between
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import EPOCH, Timeframe, next_month
from coin_assets.errors import (
    CoinAssetsError,
    InvalidCandles,
    RangeRefused,
    TemporaryError,
)
from coin_assets.foreign_text import shortened
from coin_assets.market.base import Market, Page
from coin_assets.pipeline.exchange_clock import clock_differs, closed_part
from coin_assets.store.base import Store

_ERROR_LENGTH = 600
# Rules that a whole market breaks, not only the requested range.
_WHOLE_MARKET = ("overlap",)
_MONTH = Timeframe("1M")


def error_of(page: Page) -> CoinAssetsError | None:
    """Why nothing of a page is stored; None if it is.

    A page whose candles all break the contract is an error as a whole: no single one of them
    counts as refused.
    """
    if page.error is not None or len(page.candles) or len(page.refused) < 2:
        return page.error
    shown = tuple(refusal.value for refusal in page.refused[:3])
    rules = ", ".join(sorted({refusal.rule for refusal in page.refused}))
    return InvalidCandles(
        page.refused[0].rule,
        f"all {len(page.refused)} candles that the market sends of {page.start:%Y-%m-%d %H:%M} to "
        f"{page.end:%Y-%m-%d %H:%M} break the candle contract ({rules}), so that none of them is "
        "refused alone. A later run requests them again.",
        shown,
    )


@dataclass(frozen=True)
class PageFetcher:
    """Requests the pages of one series and commits each one.

    Attributes:
        now: time of a request, for the ledger.
    """

    store: Store
    market: Market
    series: Series
    now: Callable[[], datetime]

    def pages(self, start: datetime, end: datetime, limit: datetime) -> Iterator[Page]:
        """Pages of ``[start, end)``; a range that is refused becomes a page with an error.

        After invalid or refused candles, the pages continue with the next month.

        Args:
            limit: candles that close up to here are final.

        Raises:
            CoinAssetsError: the market is unavailable, or invalid as a whole, or a candle is not
                closed by its clock; the ledger has the rest of the range as failed.
        """
        reached = start
        while reached < end:
            try:
                for page in self.market.pages(self.series, reached, end, limit):
                    closed = closed_part(page, self.series, limit, self.market, self.now())
                    if closed.start < closed.end:
                        yield closed
                    reached = closed.end
                    if reached < page.end:
                        raise clock_differs(self.series, reached, self.market, self.now())
            except (InvalidCandles, RangeRefused) as error:
                until = min(next_month(reached), end)
                if isinstance(error, InvalidCandles) and error.rule in _WHOLE_MARKET:
                    self.record_failure((reached, end), error)
                    raise
                yield Page(empty_candles(), reached, until, error=error)
                reached = until
            except CoinAssetsError as error:
                self.record_failure((reached, end), error)
                raise
            else:
                return

    def record_failed_page(self, page: Page, error: CoinAssetsError) -> None:
        """Record a page of which nothing is stored in the ledger."""
        is_permanent = not isinstance(error, TemporaryError)
        self.record_failure((page.start, page.end), error, is_permanent=is_permanent)

    def record_failure(
        self, span: Range, error: CoinAssetsError, *, is_permanent: bool = False
    ) -> None:
        """Record the missing candles of ``span`` in the ledger as failed."""
        text, at = shortened(str(error), _ERROR_LENGTH), self.now()
        stored = self.store.read_candles(self.series, *span)["timestamp"]
        gaps = find_gaps(stored, self.series.timeframe, *span)
        opens = _at_opens(self.series, *span)
        self.store.update_ledger(
            self.series,
            lambda ledger: ledger.failed(*opens, gaps, text, at, is_permanent=is_permanent),
        )

    def commit(self, page: Page, known: pd.DataFrame) -> dict[datetime, int]:
        """Store a page; returns how many candles are new or changed, by month.

        Revisions are stored first and candles last. A process killed in between leaves the candles
        unexplained, so that the next fetch requests the page again and finds every change.

        Args:
            known: candles stored in the requested range.
        """
        store, series, at = self.store, self.series, self.now()
        stored = between(known, page.start, page.end) if len(known) else known
        absences = store.read_ledger(series).within(page.start, page.end)
        late = self._passed(absences)
        changed = page.candles["timestamp"]
        if len(stored) or late:
            revisions = revisions_between(stored, page.candles, at, late)
            added = changed[~changed.isin(stored["timestamp"])]
            changed = pd.concat([added, revisions["timestamp"]]).drop_duplicates()
            if len(revisions):
                store.record_revisions(series, revisions)
        both = merged(stored, page.candles) if len(stored) else page.candles
        gaps = find_gaps(both["timestamp"], series.timeframe, page.start, page.end)
        if gaps or absences:
            self._record_answer(page, gaps, at)
        store.merge_candles(series, page.candles, page.start, page.end)
        return _by_month(changed)

    def _record_answer(self, page: Page, gaps: list[Gap], at: datetime) -> None:
        """Record in the ledger which candles the market does not have."""
        opens = _at_opens(self.series, page.start, page.end)
        edge = self.market.edge(self.series) if page.is_unavailable else None

        def answered(ledger: Ledger) -> Ledger:
            updated = ledger.answered(*opens, gaps, at, page.refused)
            if not page.is_unavailable:
                return updated
            return updated.no_longer_served(*opens) if edge is None else updated.served_from(edge)

        self.store.update_ledger(self.series, answered)

    def _passed(self, absences: Iterable[Absence]) -> list[Range]:
        """Explained absences with a stored candle after them: a candle there is a late one."""
        answered = [absence for absence in absences if absence.is_explained]
        newest = self.store.newest_candles([self.series]).get(self.series) if answered else None
        if newest is None:
            return []
        return [(absence.start, absence.end) for absence in answered if absence.end <= newest]


def _at_opens(series: Series, start: datetime, end: datetime) -> Range:
    """The same candles as a range from open to open, as the ledger requires."""
    return series.timeframe.ceil(start), series.timeframe.ceil(end)


def _by_month(opens: "pd.Series[pd.Timestamp]") -> dict[datetime, int]:
    months = _MONTH.ordinals(opens)
    first = int(months.min()) if len(months) else 0
    counts = enumerate(np.bincount(months - first))
    return {_MONTH.shift(EPOCH, first + month): int(count) for month, count in counts if count}
