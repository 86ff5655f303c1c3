"""A `Table` in a measurement.

InfluxDB has no transactions. An update sends only rows that change, the oldest first, one request
after the other; then it deletes rows, reads all changes back, and finally marks the months as
fetched. After a kill at any point, the same update completes the rest.
"""

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import as_micros, months_between, next_month
from coin_assets.files.atomic import locked
from coin_assets.store.base import Extent
from coin_assets.store.changes import Changes, changes
from coin_assets.store.influxdb import flux
from coin_assets.store.influxdb.answers import frame_of
from coin_assets.store.influxdb.installation import ClaimedBucket
from coin_assets.store.influxdb.lines import requests_of, series_tags
from coin_assets.store.influxdb.markers import MonthMarkers
from coin_assets.store.influxdb.measurements import Measurement
from coin_assets.store.tabular import Combine, TableKind

_MONTHS_AT_ONCE = 12
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
    ) -> tuple[int, int]:
        """See `Table.update`."""
        held = changed = 0
        with locked(lock_folder(self.locks, self.measurement, series)):
            for first, last in _spans(months):
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
                held, changed = held + len(wanted), changed + difference.rows
        return held, changed

    def delete(self, series: Series, start: datetime, end: datetime) -> int:
        """See `Table.delete`."""
        if start >= end:
            return 0
        with locked(lock_folder(self.locks, self.measurement, series)):
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
        if self.markers is None:
            raise NotImplementedError(f"{self.kind.name} do not record their months")
        return self.markers.of(series)

    def count(self, series: Series, start: datetime, end: datetime) -> int:
        """See `Table.count`."""
        if start >= end:
            return 0
        script = flux.count(self.bucket.name, self.measurement, series_tags(series), start, end)
        counts = self.bucket.query(script, lambda body: frame_of(body, {"_value": "int64"}))
        return int(counts["_value"].sum())

    def state(self, series: Series, start: datetime, end: datetime) -> Hashable | None:
        """See `Table.state`: number of rows, and the newest time of the series."""
        return self.bucket.name, self.count(series, start, end), self.newest([series]).get(series)

    def newest(self, series_list: Iterable[Series]) -> dict[Series, datetime]:
        """See `Table.newest`."""
        wanted = {(series.symbol, series.timeframe.name): series for series in series_list}
        if not wanted:
            return {}
        one = series_tags(next(iter(wanted.values()))) if len(wanted) == 1 else {}
        rows = self._times(one | dict(self.measurement.one_of), "last")
        found: dict[Series, datetime] = {}
        for time, *name in rows[["_time", "symbol", "timeframe"]].itertuples(index=False):
            series = wanted.get((name[0], name[1]))
            if series is not None:
                found[series] = max(time.to_pydatetime(), found.get(series, flux.BEGIN))
        return found

    def extent(self, series: Series) -> Extent | None:
        """See `Table.extent`."""
        last = self._times(series_tags(series), "last")
        if last.empty:
            return None
        first = self._times(series_tags(series), "first")
        return Extent(
            first["_time"].min().to_pydatetime(),
            last["_time"].max().to_pydatetime(),
            self.count(series, flux.BEGIN, flux.END),
        )

    # Overridden where rows and points differ.

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
        for start, end in _runs(difference.gone[time], wanted[time]):
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

    def _points(self, series: Series, start: datetime, end: datetime) -> pd.DataFrame:
        columns, time = self.measurement.dtypes, self.measurement.time
        if start >= end:
            return frame_of(b"", columns, time)
        script = flux.rows(self.bucket.name, self.measurement, series_tags(series), start, end)
        return self.bucket.query(script, lambda body: frame_of(body, columns, time))

    def _times(self, tags: dict[str, str], pick: str) -> pd.DataFrame:
        script = flux.times(self.bucket.name, self.measurement, tags, flux.BEGIN, flux.END, pick)
        columns = {
            "_time": self.measurement.dtypes[self.measurement.time],
            "symbol": "str",
            "timeframe": "str",
        }
        return self.bucket.query(script, lambda body: frame_of(body, columns))


def lock_folder(locks: Path, measurement: Measurement, series: Series) -> Path:
    """Folder of the lock for writers of a series."""
    return (
        locks / measurement.name / f"symbol={series.symbol_name}/timeframe={series.timeframe.name}"
    )


def _spans(months: list[datetime]) -> Iterator[tuple[datetime, datetime]]:
    """First and last month of each run of consecutive months, at most a year each."""
    run: list[datetime] = []
    for month in months:
        if run and (next_month(run[-1]) != month or len(run) == _MONTHS_AT_ONCE):
            yield run[0], run[-1]
            run = []
        run.append(month)
    if run:
        yield run[0], run[-1]


def _runs(
    gone: "pd.Series[pd.Timestamp]", kept: "pd.Series[pd.Timestamp]"
) -> Iterator[tuple[datetime, datetime]]:
    """Fewest half-open ranges that contain all of ``gone`` and none of ``kept``."""
    if gone.empty:
        return
    times = gone.sort_values().reset_index(drop=True)
    before = np.searchsorted(np.sort(as_micros(kept)), as_micros(times))
    breaks = [0, *(np.flatnonzero(np.diff(before)) + 1).tolist(), len(times)]
    for first, after in pairwise(breaks):
        yield times[first].to_pydatetime(), times[after - 1].to_pydatetime() + _SECOND


def _bits(rows: pd.DataFrame) -> bytes:
    return rows.select_dtypes("float64").to_numpy().tobytes()
