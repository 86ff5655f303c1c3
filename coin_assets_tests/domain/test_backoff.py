"""Waits between attempts: doubled up to a limit, and as long as a server requests."""

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coin_assets.domain.backoff import backoff, failures_to_longest, look_back, retry_after

NOW = datetime(2026, 11, 22, 20, 40, tzinfo=UTC)
LATER = NOW + timedelta(seconds=90)


def test_the_wait_doubles_with_each_failure_up_to_the_longest() -> None:
    assert [backoff(2.0, 64.0, failures) for failures in range(1, 8)] == [2, 4, 8, 16, 32, 64, 64]
    first, longest = timedelta(seconds=5), timedelta(minutes=15)
    assert backoff(first, longest, 1) == first
    assert backoff(first, longest, 8) == timedelta(seconds=640)
    assert backoff(first, longest, 10**9) == longest


def test_the_longest_wait_is_reached_after_the_failures_to_it_and_not_before() -> None:
    first, longest = timedelta(seconds=5), timedelta(minutes=15)
    assert failures_to_longest(first, longest) == 9
    assert backoff(first, longest, 8) < backoff(first, longest, 9) == longest
    assert failures_to_longest(longest, longest) == 1
    assert failures_to_longest(timedelta(microseconds=1), timedelta(days=10_000)) == 31


@given(
    first=st.timedeltas(timedelta(seconds=1), timedelta(hours=1)),
    times=st.floats(1, 10_000),
    attempts=st.lists(st.floats(0, 1), min_size=40, max_size=40),
)
def test_the_look_back_holds_all_failures_after_which_the_wait_is_the_longest(
    first: timedelta, times: float, attempts: list[float]
) -> None:
    """A task that fails for ever, tried again when the failures in the look-back allow it."""
    longest, attempt = first * times, timedelta(minutes=2)
    span, failures, now = look_back(first, longest, attempt), [NOW], NOW
    for number, share in enumerate(attempts, 2):
        counted = sum(each >= now - span for each in failures)
        now = failures[-1] + backoff(first, longest, counted)
        assert now - failures[-1] == backoff(first, longest, number - 1)
        # When the wait is over, the same failures count.
        assert backoff(first, longest, sum(each >= now - span for each in failures)) == (
            now - failures[-1]
        )
        now += attempt * share
        failures.append(now)


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
