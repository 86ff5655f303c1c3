"""Validation and merging of rows, shared by all backends.

A backend provides a `Table` for each of candles, forecasts and revisions, and its `Ledgers`. The
rules of merging are defined here only, so all backends apply the same.
"""

from collections.abc import Callable, Collection, Hashable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import pandas as pd

from coin_assets.domain.candles.frame import merged
from coin_assets.domain.candles.gap_ledger import Ledger
from coin_assets.domain.forecasting.frame import STEPS, validated_forecasts
from coin_assets.domain.methods import ROLES
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import month_start, months_between, next_month
from coin_assets.store.base import CandleRange, Extent, Written
from coin_assets.store.merging import checked, in_order, keep_stored_origins, newer_record

REMEDY = "Remove the file: candles come back by themselves; materialise the month of anything else."
# (stored rows, new rows) -> rows to hold, of whole months; the same for one or several at once.
Combine = Callable[[pd.DataFrame, pd.DataFrame], pd.DataFrame]


@dataclass(frozen=True)
class TableKind:
    """Kind of a table: its time column, identity and treatment of empty months.

    Attributes:
        time: column that determines the month of a row.
        identity: columns that identify a row; rows are sorted by them.
        records_empty: whether months written without rows are recorded.
        most_at_once: most rows with one time.
        remedy: what to do about a damaged file, the last sentence of its error.
    """

    name: str
    time: str
    identity: tuple[str, ...]
    records_empty: bool
    most_at_once: int
    remedy: str = REMEDY

    def ordered(self, rows: pd.DataFrame) -> pd.DataFrame:
        """``rows`` sorted by identity and numbered from 0."""
        return in_order(rows, self.identity)

    def result(self, combine: Combine, stored: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
        """Rows to hold, ordered, with the columns of ``stored``."""
        held = combine(stored, new) if len(stored) else new
        rows = self.ordered(held)
        return rows if rows.columns.equals(stored.columns) else rows[list(stored.columns)]


CANDLES = TableKind("candles", "timestamp", ("timestamp",), records_empty=True, most_at_once=1)
FORECASTS = TableKind(
    "forecasts",
    "as_of",
    ("role", "as_of", "step"),
    records_empty=False,
    most_at_once=STEPS * len(ROLES),
)
REVISIONS = TableKind(
    "revisions", "timestamp", ("timestamp", "seen_at"), records_empty=False, most_at_once=1000
)


class Table(Protocol):
    """Rows of one kind by series and time; safe for many processes."""

    def read(
        self, series: Series, start: datetime, end: datetime, *, anew: bool = False
    ) -> pd.DataFrame:
        """Rows of ``[start, end)``, sorted by identity.

        Args:
            anew: read what is stored, not what this process has in memory.
        """
        ...

    def update(
        self, series: Series, rows: pd.DataFrame, months: list[datetime], combine: Combine
    ) -> Written:
        """Replace the rows of ``months``, ascending, by ``combine(stored rows, rows)``.

        A series has one writer at a time.
        """
        ...

    def delete(self, series: Series, start: datetime, end: datetime) -> int:
        """Remove the rows of ``[start, end)`` and return their number.

        Months left without rows no longer count as written.
        """
        ...

    def months(self, series: Series) -> list[datetime]:
        """Months that were written, ascending; for kinds that record empty months."""
        ...

    def count(self, series: Series, start: datetime, end: datetime) -> int:
        """Number of rows of ``[start, end)``."""
        ...

    def state(self, series: Series, start: datetime, end: datetime) -> Hashable | None:
        """Value that changes with the rows of ``[start, end)``; see `Store.candles_state`."""
        ...

    def digest(self, series: Series, month: datetime) -> str | None:
        """Value that changes with the rows of a month; see `Store.candles_digest`."""
        ...

    def newest(self, series_list: Iterable[Series]) -> dict[Series, datetime]:
        """Newest time of each series that has rows."""
        ...

    def texts(self, series: Series, column: str) -> frozenset[str]:
        """All values of a column of text."""
        ...

    def extent(self, series: Series) -> Extent | None:
        """First time, last time and row count of a series; None if it has no rows."""
        ...

    def spans(
        self, ranges: Collection[CandleRange]
    ) -> dict[CandleRange, tuple[datetime, datetime]]:
        """First and last time of the rows of each range that has any."""
        ...


class Ledgers(Protocol):
    """Gap ledgers by series."""

    def read(self, series: Series) -> Ledger:
        """Ledger of ``series``; an empty one if there is none."""
        ...

    def update(self, series: Series, change: Callable[[Ledger], Ledger]) -> Ledger:
        """Replace the ledger by ``change(ledger)``; one writer at a time."""
        ...


class TabularStore:
    """`Store` on tables; a backend adds `examine` and `close`."""

    def __init__(
        self, candles: Table, forecasts: Table, revisions: Table, ledgers: Ledgers
    ) -> None:
        self._candles, self._forecasts, self._revisions = candles, forecasts, revisions
        self._tables = (candles, forecasts, revisions)
        self._ledgers = ledgers

    def read_candles(self, series: Series, start: datetime, end: datetime) -> pd.DataFrame:
        """See `Store.read_candles`."""
        return self._candles.read(series, start, end)

    def read_back_candles(self, series: Series, start: datetime, end: datetime) -> pd.DataFrame:
        """See `Store.read_back_candles`."""
        return self._candles.read(series, start, end, anew=True)

    def write_candles(
        self, series: Series, candles: pd.DataFrame, start: datetime, end: datetime
    ) -> Written:
        """See `Store.write_candles`."""
        rows = checked(series, candles, start, end)

        def replace(stored: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
            outside = (stored["timestamp"] < start) | (stored["timestamp"] >= end)
            return pd.concat([stored[outside], new], ignore_index=True)

        return self._candles.update(series, rows, months_between(start, end), replace)

    def merge_candles(
        self, series: Series, candles: pd.DataFrame, start: datetime, end: datetime
    ) -> Written:
        """See `Store.merge_candles`."""
        rows = checked(series, candles, start, end)
        return self._candles.update(series, rows, months_between(start, end), merged)

    def extent(self, series: Series) -> Extent | None:
        """See `Store.extent`."""
        return self._candles.extent(series)

    def fetched_months(self, series: Series) -> list[datetime]:
        """See `Store.fetched_months`."""
        return self._candles.months(series)

    def require_readable(self, series: Series) -> None:
        """See `Store.require_readable`."""
        for table in self._tables:
            table.extent(series)
        self._ledgers.read(series)

    def read_through(self, series: Series) -> None:
        """See `Store.read_through`."""
        for table in self._tables:
            for month in table.months(series):
                table.read(series, month, next_month(month), anew=True)
        self.require_readable(series)

    def newest_candles(self, series_list: Iterable[Series]) -> dict[Series, datetime]:
        """See `Store.newest_candles`."""
        return self._candles.newest(series_list)

    def spans(
        self, ranges: Collection[CandleRange]
    ) -> dict[CandleRange, tuple[datetime, datetime]]:
        """See `Store.spans`."""
        return self._candles.spans(ranges)

    def count_candles(self, series: Series, start: datetime, end: datetime) -> int:
        """See `Store.count_candles`."""
        return self._candles.count(series, start, end)

    def candles_state(self, series: Series, start: datetime, end: datetime) -> Hashable | None:
        """See `Store.candles_state`."""
        return self._candles.state(series, start, end)

    def candles_digest(self, series: Series, month: datetime) -> str | None:
        """See `Store.candles_digest`."""
        return self._candles.digest(series, month)

    def delete_candles(self, series: Series, start: datetime, end: datetime) -> int:
        """See `Store.delete_candles`."""
        return self._candles.delete(series, start, end)

    def read_forecasts(self, series: Series, start: datetime, end: datetime) -> pd.DataFrame:
        """See `Store.read_forecasts`."""
        return self._forecasts.read(series, start, end)

    def forecasts_digest(self, series: Series, month: datetime) -> str | None:
        """See `Store.forecasts_digest`."""
        return self._forecasts.digest(series, month)

    def add_forecasts(self, series: Series, forecasts: pd.DataFrame) -> Written:
        """See `Store.add_forecasts`."""
        return self._put_forecasts(series, forecasts, keep_stored_origins)

    def revise_forecasts(self, series: Series, forecasts: pd.DataFrame) -> Written:
        """See `Store.revise_forecasts`."""
        return self._put_forecasts(
            series, forecasts, lambda stored, new: keep_stored_origins(new, stored)
        )

    def delete_forecasts(self, series: Series, start: datetime, end: datetime) -> int:
        """See `Store.delete_forecasts`."""
        return self._forecasts.delete(series, start, end)

    def newest_forecasts(self, series_list: Iterable[Series]) -> dict[Series, datetime]:
        """See `Store.newest_forecasts`."""
        return self._forecasts.newest(series_list)

    def forecast_versions(self, series: Series) -> frozenset[str]:
        """See `Store.forecast_versions`."""
        return self._forecasts.texts(series, "model_version")

    def read_ledger(self, series: Series) -> Ledger:
        """See `Store.read_ledger`."""
        return self._ledgers.read(series)

    def update_ledger(self, series: Series, change: Callable[[Ledger], Ledger]) -> Ledger:
        """See `Store.update_ledger`."""
        return self._ledgers.update(series, change)

    def read_revisions(self, series: Series, start: datetime, end: datetime) -> pd.DataFrame:
        """See `Store.read_revisions`."""
        return self._revisions.read(series, start, end)

    def record_revisions(self, series: Series, revisions: pd.DataFrame) -> Written:
        """See `Store.record_revisions`."""
        months = sorted({month_start(opened) for opened in revisions["timestamp"]})
        return self._revisions.update(series, revisions, months, newer_record)

    def delete_revisions(self, series: Series, start: datetime, end: datetime) -> int:
        """See `Store.delete_revisions`."""
        return self._revisions.delete(series, start, end)

    def _put_forecasts(self, series: Series, forecasts: pd.DataFrame, combine: Combine) -> Written:
        rows = validated_forecasts(forecasts, series.timeframe)
        months = sorted({month_start(origin) for origin in rows["as_of"].dt.to_pydatetime()})
        return self._forecasts.update(series, rows, months, combine)
