"""View of the store for one tick: questions about many series share requests.

A tick asks the same of every series. The first such question is answered for all series of the
snapshot by one request, so the number of requests does not grow with the number of series.
"""

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TypeVar

import pandas as pd

from coin_assets.domain.candles.gap_ledger import Ledger
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import just_after
from coin_assets.errors import CorruptArtefact
from coin_assets.store.base import CandleRange, Extent, Finding, Store, Written
from coin_assets.store.influxdb.bounds import AnswerTooLong
from coin_assets.store.influxdb.ledgers import LedgerPoints, parsed
from coin_assets.store.influxdb.lines import series_name
from coin_assets.store.influxdb.revisions import RevisionTable
from coin_assets.store.influxdb.tables import MeasurementTable
from coin_assets.store.tabular import Combine, TabularStore

T = TypeVar("T")
_GROUP = 50  # series whose revisions are read at once
_Question = tuple[tuple[Series, ...], datetime, datetime]


class SnapshotIsReadOnly(TypeError):
    """A snapshot was asked to write; write to its store."""


@dataclass(frozen=True)
class SnapshotTable:
    """`Table` of a snapshot."""

    stored: MeasurementTable
    series_list: frozenset[Series]

    def read(
        self, series: Series, start: datetime, end: datetime, *, anew: bool = False
    ) -> pd.DataFrame:
        """See `Table.read`; a series without rows costs no request of its own."""
        has_rows = series not in self.series_list or series in self._newest
        return self.stored.read(series, start, end if has_rows else start, anew=anew)

    def update(
        self,
        series: Series,  # noqa: ARG002
        rows: pd.DataFrame,  # noqa: ARG002
        months: list[datetime],  # noqa: ARG002
        combine: Combine,  # noqa: ARG002
    ) -> Written:
        """Refuse."""
        raise SnapshotIsReadOnly

    def delete(self, series: Series, start: datetime, end: datetime) -> int:  # noqa: ARG002
        """Refuse."""
        raise SnapshotIsReadOnly

    def months(self, series: Series) -> list[datetime]:
        """See `Table.months`."""
        if series not in self.series_list or self._months is None:
            return self.stored.months(series)
        return list(self._months.get(series_name(series), []))

    def count(self, series: Series, start: datetime, end: datetime) -> int:
        """See `Table.count`."""
        extents = self._extents if series in self.series_list else None
        if extents is None:
            return self.stored.count(series, start, end)
        own = extents.get(series)
        if own is None or start >= end:
            return 0
        # The first and the last candle differ by series, other bounds hardly do.
        after = None if start <= own.first else start
        before = None if end > own.last else end
        if (after, before) not in self._counts:
            self._counts[after, before] = self._counted(extents, after, before)
        return self._counts[after, before][series]

    def state(self, series: Series, start: datetime, end: datetime) -> Hashable | None:
        """See `Table.state`."""
        return self.stored.state(series, start, end)

    def digest(self, series: Series, month: datetime) -> str | None:
        """See `Table.digest`."""
        return self.stored.digest(series, month)

    def newest(self, series_list: Iterable[Series]) -> dict[Series, datetime]:
        """See `Table.newest`."""
        wanted = list(series_list)
        if not self.series_list.issuperset(wanted):
            return self.stored.newest(wanted)
        return {series: self._newest[series] for series in wanted if series in self._newest}

    def extent(self, series: Series) -> Extent | None:
        """See `Table.extent`."""
        if series not in self.series_list or self._extents is None:
            return self.stored.extent(series)
        return self._extents.get(series)

    def spans(
        self, ranges: Collection[CandleRange]
    ) -> dict[CandleRange, tuple[datetime, datetime]]:
        """See `Table.spans`."""
        return self.stored.spans(ranges)

    def texts(self, series: Series, column: str) -> frozenset[str]:
        """See `Table.texts`."""
        return self.stored.texts(series, column)

    @cached_property
    def _months(self) -> dict[tuple[str, str], list[datetime]] | None:
        return unless_corrupt(lambda: self.stored.all_months(self.series_list))

    @cached_property
    def _newest(self) -> dict[Series, datetime]:
        return self.stored.newest(self.series_list)

    @cached_property
    def _extents(self) -> dict[Series, Extent] | None:
        return unless_corrupt(lambda: self.stored.extents(self.series_list, self._newest))

    @cached_property
    def _counts(self) -> dict[tuple[datetime | None, datetime | None], dict[Series, int]]:
        return {}

    def _counted(
        self, extents: Mapping[Series, Extent], after: datetime | None, before: datetime | None
    ) -> dict[Series, int]:
        """Rows of all series between two times; None for the first or last row of each."""
        if after is None and before is None:
            return {series: extent.rows for series, extent in extents.items()}
        return self.stored.counts(
            {
                series: (after or extent.first, before or just_after(extent.last))
                for series, extent in extents.items()
            }
        )


@dataclass(frozen=True)
class SnapshotRevisions(SnapshotTable):
    """`Table` of revisions: a tick reads the same range of all series of a timeframe."""

    stored: RevisionTable

    def read(
        self, series: Series, start: datetime, end: datetime, *, anew: bool = False
    ) -> pd.DataFrame:
        """See `Table.read`; a group of series shares a request."""
        group = self._group_of(series)
        if anew or series not in group or start >= end:
            return super().read(series, start, end, anew=anew)
        question = group, start, end
        if question not in self._answers:
            self._answers[question] = unless_corrupt(lambda: self.stored.read_many(*question))
        answers = self._answers[question]
        return self.stored.read(series, start, end) if answers is None else answers[series].copy()

    def _group_of(self, series: Series) -> tuple[Series, ...]:
        """The series with rows that share requests with this one."""
        alike = [each for each in self._with_rows if each.timeframe == series.timeframe]
        place = alike.index(series) if series in alike else 0
        first = place - place % _GROUP
        return tuple(alike[first : first + _GROUP])

    @cached_property
    def _with_rows(self) -> list[Series]:
        return sorted(self._newest, key=str)

    @cached_property
    def _answers(self) -> dict[_Question, dict[Series, pd.DataFrame] | None]:
        return {}


@dataclass(frozen=True)
class SnapshotLedgers:
    """`Ledgers` of a snapshot."""

    stored: LedgerPoints
    series_list: frozenset[Series]

    def read(self, series: Series) -> Ledger:
        """See `Ledgers.read`."""
        if series not in self.series_list or self._documents is None:
            return self.stored.read(series)
        if series not in self._parsed:
            document = self._documents.get(series_name(series))
            self._parsed[series] = Ledger() if document is None else parsed(series, document)
        return self._parsed[series]

    def update(self, series: Series, change: Callable[[Ledger], Ledger]) -> Ledger:  # noqa: ARG002
        """Refuse."""
        raise SnapshotIsReadOnly

    @cached_property
    def _documents(self) -> dict[tuple[str, str], str] | None:
        return unless_corrupt(lambda: self.stored.documents(self.series_list))

    @cached_property
    def _parsed(self) -> dict[Series, Ledger]:
        return {}


def unless_corrupt(read: Callable[[], T]) -> T | None:
    """Result of ``read``; None if points of any series are damaged, or all are too many at once.

    Then each series is asked for by itself, so that one does not spoil the others.
    """
    try:
        return read()
    except (AnswerTooLong, CorruptArtefact):
        return None


class Snapshot(TabularStore):
    """`Store` for the reads of one tick; it never writes.

    Args:
        store: answers what is not asked of many series.
        tables: of candles, forecasts and revisions.
        ledgers: of all series.
        series_list: series whose questions share requests.
    """

    def __init__(
        self,
        store: Store,
        tables: tuple[MeasurementTable, MeasurementTable, RevisionTable],
        ledgers: LedgerPoints,
        series_list: Iterable[Series],
    ) -> None:
        self._store = store
        wanted = frozenset(series_list)
        candles, forecasts = (SnapshotTable(table, wanted) for table in tables[:2])
        revisions = SnapshotRevisions(tables[2], wanted)
        super().__init__(candles, forecasts, revisions, SnapshotLedgers(ledgers, wanted))

    def require_readable(self, series: Series) -> None:
        """See `Store.require_readable`."""
        self._store.require_readable(series)

    def read_through(self, series: Series) -> None:
        """See `Store.read_through`."""
        self._store.read_through(series)

    def examine(self, since: datetime, now: datetime) -> list[Finding]:
        """See `Store.examine`."""
        return self._store.examine(since, now)

    def close(self) -> None:
        """See `Store.close`."""
        self._store.close()

    def snapshot(self, series_list: Iterable[Series]) -> Store:
        """See `Store.snapshot`."""
        return self._store.snapshot(series_list)
