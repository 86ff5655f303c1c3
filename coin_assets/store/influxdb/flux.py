"""Flux queries, and the predicates of deletes.

Names are escaped here. Times are whole seconds, like all stored times.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from coin_assets.store.influxdb.lines import tag_value
from coin_assets.store.influxdb.measurements import Measurement

Tags = Mapping[str, str] | Sequence[Mapping[str, str]]  # several: points with any of them
_SECOND, _NANOSECOND = timedelta(seconds=1), "000000001"
BEGIN, END = datetime(1678, 1, 1, tzinfo=UTC), datetime(2262, 1, 1, tzinfo=UTC)


def values(
    bucket: str, measurement: Measurement, tags: Tags, start: datetime, end: datetime
) -> str:
    """Values of the points of ``[start, end)``, a table for each field of each series.

    What is the same in every row is dropped; other tags stay, so no two series are mixed.
    """
    constant = ["_start", "_stop", "_measurement", *(tags if isinstance(tags, Mapping) else ())]
    return (
        f"{_points(bucket, measurement, tags, start, end)}"
        f" |> drop(columns: [{', '.join(map(_text, constant))}])"
    )


def times(
    bucket: str,
    measurement: Measurement,
    tags: Tags,
    start: datetime,
    end: datetime,
    pick: str = "",
) -> str:
    """Times of the points, a row for each series and time.

    Args:
        pick: ``first`` or ``last`` for only that point of each series.
    """
    picked = f" |> {pick}()" if pick else ""
    return (
        f"{_points(bucket, measurement, tags, start, end, measurement.fields[:1])}{picked}"
        ' |> keep(columns: ["_time", "symbol", "timeframe"])'
    )


def spans(
    bucket: str,
    measurement: Measurement,
    ranges: Mapping[tuple[datetime, datetime], Sequence[Mapping[str, str]]],
) -> str:
    """Times of the first and the last point of each series in its range, a row for each.

    Args:
        ranges: as in `counts`; a series has one of them.
    """
    return "\n".join(
        f'{times(bucket, measurement, each, *range_, pick)} |> yield(name: "{pick}{number}")'
        for number, (range_, each) in enumerate(ranges.items())
        for pick in ("first", "last")
    )


def counts(
    bucket: str,
    measurement: Measurement,
    ranges: Mapping[tuple[datetime, datetime], Sequence[Mapping[str, str]]],
) -> str:
    """Number of points in ``_value``, a row or more for each series of a range.

    Args:
        ranges: half-open ranges, each with the tags of its series; no tags for all series.
    """
    return "\n".join(
        f"{_points(bucket, measurement, each, *range_, measurement.fields[:1])} |> count()"
        ' |> keep(columns: ["symbol", "timeframe", "_value"])'
        f' |> yield(name: "{number}")'
        for number, (range_, each) in enumerate(ranges.items())
    )


def texts(bucket: str, measurement: Measurement, tags: Mapping[str, str], field: str) -> str:
    """Distinct values of a field of text, in ``_value``."""
    return (
        f"{_points(bucket, measurement, tags, BEGIN, END, (field,))} |> group() |> distinct()"
        ' |> keep(columns: ["_value"])'
    )


def tag_keys(bucket: str, measurement: Measurement) -> str:
    """Names of the measurement's tags, in ``_value``; some begin with an underscore."""
    return (
        'import "influxdata/influxdb/schema"\n'
        f"schema.measurementTagKeys(bucket: {_text(bucket)}, "
        f"measurement: {_text(measurement.name)}, start: {_instant(BEGIN)}, stop: {_instant(END)})"
    )


def predicate(measurement: Measurement, tags: Mapping[str, str]) -> str:
    """Predicate of a delete: one measurement and some tags."""
    named = {"_measurement": measurement.name, **tags}
    return " AND ".join(f"{name}={_quoted(value)}" for name, value in named.items())


def delete_bounds(start: datetime, end: datetime) -> tuple[str, str]:
    """``[start, end)`` for a delete, which includes its end."""
    before = _whole(end) - _SECOND
    return _instant(start), f"{before:%Y-%m-%dT%H:%M:%S}.999999999Z"


def _points(
    bucket: str,
    measurement: Measurement,
    tags: Tags,
    start: datetime,
    end: datetime,
    fields: tuple[str, ...] = (),
) -> str:
    """Points with ``tags``, or with any of several."""
    some = [tags] if isinstance(tags, Mapping) else tags
    wanted = [f"r._measurement == {_text(measurement.name)}"]
    if any(some):
        wanted.append(_either(" and ".join(_equal(*tag) for tag in each.items()) for each in some))
    wanted.append(_either(_equal("_field", name) for name in fields or measurement.fields))
    return (
        f"from(bucket: {_text(bucket)})"
        f" |> range(start: {_instant(start)}, stop: {_instant(end)})"
        f" |> filter(fn: (r) => {' and '.join(wanted)})"
    )


def _equal(name: str, value: str) -> str:
    return f"r.{name} == {_text(value)}"


def _either(conditions: Iterable[str]) -> str:
    return f"({' or '.join(conditions)})"


def _text(name: str) -> str:
    """Flux string literal; ``${``, which begins an expression, is escaped."""
    return _quoted(tag_value(name)).replace("${", r"\${")


def _quoted(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _instant(time: datetime) -> str:
    return f"{_whole(time):%Y-%m-%dT%H:%M:%S}Z"


def _whole(time: datetime) -> datetime:
    """First whole second at or after ``time``; no point lies in between."""
    whole = time.astimezone(UTC).replace(microsecond=0)
    return whole if whole == time else whole + _SECOND
