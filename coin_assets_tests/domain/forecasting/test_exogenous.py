"""What is known of an exogenous series: from its publication on, whatever comes later."""

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coin_assets.domain.forecasting.exogenous import (
    STORING,
    Progress,
    column_of,
    joined,
    known_values,
    published,
    received,
    validated_values,
    with_news,
)
from coin_assets.domain.timeframes import Timeframe
from coin_assets.errors import DataRefused
from coin_assets_tests.models.trainings import candles
from coin_assets_tests.platform import series, utc

START, HOUR = pd.Timestamp("2026-01-01", tz="UTC"), timedelta(hours=1)
LONG = timedelta(days=365)
FEWER = settings(max_examples=30)
Row = tuple[int, int, float]  # hours of the time described and of its publication, value


def frame(*rows: Row) -> pd.DataFrame:
    return validated_values(
        pd.DataFrame(
            {
                "timestamp": [START + described * HOUR for described, _, _ in rows],
                "known_at": [START + known * HOUR for _, known, _ in rows],
                "value": [float(value) for _, _, value in rows],
            }
        )
    )


def known(values: pd.DataFrame, *hours: int, age: timedelta = LONG) -> list[float | None]:
    times = pd.DatetimeIndex([START + hour * HOUR for hour in hours])
    found = known_values(values, times, age)
    return [None if np.isnan(each) else float(each) for each in found]


def naive_known(rows: list[Row], hour: int) -> float | None:
    """By the definition."""
    seen = [row for row in rows if row[1] <= hour]
    return max(seen, key=lambda row: (row[0], row[1]))[2] if seen else None


def test_a_value_counts_from_its_publication_on() -> None:
    values = frame((0, 3, 1.0), (4, 9, 2.0))
    assert known(values, 0, 2, 3, 8, 9, 30) == [None, None, 1.0, 1.0, 2.0, 2.0]


def test_a_revision_counts_from_when_it_was_made() -> None:
    values = frame((0, 1, 1.0), (0, 6, 1.5), (2, 3, 2.0), (2, 8, 2.5))
    assert known(values, 1, 2, 3, 6, 7, 8) == [1.0, 1.0, 2.0, 2.0, 2.0, 2.5]


def test_a_late_value_of_an_earlier_time_does_not_replace_a_newer_one() -> None:
    values = frame((5, 6, 5.0), (3, 8, 3.0), (6, 9, 6.0))
    assert known(values, 6, 8, 9) == [5.0, 5.0, 6.0]


def test_an_old_value_is_no_knowledge() -> None:
    values = frame((0, 2, 1.0))
    assert known(values, 2, 6, 7, age=6 * HOUR) == [1.0, 1.0, None]
    assert known(frame(), 3) == [None]


ROWS = st.lists(
    st.tuples(st.integers(0, 20), st.integers(0, 10), st.integers(1, 9)),
    max_size=12,
    unique_by=lambda row: (row[0], row[0] + row[1]),
).map(lambda made: [(row[0], row[0] + row[1], float(row[2])) for row in made])


@FEWER
@given(ROWS, st.integers(0, 35))
def test_it_is_the_newest_of_what_was_published(rows: list[Row], hour: int) -> None:
    assert known(frame(*rows), hour) == [naive_known(rows, hour)]


@FEWER
@given(ROWS, ROWS, st.integers(0, 35))
def test_nothing_that_is_published_later_changes_what_was_known(
    rows: list[Row], later: list[Row], hour: int
) -> None:
    added = [row for row in later if row[1] > hour and (row[0], row[1]) not in _places(rows)]
    hours = range(hour + 1)
    assert known(frame(*rows, *added), *hours) == known(frame(*rows), *hours)


def at(hours: float) -> datetime:
    return (START + hours * HOUR).to_pydatetime()


def fetched(stored: pd.DataFrame, progress: Progress, answer: dict[int, int], hours: float) -> Any:
    """What is stored after an answer that came at ``hours``; values are published an hour later."""
    rows = frame(*((hour, hour + 1, float(value)) for hour, value in answer.items()))
    return with_news(stored, received(rows, progress, at(hours)), at(hours))


@settings(max_examples=12)
@given(
    st.dictionaries(st.integers(0, 20), st.integers(1, 9), max_size=6),
    st.lists(st.dictionaries(st.integers(0, 20), st.integers(1, 9), max_size=6), max_size=5),
)
def test_no_fetch_after_the_history_changes_what_was_known_before_it(
    history: dict[int, int], fetches: list[dict[int, int]]
) -> None:
    """Each fetch may lack times, fill holes and correct values, as sources do."""
    begun = Progress(at(12), at(-1))
    stored = fetched(frame(), begun, history, 12)
    for number, answer in enumerate(fetches):
        seen, progress = 21 + number, Progress(at(12), at(20 + number))
        found = fetched(stored, progress, answer, seen)
        before = range(seen + 1)
        assert known(found, *before) == known(stored, *before)
        for hour, value in answer.items():
            rows = found[found["timestamp"] == START + hour * HOUR]
            assert rows["value"].iloc[-1] == value
        again = fetched(found, progress, answer, seen + 0.5)
        pd.testing.assert_frame_equal(again, found)
        stored = found


def test_the_history_counts_from_its_publication_and_all_else_from_its_receipt_too() -> None:
    values = fetched(frame(), Progress(at(50), at(-9)), {0: 1, 3: 3}, 51)
    assert known(values, 0, 1, 4) == [None, 1.0, 3.0]
    complete = Progress(at(50), at(50))
    filled = fetched(values, complete, {0: 7, 2: 2, 3: 3}, 60)
    assert len(filled) == 4
    assert set(filled["known_at"].iloc[[1, 2]]) == {START + 60 * HOUR + STORING}
    prompt, late = (fetched(frame(), complete, {60: 1}, hours) for hours in (60.5, 64))
    assert prompt["known_at"].tolist() == [START + 61 * HOUR]
    assert late["known_at"].tolist() == [START + 64 * HOUR + STORING]


def test_a_history_that_is_fetched_in_parts_is_that_of_one_fetch() -> None:
    whole = fetched(frame(), Progress(at(50), at(0)), {1: 1, 5: 2, 49: 3}, 50)
    parts = fetched(frame(), Progress(at(50), at(0)), {1: 1}, 50)
    parts = fetched(parts, Progress(at(50), at(0)), {1: 1, 5: 2}, 53)  # killed before it was noted
    parts = fetched(parts, Progress(at(50), at(6)), {49: 3}, 54)
    pd.testing.assert_frame_equal(parts, whole)
    assert not Progress(at(50), at(6)).is_complete


def test_a_correction_before_a_value_counts_takes_its_place() -> None:
    complete = Progress(at(0), at(9))
    once = fetched(frame(), complete, {10: 1}, 10.1)
    assert fetched(once, complete, {10: 2}, 10.2)[["value"]].to_numpy().tolist() == [[2.0]]


def test_candles_get_what_was_known_at_their_close() -> None:
    hour = series("1h")
    made = candles(hour, utc("2026-01-01"), utc("2026-01-01T06:00"))
    values = frame((0, 1, 10.0), (2, 4, 20.0))
    found = joined(made, Timeframe("1h"), {"implied_volatility": values, "none": frame()}, LONG)
    assert found[column_of("implied_volatility")].tolist() == [10.0] * 3 + [20.0] * 3
    assert found[column_of("none")].isna().all()
    assert list(made.columns) == list(found.columns)[: len(made.columns)]


def test_values_published_at_once_or_later_are_a_frame() -> None:
    times = pd.DatetimeIndex([START, START + HOUR])
    found = published(times, timedelta(minutes=5), np.array([1.0, 2.0]))
    assert (found["known_at"] - found["timestamp"]).eq(timedelta(minutes=5)).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"value": [np.nan]}, "values are finite"),
        ({"known_at": [START - HOUR]}, "known at the time that it describes, or later"),
        ({"known_at": [pd.Timestamp("2026-01-02")]}, "no time zone"),
    ],
)
def test_what_is_no_exogenous_frame_is_refused(
    change: dict[str, list[object]], message: str
) -> None:
    sound = {"timestamp": [START], "known_at": [START], "value": [1.0]}
    with pytest.raises(DataRefused, match=message):
        validated_values(pd.DataFrame(sound | change))
    with pytest.raises(DataRefused, match="one value is known of a time at a time"):
        validated_values(pd.concat([pd.DataFrame(sound)] * 2))
    with pytest.raises(DataRefused, match=r"\['value'\] are missing"):
        validated_values(pd.DataFrame(sound).drop(columns="value"))


def _places(rows: list[Row]) -> set[tuple[int, int]]:
    return {(row[0], row[1]) for row in rows}
