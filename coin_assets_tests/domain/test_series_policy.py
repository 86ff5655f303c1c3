"""What is kept of candles moves once a day, at midnight UTC, and never by the minute.

The source measures the variance of weeks and months, as far back as it is kept.
Of model versions those go that are old, not monthly, not among the newest, and named by nothing.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coin_assets.domain.evaluation.version_retention import expendable_versions
from coin_assets.domain.limits import FreshnessLimits
from coin_assets.domain.methods import HAR
from coin_assets.domain.series_policy import SeriesPolicy, VarianceSource, kept_from
from coin_assets.domain.timeframes import months_between
from coin_assets_tests.platform import series, utc


@pytest.mark.parametrize(
    ("now", "keep", "expected"),
    [
        ("2024-07-10T12:30", timedelta(days=14), "2024-06-26"),
        ("2024-07-10T00:00", timedelta(days=14), "2024-06-26"),
        ("2024-07-10T23:59:59.999999", timedelta(days=14), "2024-06-26"),
        ("2024-07-11T00:00", timedelta(days=14), "2024-06-27"),
        ("2024-07-10T12:30", timedelta(hours=36), "2024-07-08T12:00"),
        ("2024-03-02T05:00", timedelta(weeks=1), "2024-02-24"),
    ],
)
def test_kept_from_counts_back_from_the_last_midnight(
    now: str, keep: timedelta, expected: str
) -> None:
    assert kept_from(utc(now), keep) == utc(expected)


def test_what_is_kept_is_never_less_than_promised() -> None:
    keep = timedelta(days=3)
    for hour in range(72):
        now: datetime = utc("2024-07-10") + timedelta(hours=hour)
        assert now - keep - timedelta(days=1) < kept_from(now, keep) <= now - keep


# ------------------------------------------------------------------------------------ the variance


@pytest.mark.parametrize(
    ("timeframe", "source", "is_measured"),
    [
        ("1w", "1h", True),
        ("1M", "1d", True),
        ("1w", "1m", True),
        ("1w", "1w", False),
        ("1d", "1h", False),
        ("4h", "1h", False),
    ],
)
def test_weeks_and_months_are_measured_by_the_source_candles_that_are_kept(
    timeframe: str, source: str, is_measured: bool
) -> None:
    finer, limit = series(source), FreshnessLimits(timedelta(days=1), timedelta(days=2))
    year, start = timedelta(days=365), utc("2020-01-01")
    policy = SeriesPolicy(series(timeframe), finer, start, limit, None, 2, None, year)
    assert policy.measures_by_source == is_measured
    expected = VarianceSource(finer, utc("2023-07-11")) if is_measured else None
    assert policy.variance_source(utc("2024-07-10T12:30")) == expected
    kept = replace(policy, source_retention=None).variance_source(utc("2024-07-10"))
    assert kept == (VarianceSource(finer, start) if is_measured else None)


# ----------------------------------------------------------------------------------------- versions

NOW = utc("2024-07-10T12:30")


@dataclass(frozen=True)
class Version:
    number: int
    cutoff: datetime
    method: str = HAR

    @property
    def name(self) -> str:
        return str(self.number)


def daily(first: str, days: int, at: timedelta = timedelta(hours=6)) -> list[Version]:
    """Versions trained every day."""
    begin = utc(first) + at
    return [Version(day + 1, begin + day * timedelta(days=1)) for day in range(days)]


def test_versions_that_are_old_go_and_the_rest_stays() -> None:
    versions = daily("2024-01-01", 190)
    gone = expendable_versions(versions, {"3", "5"}, NOW)
    border = utc("2024-04-11T12:30")  # ninety days before
    expected = [each for each in versions if each.cutoff < border and each.name not in {"3", "5"}]
    assert gone == expected
    assert gone[-1].cutoff == utc("2024-04-11T06:00")


def test_a_version_of_exactly_ninety_days_stays() -> None:
    old = Version(1, NOW - timedelta(days=90))
    older = Version(2, NOW - timedelta(days=90) - timedelta.resolution)
    rest = [Version(number, NOW) for number in range(3, 13)]
    assert expendable_versions([old, older, *rest], (), NOW) == [older]


def test_monthly_versions_stay_for_ever() -> None:
    versions = daily("2020-01-01", 1000, at=timedelta(0))
    gone = expendable_versions(versions, (), NOW)
    kept = {each.cutoff for each in versions if each not in gone}
    monthly = set(months_between(versions[0].cutoff, versions[-1].cutoff))
    assert kept == monthly | {each.cutoff for each in versions[-10:]}


def test_the_newest_ten_by_number_stay_whatever_their_cutoff() -> None:
    versions = [Version(number, utc("2020-01-05")) for number in range(1, 16)]
    assert expendable_versions(versions, (), NOW) == versions[:5]
    assert expendable_versions(versions[::-1], (), NOW) == versions[:5]
    assert expendable_versions(versions[:10], (), NOW) == []


@given(
    st.lists(st.integers(0, 400), max_size=40),
    st.sets(st.integers(1, 40)),
    st.integers(0, 100),
)
def test_nothing_that_is_needed_ever_goes(ages: list[int], named: set[int], later: int) -> None:
    versions = [
        Version(number, utc("2024-07-10") - timedelta(days=age))
        for number, age in enumerate(ages, 1)
    ]
    names = {str(number) for number in named}
    gone = expendable_versions(versions, names, NOW)
    for version in gone:
        assert NOW - version.cutoff > timedelta(days=90)
        assert version.cutoff.day != 1
        assert version.name not in names
        assert sum(other.number > version.number for other in versions) >= 10
    rest = [each for each in versions if each not in gone]
    assert expendable_versions(rest, names, NOW) == []
    at_a_later_time = expendable_versions(versions, names, NOW + timedelta(days=later))
    assert set(gone) <= set(at_a_later_time)
