"""Waits between attempts: doubled up to a limit, and as long as a server requests."""

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest

from coin_assets.domain.backoff import backoff, retry_after

NOW = datetime(2026, 11, 22, 20, 40, tzinfo=UTC)
LATER = NOW + timedelta(seconds=90)


def test_the_wait_doubles_with_each_failure_up_to_the_longest() -> None:
    assert [backoff(2.0, 64.0, failures) for failures in range(1, 8)] == [2, 4, 8, 16, 32, 64, 64]
    first, longest = timedelta(seconds=5), timedelta(minutes=15)
    assert backoff(first, longest, 1) == first
    assert backoff(first, longest, 8) == timedelta(seconds=640)
    assert backoff(first, longest, 10**9) == longest


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30", 30.0),
        (" 1.5 ", 1.5),
        (format_datetime(LATER, usegmt=True), 90.0),
        (format_datetime(LATER.astimezone(timezone(timedelta(hours=-5)))), 90.0),
        ("Sun, 22 Nov 2026 20:41:00 -0000", 60.0),
        ("Sun, 22 Nov 2026 20:39:30 GMT", 0.0),
        ("9" * 400, 1e9),
        ("-5", None),
        ("soon", None),
        ("nan", None),
        ("", None),
    ],
)
@pytest.mark.parametrize("name", ["Retry-After", "retry-after"])
def test_retry_after_is_read_as_seconds_or_date(
    name: str, text: str, seconds: float | None
) -> None:
    assert retry_after({"Date": "x", name: text}, NOW) == seconds
    assert retry_after({}, NOW) is None


@pytest.mark.parametrize("text", ["90", format_datetime(LATER)])
def test_no_request_to_wait_is_longer_than_the_longest(text: str) -> None:
    assert retry_after({"Retry-After": text}, NOW, longest=60.0) == 60.0
