"""The points of a bucket: an array of times and one of values for each field of each series."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from coin_assets_tests.influx.field_values import Unsigned
from coin_assets_tests.influx.line_protocol import Point, Series
from coin_assets_tests.influx.refusal import Refusal

MAX_STRING = 1_048_576
KINDS: dict[type, str] = {
    float: "float",
    int: "integer",
    Unsigned: "unsigned",
    bool: "boolean",
    str: "string",
}
DTYPES: dict[str, type] = {
    "float": np.float64,
    "integer": np.int64,
    "unsigned": np.uint64,
    "boolean": np.bool_,
    "string": np.object_,
}
Times = npt.NDArray[np.int64]
Values = npt.NDArray[Any]


class _Column:
    """The values of one field of one series, sorted by time when they are asked for."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._times: Times = np.empty(0, np.int64)
        self._values: Values = np.empty(0, DTYPES[kind])
        self.new_times: list[int] = []
        self.new_values: list[Any] = []

    def arrays(self) -> tuple[Times, Values]:
        """Never changed in place, so that a reader may keep them. Of equal times the last wins."""
        if self.new_times:
            times = np.concatenate([self._times, np.array(self.new_times, np.int64)])
            added = np.empty(len(self.new_values), self._values.dtype)
            added[:] = self.new_values
            values = np.concatenate([self._values, added])
            self.new_times, self.new_values = [], []
            order = np.argsort(times, kind="stable")
            times, values = times[order], values[order]
            last = np.append(times[1:] != times[:-1], True)
            self._times, self._values = times[last], values[last]
        return self._times, self._values

    def delete(self, start: int, stop: int) -> bool:
        """Delete from ``start`` to ``stop``, both included; whether nothing is left."""
        times, values = self.arrays()
        kept = (times < start) | (times > stop)
        self._times, self._values = times[kept], values[kept]
        return not len(self._times)


class Stored(NamedTuple):
    """A field of a series within a range."""

    series: Series
    field: str
    kind: str
    times: Times
    values: Values


@dataclass
class Bucket:
    """A bucket; its owner guards it against threads.

    Attributes:
        retention: seconds, 0 for ever.
    """

    id: str
    name: str
    retention: int = 0
    kinds: dict[str, dict[str, str]] = field(default_factory=dict)  # by measurement and field
    columns: dict[Series, dict[str, _Column]] = field(default_factory=dict)

    def write(self, points: list[Point], now: int) -> None:
        """Store what can be stored: a point with a field of another type is left out as a whole.

        Raises:
            Refusal: 422; points were left out. All the others are stored.
        """
        bound = now - self.retention * 10**9
        expired = [each for each in points if each.time < bound] if self.retention else []
        reasons: list[str] = []
        for point in points:
            if expired and point.time < bound:
                continue
            if reason := self._objection(point):
                reasons.append(reason)
            else:
                self._store(point)
        if reasons:
            raise _partial(reasons[0], len(reasons))
        if expired:
            raise self._expiry(expired, bound)

    def _objection(self, point: Point) -> str | None:
        measurement, tags = point.series
        if any(series == "time" for series, _ in tags):
            return f'invalid tag key: input tag "time" on measurement "{measurement}" is invalid'
        if point.fields.keys() == {"time"}:
            return (
                f'invalid field name: input field "time" on measurement "{measurement}" is invalid'
            )
        known = self.kinds.setdefault(measurement, {})
        for name, value in point.fields.items():
            kind = KINDS[type(value)]
            if known.get(name, kind) != kind:
                return (
                    f'field type conflict: input field "{name}" on measurement "{measurement}" is '
                    f"type {kind}, already exists as type {known[name]}"
                )
            if kind == "string" and len(str(value).encode()) > MAX_STRING:
                size = len(str(value).encode())
                return (
                    f'input field "{name}" on measurement "{measurement}" is too long, '
                    f"{size} > {MAX_STRING}"
                )
        return None

    def _store(self, point: Point) -> None:
        columns = self.columns.get(point.series)
        if columns is None:
            columns = self.columns[point.series] = {}
        for name, value in point.fields.items():
            column = columns.get(name)
            if column is None:
                if name == "time":
                    continue
                kind = self.kinds[point.series[0]].setdefault(name, KINDS[type(value)])
                column = columns[name] = _Column(kind)
            column.new_times.append(point.time)
            column.new_values.append(value)

    def _expiry(self, expired: list[Point], bound: int) -> Refusal:
        oldest = min(expired, key=lambda point: point.time)
        newest = max(expired, key=lambda point: point.time)
        why = f"dropped because it violates a Retention Policy Lower Bound at {rfc3339(bound)}"
        hours, rest = divmod(self.retention, 3600)
        told = [
            f"{name} point {series_key(point.series)} at {rfc3339(point.time)} {why}"
            for name, point in (("oldest", oldest), ("newest", newest))
        ]
        return _partial(
            f"dropped {len(expired)} points outside retention policy of duration "
            f"{hours}h{rest // 60}m{rest % 60}s - {', '.join(told)}",
            len(expired),
            f" for database: {self.id} for retention policy: autogen",
        )

    def delete(self, start: int, stop: int, chosen: Callable[[Series], bool]) -> None:
        """Delete the points of chosen series from ``start`` to ``stop``, both included."""
        for series in [each for each in self.columns if chosen(each)]:
            columns = self.columns[series]
            for name in [each for each in columns if columns[each].delete(start, stop)]:
                del columns[name]
            if not columns:
                del self.columns[series]
        left = {measurement for measurement, _ in self.columns}
        self.kinds = {name: kinds for name, kinds in self.kinds.items() if name in left}

    def read(
        self, start: int, stop: int, wanted: Callable[[Series, str], bool], hidden: int = 0
    ) -> Iterator[Stored]:
        """Points from ``start`` before ``stop``, by measurement, tags and field.

        Args:
            wanted: whether a field of a series is to be read.
            hidden: so many of the newest times of each field are left out.
        """
        for series in sorted(self.columns):
            for name, column in sorted(self.columns[series].items()):
                if not wanted(series, name):
                    continue
                times, values = column.arrays()
                if hidden:
                    times, values = times[:-hidden], values[:-hidden]
                first, end = np.searchsorted(times, [start, stop])
                if first < end:
                    yield Stored(series, name, column.kind, times[first:end], values[first:end])


def _partial(reason: str, dropped: int, where: str = "") -> Refusal:
    return Refusal(
        "unprocessable entity",
        f"failure writing points to database: partial write: {reason} dropped={dropped}{where}",
    )


def series_key(series: Series) -> str:
    """As line protocol writes it."""

    def escaped(text: str, marks: str) -> str:
        for mark in marks:
            text = text.replace(mark, f"\\{mark}")
        return text

    measurement, tags = series
    parts = [f"{escaped(series, ', =')}={escaped(value, ', =')}" for series, value in tags]
    return ",".join([escaped(measurement, ", "), *parts])


def rfc3339(time: int) -> str:
    """Nanoseconds as Go's RFC3339Nano writes them: the fraction only as far as it is not zero."""
    seconds, nanoseconds = divmod(time, 10**9)
    text = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).strftime("%FT%T")
    fraction = f".{nanoseconds:09d}".rstrip("0") if nanoseconds else ""
    return f"{text}{fraction}Z"
