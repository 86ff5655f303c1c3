"""One request for candles of a window."""

from dataclasses import dataclass
from datetime import datetime

from coin_assets.domain.candles.gap_ledger import Range
from coin_assets.domain.series import Series


@dataclass(frozen=True)
class FetchRequest:
    """Candles to fetch for one series.

    Attributes:
        start, end: window of whole months, half-open.
        first_expected: candles that open before this are not requested (history start, retention).
        closed_by: candles that close up to here are final.
        reread: number of stored candles before the newest ones that are requested again.
        accepts_implausible: whether an operator has confirmed candles that look implausible.
    """

    series: Series
    start: datetime
    end: datetime
    first_expected: datetime
    closed_by: datetime
    reread: int
    accepts_implausible: bool = False

    def window(self, limit: datetime) -> Range:
        """Opens of the window, without what is not kept and what closes after ``limit``."""
        start = max(self.start, self.first_expected)
        return start, min(self.end, self.series.timeframe.floor(limit))
