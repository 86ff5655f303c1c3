"""A `Table` in a measurement.

InfluxDB has no transactions. An update sends only rows that change, the oldest first, one request
after the other; then it deletes rows, reads all changes back, and finally marks the months as
fetched. After a kill at any point, the same update completes the rest.
"""

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from time import monotonic

import pandas as pd

from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import just_after, month_start, months_between, next_month
from coin_assets.errors import CorruptArtefact
from coin_assets.store.base import CandleRange, Extent, Written
from coin_assets.store.changes import Changes, changes
from coin_assets.store.influxdb import flux
from coin_assets.store.influxdb.answers import frame_of
from coin_assets.store.influxdb.bounds import AnswerTooLong
from coin_assets.store.influxdb.fields import rows_of
from coin_assets.store.influxdb.installation import ClaimedBucket
from coin_assets.store.influxdb.lines import (
    requests_of,
    series_tags,
)
from coin_assets.store.influxdb.locks import series_locked
from coin_assets.store.influxdb.markers import MonthMarkers
from coin_assets.store.influxdb.measurements import Measurement
from coin_assets.store.influxdb.questions import SeriesQuestions
from coin_assets.store.influxdb.ranges import month_runs, ranges_of
from coin_assets.store.tabular import Combine, TableKind

_HALVING_SECONDS = 300.0
_MOST_TEXT = 96 << 20  # characters of one read: a million rows of forecasts take half
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class MeasurementTable:
    """`Table` with one point for each row.

    Attributes:
        locks: folder of lock files; each series has one writer at a time.
        markers: of the months, if the kind records empty months.
    """

    bucket: ClaimedBucket
    kind: TableKind
    measurement: Measurement
    locks: Path
    markers: MonthMarkers | None = None

    def read(
        self,
        series: Series,
        start: datetime,
        end: datetime,
        *,
        anew: bool = False,  # noqa: ARG002 (the server is asked each time)
    ) -> pd.DataFrame:
        """See `Table.read`."""
        return self.kind.ordered(self._from_points(self._points(series, start, end)))

    def update(
        self, series: Series, rows: pd.DataFrame, months: list[datetime], combine: Combine
    ) -> Written:
        """See `Table.update`."""
        held, changed = 0, Counter[datetime]()
        with series_locked(self.locks, self.measurement, series):
            for first, last in month_runs(months):
                start, end = first, next_month(last)
                times = rows[self.kind.time]
                stored = self.read(series, start, end)
                new = rows[(times >= start) & (times < end)]
                wanted = self.kind.result(combine, stored, new)
                difference = changes(self.kind, stored, wanted)
                if difference.rows:
                    self._apply(series, wanted, difference)
                if self.markers is not None:
                    self.markers.add(series, months_between(start, end))
                held += len(wanted)
                for differing in difference:
                    changed.update(map(month_start, differing[self.kind.time].dt.to_pydatetime()))
        return Written(held, changed.total(), changed)

    def delete(self, series: Series, start: datetime, end: datetime) -> int:
        """See `Table.delete`."""
        if start >= end:
            return 0
        with series_locked(self.locks, self.measurement, series):
            removed = self.count(series, start, end)
            if self.markers is not None:
                self._forget_emptied(series, start, end)
            if removed:
                self._remove(series, start, end)
                self.bucket.confirm(
                    lambda: not self.count(series, start, end),
                    f"a deletion of {removed} {self.kind.name} of {series}",
                )
        return removed

    def months(self, series: Series) -> list[datetime]:
        """See `Table.months`."""
        return self._required_markers().of(series)

    def all_months(self, series_list: Iterable[Series]) -> dict[tuple[str, str], list[datetime]]:
        """As `months`, of all series, by symbol and timeframe; see `MonthMarkers.of_all`."""
        return self._required_markers().of_all(series_list)

    def count(self, series: Series, start: datetime, end: datetime) -> int:
        """See `Table.count`."""
        if start >= end:
            return 0
        return self.counts({series: (start, end)})[series]

    def counts(self, ranges: Mapping[Series, tuple[datetime, datetime]]) -> dict[Series, int]:
        """Number of rows of each series in its half-open range; as few requests as possible."""
        return self._questions.counts(ranges)

    def spans(
        self, ranges: Collection[CandleRange]
    ) -> dict[CandleRange, tuple[datetime, datetime]]:
        """See `Table.spans`."""
        return self._questions.spans(ranges)

    def state(self, series: Series, start: datetime, end: datetime) -> Hashable | None:
        """See `Table.state`: number of rows, and the newest time of the series."""
        return self.bucket.name, self.count(series, start, end), self.newest([series]).get(series)

    def digest(self, series: Series, month: datetime) -> str | None:  # noqa: ARG002
        """See `Table.digest`: the server records none."""
        return None

    def newest(self, series_list: Iterable[Series]) -> dict[Series, datetime]:
        """See `Table.newest`."""
        wanted = list(series_list)
        return self._questions.ends(wanted, "last") if wanted else {}

    def texts(self, series: Series, column: str) -> frozenset[str]:
        """See `Table.texts`; the server finds them."""
        script = flux.texts(self.bucket.name, self.measurement, series_tags(series), column)
        rows = self.bucket.query(script, lambda body: frame_of(body, {"_value": "str"}))
        return frozenset(rows["_value"])

    def extent(self, series: Series) -> Extent | None:
        """See `Table.extent`."""
        return self.extents([series]).get(series)

    def extents(
        self, series_list: Iterable[Series], last: Mapping[Series, datetime] | None = None
    ) -> dict[Series, Extent]:
        """Extent of each series that has rows; at most three requests for all.

        Args:
            last: newest times of ``series_list``, if they are known; later rows do not count.
        """
        wanted = list(series_list)
        last = self.newest(wanted) if last is None else last
        if not last:
            return {}
        first = self._questions.ends(wanted, "first")
        counts = self.counts({each: (flux.BEGIN, just_after(time)) for each, time in last.items()})
        return {
            series: Extent(first[series], time, counts[series])
            for series, time in last.items()
            if series in first
        }

    # Overridden where rows and points differ.

    @property
    def _points_at_once(self) -> int:
        """Most points of a series with one time."""
        return self.kind.most_at_once

    def _from_points(self, points: pd.DataFrame) -> pd.DataFrame:
        """Rows of points."""
        return points

    def _to_send(self, wanted: pd.DataFrame, difference: Changes) -> pd.DataFrame:  # noqa: ARG002
        """Points of the changed rows of ``wanted``."""
        return difference.put

    def _apply(self, series: Series, wanted: pd.DataFrame, difference: Changes) -> None:
        time = self.kind.time
        points = self._to_send(wanted, difference).sort_values(time, kind="stable")
        for lines in requests_of(self.measurement, series_tags(series), points):
            self.bucket.write(lines)
        for start, end in ranges_of(difference.gone[time], wanted[time]):
            self._remove(series, start, end)
        touched = pd.concat([difference.put[time], difference.gone[time]])
        start, end = touched.min(), touched.max() + _SECOND
        expected = wanted[(wanted[time] >= start) & (wanted[time] < end)]
        put = expected.index.isin(difference.put.index)

        def is_there() -> bool:
            found = self.read(series, start, end)
            return found.equals(expected.reset_index(drop=True)) and (
                _bits(found[put]) == _bits(expected[put])
            )

        self.bucket.confirm(is_there, f"{difference.rows} changed {self.kind.name} of {series}")

    def _remove(self, series: Series, start: datetime, end: datetime) -> None:
        self.bucket.delete(self.measurement, series_tags(series), start, end)

    def _forget_emptied(self, series: Series, start: datetime, end: datetime) -> None:
        """Unmark the months that a deletion empties, before their rows are removed.

        A month with rows and without marker is fetched again; a month without rows and with a
        marker never is.
        """
        months = months_between(start, end)
        edges = {
            month for month in (months[0], months[-1]) if self._keeps(series, month, start, end)
        }
        emptied = [month for month in months if month not in edges]
        if emptied and self.markers is not None:
            self.markers.forget(series, emptied)

    def _keeps(self, series: Series, month: datetime, start: datetime, end: datetime) -> bool:
        """Whether a month has rows outside of ``[start, end)``."""
        return bool(
            self.count(series, month, max(month, start))
            or self.count(series, min(next_month(month), end), next_month(month))
        )

    @property
    def _questions(self) -> SeriesQuestions:
        return SeriesQuestions(self.bucket, self.measurement)

    def _required_markers(self) -> MonthMarkers:
        if self.markers is None:
            raise NotImplementedError(f"{self.kind.name} do not record their months")
        return self.markers

    def _points(
        self, series: Series, start: datetime, end: datetime, until: float | None = None
    ) -> pd.DataFrame:
        """Points of ``[start, end)``; up to ``until`` (monotonic), too long an answer is halved."""
        if start >= end:
            return rows_of(b"", self.measurement)
        until = monotonic() + _HALVING_SECONDS if until is None else until
        script = flux.values(self.bucket.name, self.measurement, series_tags(series), start, end)
        middle = series.timeframe.floor(start + (end - start) / 2)
        points = None
        try:
            points = self.bucket.query(script, lambda body: rows_of(body, self.measurement))
        except AnswerTooLong:
            if not start < middle < end or monotonic() > until:
                raise
        if points is None:  # outside of the block, which would keep the answer in memory
            halves = [self._points(series, *half, until) for half in pairwise((start, middle, end))]
            points = pd.concat(halves, ignore_index=True)
        self._require_possible(points, series, start, end)
        return points

    def _require_possible(
        self, points: pd.DataFrame, series: Series, start: datetime, end: datetime
    ) -> None:
        """Refuse more points than a range can have; halves would add up to any number."""
        most = self._points_at_once * series.timeframe.count(start, end)
        length = sum(int(points[name].str.len().sum()) for name in self.measurement.texts)
        if len(points) > most or length > _MOST_TEXT:
            raise CorruptArtefact(
                f"InfluxDB has {len(points)} points of {self.kind.name} of {series} from "
                f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} with {length} characters of text; "
                f"at most {most} and {_MOST_TEXT} are possible. Delete those that this platform "
                "has not written."
            )


def _bits(rows: pd.DataFrame) -> bytes:
    return rows.select_dtypes("float64").to_numpy().tobytes()
