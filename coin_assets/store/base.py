"""The store protocol: where candles, forecasts and what is known of both live, in any backend."""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import pandas as pd

from coin_assets.domain.candles.gap_ledger import Ledger
from coin_assets.domain.series import Series


@dataclass(frozen=True)
class Written:
    """What a write did: rows now in the months it touched, and rows that differ from before."""

    rows: int
    rows_changed: int


@dataclass(frozen=True)
class Extent:
    """First and last open of a key's stored candles, and how many there are."""

    first: datetime
    last: datetime
    rows: int


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        about: what it is, in a word or two.
        told: what was found; of a problem also what to do about it.
    """

    about: str
    told: str
    is_fine: bool = True


class Store(Protocol):
    """Candles by key and open time, forecasts by key and origin (``as_of``). Ranges are half-open.

    One writer of a key at a time; readers never wait. What a write leaves when its process is
    killed, or its server, and what a reader may see meanwhile:

    - Parquet: of every month the old or the new rows.
    - InfluxDB: some of the changed rows, the oldest first, for it has no transactions; a request of
      5,000 rows is its unit. New months count as fetched only when all of them are stored and were
      read back, and a ledger never claims a candle that is not stored, so that the same write again
      completes it; until then its rows are missing, not wrong.

    Raises:
        StoreUnavailable: a server does not answer; the same again later completes the write.
        StoreRefused: a server will not do it; the message says what to change.
        CorruptArtefact: what is stored is not what was written.
    """

    def read_candles(self, series: Series, start: datetime, end: datetime) -> pd.DataFrame:
        """Valid candle frame of the opens in ``[start, end)``; empty if there are none."""
        ...

    def write_candles(
        self, series: Series, candles: pd.DataFrame, start: datetime, end: datetime
    ) -> Written:
        """Make the stored candles of ``[start, end)`` exactly ``candles``.

        The window's months count as fetched from then on. Writing the same again changes no byte.

        Raises:
            InvalidCandles: ``candles`` break the contract or lie outside the window.
        """
        ...

    def merge_candles(
        self, series: Series, candles: pd.DataFrame, start: datetime, end: datetime
    ) -> Written:
        """Add ``candles`` to those stored in the months of ``[start, end)``; the new ones win.

        As `write_candles`, but nothing is ever removed: a short answer loses no candle.
        """
        ...

    def fetched_months(self, series: Series) -> list[datetime]:
        """Months that were ever written, also those without a candle; ascending."""
        ...

    def require_readable(self, series: Series) -> None:
        """Look whether anything stored of a key is damaged, without reading it all.

        What any reading in this process found damaged is damaged until it is another file.

        Raises:
            CorruptArtefact: something is; the message says what, and what to do.
        """
        ...

    def read_through(self, series: Series) -> None:
        """As `require_readable`, by reading it all: finds what only a reader would come upon."""
        ...

    def newest_candles(self, series_list: Iterable[Series]) -> dict[Series, datetime]:
        """Open of the newest candle of every key that has one, at once."""
        ...

    def extent(self, series: Series) -> Extent | None:
        """What is stored of one key; None if nothing is."""
        ...

    def count_candles(self, series: Series, start: datetime, end: datetime) -> int:
        """Number of stored candles that open in ``[start, end)``."""
        ...

    def candles_state(self, series: Series, start: datetime, end: datetime) -> Hashable | None:
        """A value that changes with the stored candles that open in ``[start, end)``.

        Told without reading candles. Parquet: None within two seconds of a write, as file times
        are coarse. InfluxDB: a value of the same candles that changes is not noticed before
        another candle is stored.
        """
        ...

    def delete_candles(self, series: Series, start: datetime, end: datetime) -> int:
        """Remove the candles of ``[start, end)``; returns how many. Emptied whole months count as
        never fetched."""
        ...

    def read_forecasts(self, series: Series, start: datetime, end: datetime) -> pd.DataFrame:
        """Forecast frame of the origins in ``[start, end)``, ordered by role, origin and step."""
        ...

    def add_forecasts(self, series: Series, forecasts: pd.DataFrame) -> Written:
        """Add forecasts; of an origin and role that is stored already, the stored ones stay.

        Raises:
            DataRefused: ``forecasts`` break the contract.
        """
        ...

    def revise_forecasts(self, series: Series, forecasts: pd.DataFrame) -> Written:
        """Add forecasts; of an origin and role that is stored already, the new ones count.

        Raises:
            DataRefused: ``forecasts`` break the contract.
        """
        ...

    def delete_forecasts(self, series: Series, start: datetime, end: datetime) -> int:
        """Remove the forecasts of the origins in ``[start, end)``; returns how many rows."""
        ...

    def newest_forecasts(self, series_list: Iterable[Series]) -> dict[Series, datetime]:
        """Newest origin of every key that has one, at once."""
        ...

    def read_ledger(self, series: Series) -> Ledger:
        """What is known of the candles that are not stored; an empty ledger if nothing is."""
        ...

    def update_ledger(self, series: Series, change: Callable[[Ledger], Ledger]) -> Ledger:
        """Replace the ledger by what ``change`` makes of it, alone with it; returns the new one."""
        ...

    def read_revisions(self, series: Series, start: datetime, end: datetime) -> pd.DataFrame:
        """Revision frame of the candles that open in ``[start, end)``, ordered by open, then time
        seen."""
        ...

    def record_revisions(self, series: Series, revisions: pd.DataFrame) -> Written:
        """Add revisions; one with the same open and the same time seen replaces that one."""
        ...

    def delete_revisions(self, series: Series, start: datetime, end: datetime) -> int:
        """Remove the revisions of the candles that open in ``[start, end)``; returns how many."""
        ...

    def examine(self, since: datetime, now: datetime) -> list[Finding]:
        """Look at all it takes to work here with candles from ``since`` on; changes no row.

        What is wrong is among the findings; none of it is raised, and one does not hide another.
        """
        ...

    def close(self) -> None:
        """Release connections."""
        ...
