"""Durations have at most two units, and are never longer than they were."""

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coin_assets.domain.durations import duration_text

UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86400}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (89.4, "1 min"),
        (65 * 60, "65 min"),
        (119 * 60 + 59, "119 min"),
        (7200, "2 h"),
        (125 * 60 + 30, "2 h 5 min"),
        (12_600, "3 h 30 min"),
        (86400 + 300, "24 h 5 min"),
        (48 * 3600 - 60, "47 h 59 min"),
        (48 * 3600, "2 d"),
        (3 * 86400 + 4 * 3600 + 60, "3 d 4 h"),
        (36 * 86400 + 61 * 60, "36 d 1 h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration_text(timedelta(seconds=seconds)) == text


@given(st.timedeltas(timedelta(0), timedelta(days=4000)))
def test_a_text_reads_back_to_the_duration_less_than_one_of_its_smallest_possible_unit(
    duration: timedelta,
) -> None:
    text = duration_text(duration)
    parts = re.findall(r"(\d+) (s|min|h|d)\b", text)
    read = sum(int(count) * UNITS[unit] for count, unit in parts)

    smallest = {"s": 1, "min": 60, "h": 60, "d": 3600}[parts[0][1]]
    assert " ".join(f"{count} {unit}" for count, unit in parts) == text
    assert 1 <= len(parts) <= 2
    assert timedelta(0) <= duration - timedelta(seconds=read) < timedelta(seconds=smallest)
