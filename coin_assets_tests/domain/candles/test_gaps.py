"""Gaps are the maximal runs of candles that a range should hold and does not."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coin_assets.domain.candles.gaps import Gap, find_gaps
from coin_assets.domain.timeframes import NAMES, Timeframe
from coin_assets_tests.realdata import real_candles, requires_real_data

LAW = settings(max_examples=15, deadline=None)
HOUR = Timeframe.parse("1h")
START = datetime(2024, 2, 29, 20, tzinfo=UTC)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def series(opens: list[datetime], unit: str = "us") -> "pd.Series[pd.Timestamp]":
    return pd.Series(pd.DatetimeIndex(opens, dtype=f"datetime64[{unit}, UTC]"))


def naive_gaps(
    opens: list[datetime], timeframe: Timeframe, start: datetime, end: datetime
) -> list[Gap]:
    """Walk from open to open; a gap grows while candles are missing and ends where one is there."""
    gaps: list[Gap] = []
    at = start if timeframe.is_open_time(start) else timeframe.next(start)
    while at < end:
        following = timeframe.next(at)
        if at not in opens:
            if gaps and gaps[-1].end == at:
                gaps[-1] = Gap(gaps[-1].start, following, gaps[-1].count + 1)
            else:
                gaps.append(Gap(at, following, 1))
        at = following
    return gaps


@pytest.mark.parametrize("name", NAMES)
@LAW
@given(
    present=st.sets(st.integers(-5, 40)),
    first=st.integers(-3, 20),
    count=st.integers(-2, 30),
    offsets=st.tuples(st.integers(-1, 1), st.integers(-1, 1)),
    unit=st.sampled_from(["us", "ns"]),
)
def test_gaps_equal_a_walk_from_open_to_open(
    name: str,
    present: set[int],
    first: int,
    count: int,
    offsets: tuple[int, int],
    unit: str,
) -> None:
    timeframe = Timeframe.parse(name)
    opens = [timeframe.shift(START, number) for number in sorted(present)]
    start = timeframe.shift(START, first) + timedelta(seconds=offsets[0])
    end = timeframe.shift(START, first + count) + timedelta(seconds=offsets[1])

    gaps = find_gaps(series(opens, unit), timeframe, start, end)

    assert gaps == naive_gaps(opens, timeframe, start, end)


@pytest.mark.parametrize("name", NAMES)
@LAW
@given(present=st.sets(st.integers(0, 40)), length=st.integers(0, 40))
def test_gap_counts_and_present_candles_fill_the_range_and_gaps_never_touch(
    name: str, present: set[int], length: int
) -> None:
    timeframe = Timeframe.parse(name)
    opens = [timeframe.shift(START, number) for number in sorted(present)]
    start, end = timeframe.shift(START, 0), timeframe.shift(START, length)

    gaps = find_gaps(series(opens), timeframe, start, end)

    assert sum(gap.count for gap in gaps) + len([n for n in present if n < length]) == length
    assert all(gap.count == timeframe.count(gap.start, gap.end) for gap in gaps)
    assert all(left.end < right.start for left, right in pairwise(gaps))


HOURS = [START + timedelta(hours=number) for number in range(6)]


@pytest.mark.parametrize(
    ("opens", "start", "end", "expected"),
    [
        (HOURS, HOURS[0], HOURS[5], []),
        ([], HOURS[0], HOURS[5], [Gap(HOURS[0], HOURS[5], 5)]),
        ([], HOURS[0], HOURS[0], []),
        ([], HOURS[5], HOURS[0], []),
        (HOURS[2:], HOURS[0], HOURS[5], [Gap(HOURS[0], HOURS[2], 2)]),
        (HOURS[:3], HOURS[0], HOURS[5], [Gap(HOURS[3], HOURS[5], 2)]),
        (HOURS[:2] + HOURS[3:], HOURS[0], HOURS[5], [Gap(HOURS[2], HOURS[3], 1)]),
        (
            [HOURS[0], HOURS[2], HOURS[4]],
            HOURS[0],
            HOURS[5],
            [Gap(HOURS[1], HOURS[2], 1), Gap(HOURS[3], HOURS[4], 1)],
        ),
        ([HOURS[0], HOURS[5]], HOURS[2], HOURS[4], [Gap(HOURS[2], HOURS[4], 2)]),
    ],
    ids=[
        "complete",
        "nothing there",
        "empty range",
        "range backwards",
        "lacks the beginning",
        "lacks the end",
        "lacks one inside",
        "two gaps apart",
        "candles outside the range only",
    ],
)
def test_gaps_at_hand_checked_ranges(
    opens: list[datetime], start: datetime, end: datetime, expected: list[Gap]
) -> None:
    assert find_gaps(series(opens), HOUR, start, end) == expected


@pytest.mark.parametrize(
    ("name", "present", "expected"),
    [
        ("1w", ["2023-12-18", "2024-01-08"], ("2023-12-25", "2024-01-08", 2)),
        ("1M", ["2023-11-01", "2023-12-01", "2024-03-01"], ("2024-01-01", "2024-03-01", 2)),
    ],
)
def test_weeks_and_months_are_missed_by_the_calendar(
    name: str, present: list[str], expected: tuple[str, str, int]
) -> None:
    opens = [utc(text) for text in present]
    timeframe = Timeframe.parse(name)

    gaps = find_gaps(series(opens), timeframe, opens[0], timeframe.next(opens[-1]))

    assert gaps == [Gap(utc(expected[0]), utc(expected[1]), expected[2])]


def real_gaps(symbol: str) -> list[Gap]:
    opens = real_candles(symbol, "1h")["timestamp"]
    return find_gaps(opens, HOUR, opens.iloc[0].to_pydatetime(), utc("2025-07-01"))


@requires_real_data
def test_bitcoin_has_the_known_outages_of_the_exchange() -> None:
    gaps = real_gaps("BTC/USDT")

    assert len(gaps) == 28
    assert sum(gap.count for gap in gaps) == 128
    longest = max(gaps, key=lambda gap: gap.count)
    assert longest == Gap(utc("2018-02-08T01:00"), utc("2018-02-09T10:00"), 33)
    assert gaps[-1].start == utc("2023-03-24T13:00")


@requires_real_data
@pytest.mark.parametrize("symbol", ["ETH/USDT", "XRP/USDT"])
def test_outages_are_shared_by_all_symbols_since_their_listing(symbol: str) -> None:
    listed = real_candles(symbol, "1h")["timestamp"].iloc[0]

    gaps = real_gaps(symbol)

    assert len(gaps) > 20
    assert gaps == [gap for gap in real_gaps("BTC/USDT") if gap.start >= listed]
