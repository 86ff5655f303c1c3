"""The store protocol: candles, forecasts, gap ledgers and revisions in any backend."""

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol

import pandas as pd

from coin_assets.domain.candles.gap_ledger import Ledger
from coin_assets.domain.series import Series


@dataclass(frozen=True)
class Written:
    """Result of a write.

    Attributes:
        rows: rows that the affected months hold now.
        rows_changed: rows added, replaced or removed.
        changed_by_month: the same by month, without months in which nothing changed.
    """

    rows: int
    rows_changed: int
    changed_by_month: Mapping[datetime, int] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Extent:
    """First and last open of the stored candles of a series, and their number."""

    first: datetime
    last: datetime
    rows: int


@dataclass(frozen=True)
class Finding:
    """Result of one check of the store's environment.

    Attributes:
        about: subject, in a word or two.
        detail: result; for a problem with a remedy.
        is_fine: False for a problem.
    """

    about: str
    detail: str
    is_fine: bool = True


class CandleRange(NamedTuple):
    """The candles of a series that open in ``[start, end)``."""

    series: Series
    start: datetime
    end: datetime


class Store(Protocol):
    """Candles by series and open time, forecasts by series and origin (``as_of``).

    Times are UTC, ranges half-open. A series has one writer at a time; readers never wait. After a
    killed process or server, and for readers during a write, the store holds:

    - Parquet: the old or the new rows of each month.
    - InfluxDB: some of the changed rows, the oldest first, because it has no transactions; one
      request of 5,000 rows is its unit. A month counts as fetched only after all its rows are
      stored and read back, and a ledger never claims a candle that is not stored. Repeating the
      write completes it; until then rows are missing, not wrong.

    Raises:
        StoreUnavailable: the server does not answer; repeating the write later completes it.
        StoreRefused: the server refuses the request; the message names the remedy.
        CorruptArtefact: stored data differs from what was written.
    """

    def read_candles(self, series: Series, start: datetime, end: datetime) -> pd.DataFrame:
        """Valid candle frame of the opens in ``[start, end)``; empty if there are none.

        The columns are those of `coin_assets.domain.candles.frame.COLUMNS`, opens ascending.
        """
        ...

    def read_back_candles(self, series: Series, start: datetime, end: datetime) -> pd.DataFrame:
        """Read the stored candles anew, past this process's memory; to verify a write.

        `read_candles` may return what this process read or wrote, as long as nothing shows that it
        changed.
        """
        ...

    def write_candles(
        self, series: Series, candles: pd.DataFrame, start: datetime, end: datetime
    ) -> Written:
        """Replace the stored candles of ``[start, end)`` by ``candles``.

        The months of the range count as fetched afterwards. Repeating a write changes no byte.

        Args:
            series: owner of the candles.
            candles: candle frame; all opens in ``[start, end)``.
            start, end: half-open range of opens.

        Raises:
            InvalidCandles: ``candles`` break the contract or lie outside the range.
        """
        ...

    def merge_candles(
        self, series: Series, candles: pd.DataFrame, start: datetime, end: datetime
    ) -> Written:
        """Add ``candles`` to the stored ones; the new ones win.

        Same as `write_candles`, but no candle is removed: a short answer of a market loses nothing.

        Raises:
            InvalidCandles: ``candles`` break the contract or lie outside the range.
        """
        ...

    def fetched_months(self, series: Series) -> list[datetime]:
        """Starts of the months that were written, with or without candles; ascending."""
        ...

    def require_readable(self, series: Series) -> None:
        """Check the stored data of a series for damage, without reading all of it.

        A file that any read of this process found damaged counts as damaged until it is replaced.
        A store whose server checks its own files does nothing.

        Raises:
            CorruptArtefact: something is damaged; the message names it and the remedy.
        """
        ...

    def read_through(self, series: Series) -> None:
        """Check the stored data of a series by reading all of it.

        This detects corruption that file footers do not show.

        Raises:
            CorruptArtefact: something is damaged; the message names it and the remedy.
        """
        ...

    def newest_candles(self, series_list: Iterable[Series]) -> dict[Series, datetime]:
        """Open of the newest candle, for each series that has one; one request for all."""
        ...

    def extent(self, series: Series) -> Extent | None:
        """Extent of the stored candles; None if there are none."""
        ...

    def spans(
        self, ranges: Collection[CandleRange]
    ) -> dict[CandleRange, tuple[datetime, datetime]]:
        """First and last open of the stored candles of each range that has any.

        Ranges of many series share requests.
        """
        ...

    def count_candles(self, series: Series, start: datetime, end: datetime) -> int:
        """Number of stored candles that open in ``[start, end)``."""
        ...

    def candles_state(self, series: Series, start: datetime, end: datetime) -> Hashable | None:
        """Value that changes with the stored candles that open in ``[start, end)``.

        It is derived without reading candles. Parquet: None within two seconds of a write, because
        file times are coarse. InfluxDB: a changed value of an existing candle shows only after
        another candle is stored.
        """
        ...

    def candles_digest(self, series: Series, month: datetime) -> str | None:
        """Value that changes with the stored candles of a month, and with nothing else.

        It is found without reading them; None where that is not possible, as in InfluxDB.
        """
        ...

    def delete_candles(self, series: Series, start: datetime, end: datetime) -> int:
        """Remove the candles of ``[start, end)`` and return their number.

        Months left without candles count as never fetched.
        """
        ...

    def read_forecasts(self, series: Series, start: datetime, end: datetime) -> pd.DataFrame:
        """Forecast frame of the origins in ``[start, end)``, ordered by role, origin and step.

        One row for each role, origin and step; see `coin_assets.domain.forecasting.frame`.
        """
        ...

    def forecasts_digest(self, series: Series, month: datetime) -> str | None:
        """As `candles_digest`, of the forecasts whose origins lie in a month."""
        ...

    def add_forecasts(self, series: Series, forecasts: pd.DataFrame) -> Written:
        """Add forecasts; stored forecasts of the same origin and role are kept.

        Raises:
            DataRefused: ``forecasts`` break the contract.
        """
        ...

    def revise_forecasts(self, series: Series, forecasts: pd.DataFrame) -> Written:
        """Add forecasts; stored forecasts of the same origin and role are replaced.

        Raises:
            DataRefused: ``forecasts`` break the contract.
        """
        ...

    def delete_forecasts(self, series: Series, start: datetime, end: datetime) -> int:
        """Remove the forecasts of the origins in ``[start, end)`` and return the number of rows."""
        ...

    def newest_forecasts(self, series_list: Iterable[Series]) -> dict[Series, datetime]:
        """Newest origin, for each series that has one; one request for all."""
        ...

    def forecast_versions(self, series: Series) -> frozenset[str]:
        """Names of all model versions that stored forecasts of a series refer to."""
        ...

    def read_ledger(self, series: Series) -> Ledger:
        """Gap ledger of a series; an empty one if none is stored."""
        ...

    def update_ledger(self, series: Series, change: Callable[[Ledger], Ledger]) -> Ledger:
        """Replace the ledger by ``change(ledger)`` under a lock, and return the new one."""
        ...

    def read_revisions(self, series: Series, start: datetime, end: datetime) -> pd.DataFrame:
        """Revision frame of the candles that open in ``[start, end)``.

        Columns as in `coin_assets.domain.candles.revisions.REVISION_SCHEMA`, ordered by open, then
        by the time seen.
        """
        ...

    def record_revisions(self, series: Series, revisions: pd.DataFrame) -> Written:
        """Add revisions; a stored one with the same open and time seen is replaced."""
        ...

    def delete_revisions(self, series: Series, start: datetime, end: datetime) -> int:
        """Remove the revisions of candles that open in ``[start, end)``; return their number."""
        ...

    def snapshot(self, series_list: Iterable[Series]) -> "Store":
        """View for one tick, in which questions about several series share requests.

        It may answer with what was stored at an earlier question of the tick, and never writes.
        Parquet: the store itself, because its questions cost no request.
        """
        ...

    def examine(self, since: datetime, now: datetime) -> list[Finding]:
        """Check everything that the store needs to work; changes no row.

        Problems are returned as findings, never raised, and no problem hides another.

        Args:
            since: oldest candle to be stored, UTC.
            now: UTC.
        """
        ...

    def close(self) -> None:
        """Release connections; the store opens new ones when used again."""
        ...
