"""The due matrix: up to a day daily, weeks on Mondays, months on the 1st."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coin_assets.domain.evaluation.retraining import due_cutoff, due_timeframes
from coin_assets.domain.timeframes import NAMES, Timeframe

ALL = [Timeframe.parse(name) for name in NAMES]
DAILY = set(NAMES) - {"1w", "1M"}


@pytest.mark.parametrize(
    ("day", "longer"),
    [
        (date(2026, 11, 23), {"1w"}),  # a Monday
        (date(2026, 12, 1), {"1M"}),  # a Tuesday
        (date(2026, 6, 1), {"1w", "1M"}),  # both
        (date(2026, 11, 24), set()),  # neither
        (date(2024, 2, 29), set()),  # a leap day, on a Thursday
        (date(2016, 2, 29), {"1w"}),  # a leap day, on a Monday
        (date(2024, 3, 1), {"1M"}),  # the day after
        (date(2029, 1, 1), {"1w", "1M"}),  # a new year
    ],
)
def test_what_is_due(day: date, longer: set[str]) -> None:
    assert {timeframe.name for timeframe in due_timeframes(ALL, day)} == DAILY | longer


@given(st.lists(st.sampled_from(ALL), unique=True), st.dates())
def test_only_what_is_configured_is_due_in_its_order(chosen: list[Timeframe], day: date) -> None:
    due = due_timeframes(chosen, day)
    assert due == [timeframe for timeframe in chosen if timeframe in due]
    assert {each.name for each in chosen} & DAILY <= {each.name for each in due}


@given(st.dates(max_value=date(9998, 1, 1)))
def test_over_a_year_nothing_is_forgotten(start: date) -> None:
    # 366 days hold the first of every month, whatever year they begin in.
    days = [date.fromordinal(start.toordinal() + number) for number in range(366)]
    due = [timeframe.name for day in days for timeframe in due_timeframes(ALL, day)]
    assert due.count("1w") in (52, 53)
    assert due.count("1M") in (12, 13)
    assert all(due.count(name) == 366 for name in DAILY)


@pytest.mark.parametrize(
    ("name", "now", "cutoff"),
    [
        ("1h", "2026-11-24T00:44", "2026-11-23T00:00"),  # the schedule comes first
        ("1h", "2026-11-24T00:45", "2026-11-24T00:00"),
        ("1m", "2026-11-24T23:59", "2026-11-24T00:00"),
        ("3d", "2026-11-26T12:00", "2026-11-24T00:00"),  # a multiple since 1970
        ("1w", "2026-11-23T00:44", "2026-11-16T00:00"),  # a Monday
        ("1w", "2026-11-23T00:45", "2026-11-23T00:00"),
        ("1w", "2026-11-29T23:00", "2026-11-23T00:00"),
        ("1M", "2026-12-01T00:44", "2026-11-01T00:00"),
        ("1M", "2026-12-31T00:00", "2026-12-01T00:00"),
    ],
)
def test_the_cutoff_that_is_due_is_that_of_the_last_night(name: str, now: str, cutoff: str) -> None:
    at, expected = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (now, cutoff))
    assert due_cutoff(Timeframe.parse(name), at) == expected


@given(
    st.sampled_from(ALL),
    st.integers(0, 20 * 365 * 24 * 60).map(
        lambda minutes: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    ),
)
def test_what_the_schedule_trains_is_never_due_again(timeframe: Timeframe, now: datetime) -> None:
    night = now.replace(hour=0, minute=35, second=0, microsecond=0)
    if due_timeframes([timeframe], night.date()):
        assert due_cutoff(timeframe, night + timedelta(hours=23)) <= timeframe.floor(night)
    assert due_cutoff(timeframe, now) <= due_cutoff(timeframe, now + timedelta(days=1))
