"""The due matrix: up to a day daily, weeks on Mondays, months on the 1st."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coin_assets.domain.evaluation.retraining import due_timeframes
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
