"""Timeframe arithmetic: where candles open and close, how many there are, which divide which.

Expected times are checked by hand. The laws are compared with a naive boundary test on calendar
fields (`is_boundary`), which uses no epochs, ordinals or lengths.
"""

import calendar
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coin_assets.domain.timeframes import (
    NAMES,
    Timeframe,
    as_micros,
    describe_months,
    just_after,
    month_label,
    month_start,
    months_between,
    next_month,
)
from coin_assets.errors import ConfigurationError

LAW = settings(max_examples=12, deadline=None)
TICK = timedelta(microseconds=1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# ------------------------------------------------------------------------------------- oracles


def is_boundary(name: str, time: datetime) -> bool:
    """Whether a candle opens at ``time``, read from the fields of the calendar alone."""
    length, unit = int(name[:-1]), name[-1]
    if time.second or time.microsecond:
        return False
    if unit == "m":
        return time.minute % length == 0
    if unit == "h":
        return time.minute == 0 and time.hour % length == 0
    if time.hour or time.minute:
        return False
    if unit == "d":
        return (time.date() - date(1970, 1, 1)).days % length == 0
    return time.weekday() == calendar.MONDAY if unit == "w" else time.day == 1


def step_of(name: str) -> timedelta:
    """One minute, hour or day: every boundary of ``name`` lies on a multiple of it."""
    return {"m": timedelta(minutes=1), "h": timedelta(hours=1)}.get(name[-1], timedelta(days=1))


def naive_floor(name: str, time: datetime) -> datetime:
    at = time.replace(second=0, microsecond=0)
    at = at if name[-1] == "m" else at.replace(minute=0)
    at = at if name[-1] in "mh" else at.replace(hour=0)
    while not is_boundary(name, at):
        at -= step_of(name)
    return at


def naive_opens(name: str, start: datetime, end: datetime) -> list[datetime]:
    opens = []
    at = naive_floor(name, start)
    while at < end:
        if at >= start and is_boundary(name, at):
            opens.append(at)
        at += step_of(name)
    return opens


# ---------------------------------------------------------------------------------- strategies

each_timeframe = pytest.mark.parametrize("name", NAMES)
anywhere = st.datetimes(
    datetime(1965, 1, 1),  # noqa: DTZ001 (hypothesis adds the zone)
    datetime(2095, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
instants = st.one_of(
    anywhere,
    st.builds(
        lambda time, name, ticks: naive_floor(name, time) + ticks * TICK,
        anywhere,
        st.sampled_from(NAMES),
        st.integers(-1, 1),
    ),
)
settles = st.sampled_from([timedelta(0), timedelta(seconds=2), timedelta(hours=30)])


@st.composite
def ranges(draw: st.DrawFn, name: str) -> tuple[datetime, datetime]:
    """A range that holds a few candles of ``name``; now and then empty or backwards."""
    start = draw(instants)
    end = start + step_of(name) * draw(st.integers(-3, 70)) + draw(st.integers(-1, 1)) * TICK
    return start, end


# --------------------------------------------------------------------------- hand-checked times

LEAP_DAY = "2024-02-29T13:37:21.500000"  # Thursday
YEAR_END = "2023-12-31T23:59:59.999999"  # Sunday
NEW_YEAR = "2024-01-01T00:00:00"  # Monday, so a boundary of everything but 3d
FEBRUARY_END = "2023-02-28T23:59:59.999999"  # Tuesday, no leap year

# name -> (time, open of its candle, next open)
EXPECTED = {
    "1m": [
        (LEAP_DAY, "2024-02-29T13:37", "2024-02-29T13:38"),
        (YEAR_END, "2023-12-31T23:59", "2024-01-01T00:00"),
        (NEW_YEAR, "2024-01-01T00:00", "2024-01-01T00:01"),
    ],
    "3m": [
        (LEAP_DAY, "2024-02-29T13:36", "2024-02-29T13:39"),
        (YEAR_END, "2023-12-31T23:57", "2024-01-01T00:00"),
        (NEW_YEAR, "2024-01-01T00:00", "2024-01-01T00:03"),
    ],
    "5m": [
        (LEAP_DAY, "2024-02-29T13:35", "2024-02-29T13:40"),
        (YEAR_END, "2023-12-31T23:55", "2024-01-01T00:00"),
        (NEW_YEAR, "2024-01-01T00:00", "2024-01-01T00:05"),
    ],
    "10m": [
        (LEAP_DAY, "2024-02-29T13:30", "2024-02-29T13:40"),
        (YEAR_END, "2023-12-31T23:50", "2024-01-01T00:00"),
        (NEW_YEAR, "2024-01-01T00:00", "2024-01-01T00:10"),
    ],
    "15m": [
        (LEAP_DAY, "2024-02-29T13:30", "2024-02-29T13:45"),
        (YEAR_END, "2023-12-31T23:45", "2024-01-01T00:00"),
        (NEW_YEAR, "2024-01-01T00:00", "2024-01-01T00:15"),
    ],
    "30m": [
        (LEAP_DAY, "2024-02-29T13:30", "2024-02-29T14:00"),
        (YEAR_END, "2023-12-31T23:30", "2024-01-01T00:00"),
        (NEW_YEAR, "2024-01-01T00:00", "2024-01-01T00:30"),
    ],
    "1h": [
        (LEAP_DAY, "2024-02-29T13:00", "2024-02-29T14:00"),
        (YEAR_END, "2023-12-31T23:00", "2024-01-01T00:00"),
        (NEW_YEAR, "2024-01-01T00:00", "2024-01-01T01:00"),
        ("1969-12-31T23:59:59.999999", "1969-12-31T23:00", "1970-01-01T00:00"),
    ],
    "2h": [
        (LEAP_DAY, "2024-02-29T12:00", "2024-02-29T14:00"),
        (YEAR_END, "2023-12-31T22:00", "2024-01-01T00:00"),
        (NEW_YEAR, "2024-01-01T00:00", "2024-01-01T02:00"),
    ],
    "3h": [
        (LEAP_DAY, "2024-02-29T12:00", "2024-02-29T15:00"),
        (YEAR_END, "2023-12-31T21:00", "2024-01-01T00:00"),
        (NEW_YEAR, "2024-01-01T00:00", "2024-01-01T03:00"),
    ],
    "4h": [
        (LEAP_DAY, "2024-02-29T12:00", "2024-02-29T16:00"),
        (YEAR_END, "2023-12-31T20:00", "2024-01-01T00:00"),
        (NEW_YEAR, "2024-01-01T00:00", "2024-01-01T04:00"),
        ("2024-03-10T08:00:00", "2024-03-10T08:00", "2024-03-10T12:00"),  # clocks change in the US
    ],
    "6h": [
        (LEAP_DAY, "2024-02-29T12:00", "2024-02-29T18:00"),
        (YEAR_END, "2023-12-31T18:00", "2024-01-01T00:00"),
        (NEW_YEAR, "2024-01-01T00:00", "2024-01-01T06:00"),
    ],
    "8h": [
        (LEAP_DAY, "2024-02-29T08:00", "2024-02-29T16:00"),
        (YEAR_END, "2023-12-31T16:00", "2024-01-01T00:00"),
        (NEW_YEAR, "2024-01-01T00:00", "2024-01-01T08:00"),
    ],
    "12h": [
        (LEAP_DAY, "2024-02-29T12:00", "2024-03-01T00:00"),
        (YEAR_END, "2023-12-31T12:00", "2024-01-01T00:00"),
        (NEW_YEAR, "2024-01-01T00:00", "2024-01-01T12:00"),
    ],
    "1d": [
        (LEAP_DAY, "2024-02-29", "2024-03-01"),
        (YEAR_END, "2023-12-31", "2024-01-01"),
        (NEW_YEAR, "2024-01-01", "2024-01-02"),
        (FEBRUARY_END, "2023-02-28", "2023-03-01"),
        ("1969-12-31T12:00:00", "1969-12-31", "1970-01-01"),
    ],
    "3d": [  # 2024-01-01 is day 19723 = 3 x 6574 + 1
        (LEAP_DAY, "2024-02-29", "2024-03-03"),
        (YEAR_END, "2023-12-31", "2024-01-03"),
        (NEW_YEAR, "2023-12-31", "2024-01-03"),
        (FEBRUARY_END, "2023-02-28", "2023-03-03"),
    ],
    "1w": [
        (LEAP_DAY, "2024-02-26", "2024-03-04"),
        (YEAR_END, "2023-12-25", "2024-01-01"),
        (NEW_YEAR, "2024-01-01", "2024-01-08"),
        (FEBRUARY_END, "2023-02-27", "2023-03-06"),
        ("2017-08-17T04:00:00", "2017-08-14", "2017-08-21"),
        ("1970-01-01T00:00:00", "1969-12-29", "1970-01-05"),
        ("2024-12-31T12:00:00", "2024-12-30", "2025-01-06"),
    ],
    "1M": [
        (LEAP_DAY, "2024-02-01", "2024-03-01"),
        (YEAR_END, "2023-12-01", "2024-01-01"),
        (NEW_YEAR, "2024-01-01", "2024-02-01"),
        (FEBRUARY_END, "2023-02-01", "2023-03-01"),
        ("2024-04-30T23:59:59.999999", "2024-04-01", "2024-05-01"),
        ("2024-05-31T23:59:59.999999", "2024-05-01", "2024-06-01"),
        ("1969-12-31T23:59:59.999999", "1969-12-01", "1970-01-01"),
    ],
}


def test_every_timeframe_has_hand_checked_times() -> None:
    assert set(EXPECTED) == set(NAMES)
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize(
    ("name", "time", "opened", "following"),
    [(name, *row) for name, rows in EXPECTED.items() for row in rows],
)
def test_floor_and_next_at_hand_checked_times(
    name: str, time: str, opened: str, following: str
) -> None:
    timeframe = Timeframe.parse(name)

    assert timeframe.floor(utc(time)) == utc(opened)
    assert timeframe.next(utc(time)) == utc(following)
    assert timeframe.close_of(utc(opened)) == utc(following)
    assert timeframe.next(utc(opened)) == utc(following)
    assert timeframe.is_open_time(utc(opened))


@pytest.mark.parametrize(
    ("name", "time", "candles", "expected"),
    [
        ("1h", "2024-02-29T23:30", 1, "2024-03-01T00:00"),
        ("1h", "2024-03-01T00:00", -1, "2024-02-29T23:00"),
        ("1d", "2024-02-28T12:00", 2, "2024-03-01"),
        ("1d", "2023-02-28T12:00", 2, "2023-03-02"),
        ("1w", "2024-01-03", -1, "2023-12-25"),
        ("1w", "2024-12-31", 1, "2025-01-06"),
        ("1M", "2024-01-31", 1, "2024-02-01"),
        ("1M", "2024-01-31", -1, "2023-12-01"),
        ("1M", "2024-12-15", 1, "2025-01-01"),
        ("1M", "2024-11-15", 1, "2024-12-01"),
        ("1M", "2024-12-15", -12, "2023-12-01"),
        ("1M", "2024-06-15", -30, "2021-12-01"),
        ("1M", "2024-06-15", 0, "2024-06-01"),
    ],
)
def test_shift_at_hand_checked_times(name: str, time: str, candles: int, expected: str) -> None:
    assert Timeframe.parse(name).shift(utc(time), candles) == utc(expected)


# ----------------------------------------------------------------------------------------- laws


@each_timeframe
@LAW
@given(time=instants)
def test_floor_is_the_last_boundary_and_next_the_first_after(name: str, time: datetime) -> None:
    timeframe = Timeframe.parse(name)
    opened, following = timeframe.floor(time), timeframe.next(time)

    assert opened == naive_floor(name, time)
    assert opened <= time < following
    assert is_boundary(name, following)
    assert timeframe.floor(opened) == opened
    assert timeframe.floor(following - TICK) == opened
    assert timeframe.close_of(opened) == following
    assert timeframe.is_open_time(time) == is_boundary(name, time)


@each_timeframe
@LAW
@given(time=instants)
def test_ceil_is_the_first_open_at_or_after_a_time(name: str, time: datetime) -> None:
    timeframe = Timeframe.parse(name)
    opened = timeframe.ceil(time)

    assert is_boundary(name, opened)
    assert naive_opens(name, time, opened) == []
    assert time <= opened
    assert timeframe.ceil(opened) == opened
    assert timeframe.ceil(opened + TICK) == timeframe.next(opened)
    assert timeframe.ceil(time) == timeframe.next(time - TICK)


@each_timeframe
@LAW
@given(time=instants)
def test_last_open_before_ends_the_half_open_range_up_to_a_time(name: str, time: datetime) -> None:
    timeframe = Timeframe.parse(name)
    opened = timeframe.last_open_before(time)

    assert is_boundary(name, opened)
    assert opened < time <= timeframe.next(opened)
    assert naive_opens(name, opened, time) == [opened]
    assert timeframe.last_open_before(opened + TICK) == opened
    assert timeframe.last_open_before(opened) == timeframe.shift(opened, -1)


@each_timeframe
@LAW
@given(data=st.data())
def test_ceil_and_last_open_before_are_the_first_and_last_open_of_a_range(
    data: st.DataObject, name: str
) -> None:
    timeframe = Timeframe.parse(name)
    start, end = data.draw(ranges(name))
    first, last = timeframe.ceil(start), timeframe.last_open_before(end)
    opens = naive_opens(name, start, end)

    assert [first, last] == [opens[0], opens[-1]] if opens else last < first


@LAW
@given(time=instants)
def test_just_after_ends_the_shortest_range_that_contains_a_time(time: datetime) -> None:
    end = just_after(time)

    assert end == time + TICK
    assert months_between(time, end) == [month_start(time)]


@each_timeframe
@LAW
@given(time=instants, there=st.integers(-400, 400), further=st.integers(-400, 400))
def test_shift_counts_candles_and_undoes_itself(
    name: str, time: datetime, there: int, further: int
) -> None:
    timeframe = Timeframe.parse(name)
    shifted = timeframe.shift(time, there)

    assert is_boundary(name, shifted)
    assert timeframe.shift(shifted, -there) == timeframe.floor(time)
    assert timeframe.shift(shifted, further) == timeframe.shift(time, there + further)
    assert timeframe.shift(time, 0) == timeframe.floor(time)
    assert timeframe.shift(time, 1) == timeframe.next(time)
    earlier, later = sorted([timeframe.floor(time), shifted])
    assert timeframe.count(earlier, later) == abs(there)


@each_timeframe
@LAW
@given(data=st.data())
def test_opens_and_count_agree_with_a_walk_through_the_calendar(
    data: st.DataObject, name: str
) -> None:
    timeframe = Timeframe.parse(name)
    start, end = data.draw(ranges(name))
    opens = timeframe.opens(start, end)

    assert opens.dtype == "datetime64[us, UTC]"
    assert list(opens.to_pydatetime()) == naive_opens(name, start, end)
    assert timeframe.count(start, end) == len(opens)


@each_timeframe
@LAW
@given(times=st.lists(instants, min_size=3, max_size=3))
def test_counts_of_adjoining_ranges_add_up(name: str, times: list[datetime]) -> None:
    timeframe = Timeframe.parse(name)
    first, middle, last = sorted(times)

    assert timeframe.count(first, last) == timeframe.count(first, middle) + timeframe.count(
        middle, last
    )


@each_timeframe
def test_a_range_that_ends_before_it_starts_holds_no_candles(name: str) -> None:
    timeframe = Timeframe.parse(name)
    later, earlier = utc("2024-06-03"), utc("2021-06-03")

    assert timeframe.count(later, earlier) == 0
    assert len(timeframe.opens(later, earlier)) == 0
    assert timeframe.count(later, later) == 0


@each_timeframe
@LAW
@given(
    times=st.lists(instants, max_size=20),
    unit=st.sampled_from(["us", "ns"]),
    as_series=st.booleans(),
)
def test_vectorised_forms_equal_the_scalar_ones_in_any_unit_zone_and_order(
    name: str, times: list[datetime], unit: str, as_series: bool
) -> None:
    timeframe = Timeframe.parse(name)
    index = pd.DatetimeIndex(times, dtype=f"datetime64[{unit}, UTC]").tz_convert("Asia/Seoul")
    offered = pd.Series(index) if as_series else index
    floors, closes = timeframe.floor_all(offered), timeframe.close_all(offered)

    assert floors.dtype == closes.dtype == "datetime64[us, UTC]"
    assert list(floors.to_pydatetime()) == [timeframe.floor(time) for time in times]
    assert list(closes.to_pydatetime()) == [timeframe.next(time) for time in times]


@each_timeframe
@LAW
@given(time=instants, candles=st.integers(-400, 400))
def test_ordinals_of_times_differ_by_the_candles_between_them(
    name: str, time: datetime, candles: int
) -> None:
    timeframe = Timeframe.parse(name)
    here, there = timeframe.ordinals(pd.DatetimeIndex([time, timeframe.shift(time, candles)]))

    assert there - here == candles


@pytest.mark.parametrize(
    ("time", "micros"),
    [
        ("1970-01-01", 0),
        ("1970-01-02T00:00:00.000001", 86_400_000_001),
        ("1969-12-31T23:59:59.999999", -1),
        ("2024-02-29T12:00", calendar.timegm((2024, 2, 29, 12, 0, 0)) * 1_000_000),
    ],
)
@pytest.mark.parametrize("unit", ["us", "ns"])
@pytest.mark.parametrize("zone", ["UTC", "Asia/Seoul", "America/New_York"])
def test_as_micros_counts_from_the_epoch_whatever_unit_and_zone(
    time: str, micros: int, unit: str, zone: str
) -> None:
    index = pd.DatetimeIndex([utc(time)], dtype=f"datetime64[{unit}, UTC]").tz_convert(zone)

    assert as_micros(index).tolist() == [micros]
    assert as_micros(pd.Series(index)).tolist() == [micros]


def test_as_micros_refuses_times_without_a_zone() -> None:
    with pytest.raises(TypeError, match="tz-naive"):
        as_micros(pd.DatetimeIndex(["2024-02-29"]))


# --------------------------------------------------------------------------------------- closed


@each_timeframe
@LAW
@given(time=instants, settle=settles)
def test_a_candle_is_closed_exactly_from_its_close_plus_settle_on(
    name: str, time: datetime, settle: timedelta
) -> None:
    timeframe = Timeframe.parse(name)
    opened = naive_floor(name, time)
    final = timeframe.next(opened) + settle

    assert timeframe.is_closed(opened, final, settle)
    assert not timeframe.is_closed(opened, final - TICK, settle)
    assert timeframe.newest_closed(final, settle) == opened
    assert timeframe.newest_closed(final - TICK, settle) == timeframe.shift(opened, -1)


@each_timeframe
@LAW
@given(now=instants, settle=settles)
def test_newest_closed_is_closed_and_the_one_after_it_is_not(
    name: str, now: datetime, settle: timedelta
) -> None:
    timeframe = Timeframe.parse(name)
    newest = timeframe.newest_closed(now, settle)

    assert is_boundary(name, newest)
    assert timeframe.is_closed(newest, now, settle)
    assert not timeframe.is_closed(timeframe.next(newest), now, settle)


@pytest.mark.parametrize(
    ("name", "now", "settle_seconds", "newest"),
    [
        ("1h", "2024-03-01T00:00:00", 0, "2024-02-29T23:00"),
        ("1h", "2024-03-01T00:00:00", 2, "2024-02-29T22:00"),
        ("1h", "2024-03-01T00:00:01.999999", 2, "2024-02-29T22:00"),
        ("1h", "2024-03-01T00:00:02", 2, "2024-02-29T23:00"),
        ("1d", "2024-03-01T00:00:02", 2, "2024-02-29"),
        ("1w", "2024-01-07T23:59:59", 0, "2023-12-25"),
        ("1w", "2024-01-08T00:00:00", 0, "2024-01-01"),
        ("1M", "2024-03-01T00:00:01", 2, "2024-01-01"),
        ("1M", "2024-03-01T00:00:02", 2, "2024-02-01"),
        ("1M", "2024-01-15T00:00:00", 0, "2023-12-01"),
    ],
)
def test_newest_closed_at_hand_checked_times(
    name: str, now: str, settle_seconds: int, newest: str
) -> None:
    settle = timedelta(seconds=settle_seconds)

    assert Timeframe.parse(name).newest_closed(utc(now), settle) == utc(newest)


# ------------------------------------------------------------------------- relations and lengths

SPAN_DAYS = {"m": 3, "h": 3}  # over a month end; above that, a whole year
BOUNDARIES = {
    name: naive_opens(
        name,
        utc("2024-02-28"),
        utc("2024-02-28") + timedelta(days=SPAN_DAYS.get(name[-1], 400)),
    )
    for name in NAMES
}


@each_timeframe
def test_a_timeframe_divides_those_whose_every_boundary_is_one_of_its_own(name: str) -> None:
    made_of_whole_candles = [
        coarser
        for coarser in NAMES
        if coarser != name and all(is_boundary(name, time) for time in BOUNDARIES[coarser])
    ]

    finer = Timeframe.parse(name)
    divided = [coarser for coarser in NAMES if finer.divides(Timeframe.parse(coarser))]

    assert divided == made_of_whole_candles


@each_timeframe
def test_straddles_months_when_some_candle_spans_the_first_of_a_month(name: str) -> None:
    spans = any((end - TICK).month != start.month for start, end in pairwise(BOUNDARIES[name]))

    assert Timeframe.parse(name).straddles_months == spans


@pytest.mark.parametrize("name", [name for name in NAMES if name != "1M"])
def test_seconds_is_the_distance_between_boundaries(name: str) -> None:
    timeframe = Timeframe.parse(name)

    assert {end - start for start, end in pairwise(BOUNDARIES[name])} == {
        timedelta(seconds=timeframe.seconds)
    }
    assert not timeframe.is_month


def test_a_month_counts_as_thirty_days_and_names_are_listed_from_fine_to_coarse() -> None:
    assert Timeframe.parse("1M").seconds == 30 * 24 * 60 * 60
    assert Timeframe.parse("1M").is_month
    assert sorted(NAMES, key=lambda name: Timeframe.parse(name).seconds) == list(NAMES)


@each_timeframe
def test_parsed_timeframes_are_values(name: str) -> None:
    assert str(Timeframe.parse(name)) == name
    assert len({Timeframe.parse(name), Timeframe.parse(name)}) == 1


@pytest.mark.parametrize(
    "name", ["", "1", "h", "1H", "1D", "1W", "60m", "7m", "2d", "2M", "1y", " 1h", "1h ", "h1", "M"]
)
def test_unknown_names_are_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        Timeframe.parse(name)

    assert repr(name) in str(refusal.value)
    assert all(f"{known} " in str(refusal.value) for known in NAMES)


# --------------------------------------------------------------------------------------- months


def every_month() -> list[datetime]:
    return [
        datetime(year, month, 1, tzinfo=UTC) for year in range(1964, 2097) for month in range(1, 13)
    ]


@settings(LAW, max_examples=100)
@given(instants)
def test_month_start_and_next_month_enclose_as_many_days_as_the_calendar_has(
    time: datetime,
) -> None:
    start, following = month_start(time), next_month(time)

    assert start <= time < following
    assert start.day == following.day == 1
    assert (following - start).days == calendar.monthrange(time.year, time.month)[1]
    assert month_start(following - TICK) == start
    assert next_month(start) == following


@settings(LAW, max_examples=100)
@given(instants, st.one_of(st.timedeltas(timedelta(-400), timedelta(400)), st.just(timedelta(0))))
def test_months_between_are_those_that_share_an_instant_with_the_range(
    start: datetime, length: timedelta
) -> None:
    end = start + length
    touched = [
        month
        for month, following in pairwise(every_month())
        if max(month, start) < min(following, end)
    ]

    assert months_between(start, end) == touched


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2024-01-01", "2024-02-01", ["2024-01"]),
        ("2024-01-31T23:59", "2024-02-01T00:01", ["2024-01", "2024-02"]),
        ("2023-11-15", "2024-02-01", ["2023-11", "2023-12", "2024-01"]),
        ("2024-01-01", "2024-01-01", []),
        ("2024-01-15", "2024-01-15", []),
        ("2024-01-15", "2024-01-10", []),
        ("2024-03-15", "2024-01-10", []),
    ],
)
def test_months_between_at_hand_checked_ranges(start: str, end: str, expected: list[str]) -> None:
    assert [month_label(month) for month in months_between(utc(start), utc(end))] == expected


@pytest.mark.parametrize(
    ("months", "expected"),
    [
        ([], ""),
        (["2024-01"], "2024-01"),
        (["2024-01", "2024-02"], "2024-01 to 2024-02"),
        (["2024-01", "2024-03"], "2024-01, 2024-03"),
        (["2023-11", "2023-12", "2024-01", "2024-02"], "2023-11 to 2024-02"),
        (
            ["2024-01", "2024-02", "2024-03", "2024-04", "2024-05", "2024-08"],
            "2024-01 to 2024-05, 2024-08",
        ),
        (["2024-08", "2024-02", "2024-01"], "2024-01 to 2024-02, 2024-08"),
        (["2023-01", "2024-01"], "2023-01, 2024-01"),
    ],
)
def test_describe_months_joins_neighbours(months: list[str], expected: str) -> None:
    assert describe_months([utc(f"{month}-01") for month in months]) == expected


@settings(LAW, max_examples=100)
@given(st.sets(st.integers(0, 60)))
def test_describe_months_names_exactly_the_months_given_in_the_fewest_words(
    chosen: set[int],
) -> None:
    months = every_month()[:61]
    labels = [f"{month.year}-{month.month:02d}" for month in months]
    text = describe_months([months[position] for position in chosen])

    named: set[int] = set()
    parts = text.split(", ") if text else []
    for part in parts:
        first, _, last = part.partition(" to ")
        named |= set(range(labels.index(first), labels.index(last or first) + 1))
    assert named == chosen
    assert len(parts) == len([month for month in chosen if month - 1 not in chosen])
