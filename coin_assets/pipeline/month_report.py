"""Facts about one stored month of candles, for logs and metadata."""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime

import pandas as pd

from coin_assets.domain.candles.gap_ledger import Ledger, Missing
from coin_assets.domain.candles.gaps import find_gaps
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe, month_label, next_month

NO_SOURCE = "without_source_candles"


@dataclass(frozen=True)
class MonthReport:
    """Stored candles of one month.

    Attributes:
        missing: expected candles, since the first one of the series, that are not stored.
        first, last: opens of the first and last candle; None if there is none.
        rows_changed: rows that a task added or changed.
        partial: derived buckets that lack source candles; 0 for fetched candles.
    """

    month: datetime
    rows: int
    missing: list[Missing]
    first: datetime | None
    last: datetime | None
    rows_changed: int = 0
    partial: int = 0

    def count(self, state: str | None = None) -> int:
        """Missing candles, of one state or all."""
        return sum(each.count for each in self.missing if state in (None, each.state))


def month_report(
    series: Series,
    month: datetime,
    candles: pd.DataFrame,
    expected: tuple[datetime, datetime] | None,
    ledger: Ledger | None,
) -> MonthReport:
    """Report on the candles of a month.

    Args:
        candles: candle frame of the month.
        expected: range in which the series should have candles; None if it should have none.
        ledger: gap ledger of a fetched series; None for a derived one, whose gaps only the ledger
            of the source explains.
    """
    first = last = None
    if len(candles):
        first, last = (candles["timestamp"].iloc[row].to_pydatetime() for row in (0, -1))
    missing: list[Missing] = []
    if expected is not None:
        start, end = max(month, expected[0]), min(next_month(month), expected[1])
        gaps = find_gaps(candles["timestamp"], series.timeframe, start, end)
        missing = (ledger or Ledger()).explained(gaps, series.timeframe)
        if ledger is None:
            missing = [replace(each, state=NO_SOURCE) for each in missing]
    return MonthReport(month, len(candles), missing, first, last)


def describe(reports: list[MonthReport]) -> str:
    """One line for the log."""
    rows, changed = sum(r.rows for r in reports), sum(r.rows_changed for r in reports)
    months = month_label(reports[0].month)
    if len(reports) > 1:
        months += f" to {month_label(reports[-1].month)}"
    states: Counter[str] = Counter()
    for report in reports:
        for each in report.missing:
            states[each.state] += each.count
    absent = "".join(f", {count} {state.replace('_', ' ')}" for state, count in states.items())
    return f"{rows} candles in {months}, {changed} changed{absent}"


def newest_due(
    timeframe: Timeframe, start: datetime, end: datetime, closed_by: datetime
) -> datetime | None:
    """Open of the newest candle that opens in ``[start, end)`` and is closed at ``closed_by``."""
    opened = min(timeframe.newest_closed(closed_by), timeframe.last_open_before(end))
    return opened if opened >= start else None
