"""What is kept moves once a day, at midnight UTC, and never by the minute."""

from datetime import datetime, timedelta

import pytest

from coin_assets.domain.retention import kept_from
from coin_assets_tests.platform import utc


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
