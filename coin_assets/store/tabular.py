"""What all backends share: checking what is offered, and combining it with what is stored.

A backend brings a `Table` each for candles, forecasts and revisions, and its `Ledgers`; the rules
of combining have their one home here, so that no two backends can differ in them.
"""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd

from coin_assets.domain.candles.frame import merged, validated
from coin_assets.domain.candles.gap_ledger import Ledger
from coin_assets.domain.forecasting.frame import validated_forecasts
from coin_assets.domain.series import Key
from coin_assets.domain.timeframes import month_start, months_between, next_month
from coin_assets.errors import InvalidCandles
from coin_assets.store.base import Extent, Written

# (stored rows, new rows) -> rows to hold, of whole months; the same for one or several at once.
Combine = Callable[[pd.DataFrame, pd.DataFrame], pd.DataFrame]


@dataclass(frozen=True)
class TableKind:
    """What the rows of a table are.

    Attributes:
        time: the column that decides the month of a row.
        identity: columns that identify a row; rows are kept sorted by them.
        remembers_empty: whether months written without rows are remembered.
    """

    name: str
    time: str
    identity: tuple[str, ...]
    remembers_empty: bool

    def ordered(self, rows: pd.DataFrame) -> pd.DataFrame:
        """``rows`` sorted by identity and numbered from 0."""
        if self.identity == (self.time,) and rows[self.time].is_monotonic_increasing:
            return rows.reset_index(drop=True)
        return rows.sort_values(list(self.identity), ignore_index=True)

    def result(self, combine: Combine, stored: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
        """What to hold, ordered and with the columns of ``stored``."""
        held = combine(stored, new) if len(stored) else new
        return self.ordered(held)[list(stored.columns)]


CANDLES = TableKind("candles", "timestamp", ("timestamp",), remembers_empty=True)
FORECASTS = TableKind("forecasts", "as_of", ("role", "as_of", "step"), remembers_empty=False)
REVISIONS = TableKind("revisions", "timestamp", ("timestamp", "seen_at"), remembers_empty=False)


class Table(Protocol):
    """Rows of one kind, by key and the range of their time; safe for many processes."""

    def read(self, key: Key, start: datetime, end: datetime) -> pd.DataFrame:
        """Rows of ``[start, end)``, sorted by identity."""
        ...

    def update(
        self, key: Key, rows: pd.DataFrame, months: list[datetime], combine: Combine
    ) -> tuple[int, int]:
        """Make the months, ascending, hold ``combine(stored rows, rows)``; one writer at a time.

        Returns:
            Rows that the months hold afterwards, and rows that differ from before.
        """
        ...

    def delete(self, key: Key, start: datetime, end: datetime) -> int:
        """Remove the rows of ``[start, end)``, returning how many; forget emptied months."""
        ...

    def months(self, key: Key) -> list[datetime]:
        """Months that were written, ascending; of a kind that remembers the empty ones."""
        ...

    def count(self, key: Key, start: datetime, end: datetime) -> int:
        """Number of rows of ``[start, end)``."""
        ...

    def state(self, key: Key, start: datetime, end: datetime) -> Hashable | None:
        """A value that changes with the rows of ``[start, end)``; see `Store.candles_state`."""
        ...

    def newest(self, keys: Iterable[Key]) -> dict[Key, datetime]:
        """Newest time of every key that has rows."""
        ...

    def extent(self, key: Key) -> Extent | None:
        """First time, last time and row count of a key; None if it has no rows."""
        ...


class Ledgers(Protocol):
    """Gap ledgers by key."""

    def read(self, key: Key) -> Ledger:
        """The ledger of ``key``; an empty one if there is none."""
        ...

    def update(self, key: Key, change: Callable[[Ledger], Ledger]) -> Ledger:
        """Replace it by what ``change`` makes of it; one writer at a time."""
        ...


class TabularStore:
    """`Store` made of tables; a backend adds `close`."""

    def __init__(
        self, candles: Table, forecasts: Table, revisions: Table, ledgers: Ledgers
    ) -> None:
        self._candles, self._forecasts, self._revisions = candles, forecasts, revisions
        self._tables = (candles, forecasts, revisions)
        self._ledgers = ledgers

    def read_candles(self, key: Key, start: datetime, end: datetime) -> pd.DataFrame:
        return self._candles.read(key, start, end)

    def write_candles(
        self, key: Key, candles: pd.DataFrame, start: datetime, end: datetime
    ) -> Written:
        rows = _checked(key, candles, start, end)

        def replace(stored: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
            outside = (stored["timestamp"] < start) | (stored["timestamp"] >= end)
            return pd.concat([stored[outside], new], ignore_index=True)

        return Written(*self._candles.update(key, rows, months_between(start, end), replace))

    def merge_candles(
        self, key: Key, candles: pd.DataFrame, start: datetime, end: datetime
    ) -> Written:
        rows = _checked(key, candles, start, end)
        return Written(*self._candles.update(key, rows, months_between(start, end), merged))

    def extent(self, key: Key) -> Extent | None:
        return self._candles.extent(key)

    def fetched_months(self, key: Key) -> list[datetime]:
        return self._candles.months(key)

    def require_readable(self, key: Key) -> None:
        for table in self._tables:
            table.extent(key)
        self._ledgers.read(key)

    def read_through(self, key: Key) -> None:
        for table in self._tables:
            for month in table.months(key):
                table.read(key, month, next_month(month))
        self.require_readable(key)

    def newest_candles(self, keys: Iterable[Key]) -> dict[Key, datetime]:
        return self._candles.newest(keys)

    def count_candles(self, key: Key, start: datetime, end: datetime) -> int:
        return self._candles.count(key, start, end)

    def candles_state(self, key: Key, start: datetime, end: datetime) -> Hashable | None:
        return self._candles.state(key, start, end)

    def delete_candles(self, key: Key, start: datetime, end: datetime) -> int:
        return self._candles.delete(key, start, end)

    def read_forecasts(self, key: Key, start: datetime, end: datetime) -> pd.DataFrame:
        return self._forecasts.read(key, start, end)

    def add_forecasts(self, key: Key, forecasts: pd.DataFrame) -> Written:
        return self._put_forecasts(key, forecasts, _keep_stored_origins)

    def revise_forecasts(self, key: Key, forecasts: pd.DataFrame) -> Written:
        return self._put_forecasts(
            key, forecasts, lambda stored, new: _keep_stored_origins(new, stored)
        )

    def delete_forecasts(self, key: Key, start: datetime, end: datetime) -> int:
        return self._forecasts.delete(key, start, end)

    def newest_forecasts(self, keys: Iterable[Key]) -> dict[Key, datetime]:
        return self._forecasts.newest(keys)

    def read_ledger(self, key: Key) -> Ledger:
        return self._ledgers.read(key)

    def update_ledger(self, key: Key, change: Callable[[Ledger], Ledger]) -> Ledger:
        return self._ledgers.update(key, change)

    def read_revisions(self, key: Key, start: datetime, end: datetime) -> pd.DataFrame:
        return self._revisions.read(key, start, end)

    def record_revisions(self, key: Key, revisions: pd.DataFrame) -> Written:
        months = sorted({month_start(opened) for opened in revisions["timestamp"]})
        return Written(*self._revisions.update(key, revisions, months, _newer_record))

    def delete_revisions(self, key: Key, start: datetime, end: datetime) -> int:
        return self._revisions.delete(key, start, end)

    def _put_forecasts(self, key: Key, forecasts: pd.DataFrame, combine: Combine) -> Written:
        rows = validated_forecasts(forecasts, key.timeframe)
        months = sorted({month_start(origin) for origin in rows["as_of"].dt.to_pydatetime()})
        return Written(*self._forecasts.update(key, rows, months, combine))


class Changes(NamedTuple):
    """What makes one frame of another: rows added or with other values, and rows removed."""

    put: pd.DataFrame
    gone: pd.DataFrame

    @property
    def rows(self) -> int:
        return len(self.put) + len(self.gone)


def changes(kind: TableKind, stored: pd.DataFrame, wanted: pd.DataFrame) -> Changes:
    """What makes ``wanted`` of ``stored``, both with the same columns, and ordered."""
    if len(stored) <= len(wanted) and stored.equals(wanted.head(len(stored))):
        return Changes(wanted.iloc[len(stored) :], stored.iloc[:0])  # at most added at the end
    places = _index(kind, stored).get_indexer(_index(kind, wanted))
    known = places >= 0
    old, new = stored.take(places[known]), wanted[known]
    differs = ~known
    for name in wanted.columns.difference(list(kind.identity)):
        before, now = old[name].reset_index(drop=True), new[name].reset_index(drop=True)
        other = (before != now) & ~(before.isna() & now.isna())
        differs[known] |= other.to_numpy(dtype=bool)
    gone = np.ones(len(stored), dtype=bool)
    gone[places[known]] = False
    return Changes(wanted[differs], stored[gone])


def _index(kind: TableKind, rows: pd.DataFrame) -> "pd.Index[Any]":
    if len(kind.identity) == 1:
        return pd.DatetimeIndex(rows[kind.time])
    return pd.MultiIndex.from_frame(rows[list(kind.identity)])


def _checked(key: Key, candles: pd.DataFrame, start: datetime, end: datetime) -> pd.DataFrame:
    rows = validated(candles, key.timeframe, f"{key} candles offered to the store")
    times = rows["timestamp"]
    outside = times[(times < start) | (times >= end)]
    if len(outside):
        raise InvalidCandles(
            "outside_window",
            f"{key}: {len(outside)} candles lie outside the window "
            f"[{start.astimezone(UTC):%Y-%m-%d %H:%M}, {end.astimezone(UTC):%Y-%m-%d %H:%M}).",
            tuple(str(time) for time in outside.head(3)),
        )
    return rows


def _keep_stored_origins(stored: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    if len(stored) and len(new) and stored["as_of"].max() < new["as_of"].min():
        return pd.concat([stored, new], ignore_index=True)  # the usual case, in a tenth of the time
    known = pd.MultiIndex.from_frame(stored[["role", "as_of"]])
    added = ~pd.MultiIndex.from_frame(new[["role", "as_of"]]).isin(known)
    return pd.concat([stored, new[added]], ignore_index=True)


def _newer_record(stored: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    both = pd.concat([stored, new], ignore_index=True)
    return both.drop_duplicates(["timestamp", "seen_at"], keep="last")
