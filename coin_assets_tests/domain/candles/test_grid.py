"""The candle grid has one place for each candle of time, and NaN where a candle is missing."""

import math
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coin_assets.domain.candles.grid import CandleGrid, adjacent, candle_returns, candle_rows
from coin_assets.domain.timeframes import NAMES, Timeframe

LAW = settings(max_examples=20, deadline=None)
START = datetime(2024, 2, 12, 20, tzinfo=UTC)
# Places of existing candles, ascending; the first one need not be 0.
places = st.lists(st.integers(0, 40), min_size=1, unique=True).map(sorted)


def candles_at(at: list[int], timeframe: Timeframe) -> pd.DataFrame:
    """Candles at some places after `START`; the close is the place plus one."""
    opens = [timeframe.shift(START, place) for place in at]
    return pd.DataFrame(
        {"timestamp": pd.DatetimeIndex(opens), "close": [float(place + 1) for place in at]}
    )


@pytest.mark.parametrize("name", NAMES)
@LAW
@given(at=places)
def test_values_lie_as_many_places_apart_as_candles_of_time(name: str, at: list[int]) -> None:
    timeframe = Timeframe(name)
    candles = candles_at(at, timeframe)
    grid = CandleGrid.of(candles, timeframe)
    closes = grid.on_grid(candles["close"])

    expected = [float(place + 1) if place in at else math.nan for place in range(at[0], at[-1] + 1)]
    np.testing.assert_array_equal(closes, expected)
    origins = timeframe.close_all(candles["timestamp"])
    assert closes[grid.places_of(origins)].tolist() == candles["close"].tolist()
    before = pd.DatetimeIndex([timeframe.shift(START, at[0])])
    assert grid.places_of(before).tolist() == [-1]


@LAW
@given(at=places)
def test_a_return_needs_its_candle_and_the_one_before(at: list[int]) -> None:
    timeframe = Timeframe("1h")
    candles = candles_at(at, timeframe)
    grid = CandleGrid.of(candles, timeframe)
    returns = candle_returns(grid.on_grid(candles["close"]))

    for place, value in enumerate(returns.tolist(), at[0]):
        if place in at and place - 1 in at:
            assert value == pytest.approx(math.log((place + 1) / place), rel=1e-12)
        else:
            assert math.isnan(value)


@LAW
@given(at=places)
def test_adjacent_rows_have_no_candle_of_time_between_them(at: list[int]) -> None:
    timeframe = Timeframe("4h")
    expected = [later - earlier == 1 for earlier, later in pairwise(at)]

    assert adjacent(candles_at(at, timeframe), timeframe).tolist() == expected


@LAW
@given(at=places, wanted=st.lists(st.integers(-3, 45), min_size=2, max_size=8))
def test_candle_rows_are_positions_or_minus_one_in_the_shape_of_the_question(
    at: list[int], wanted: list[int]
) -> None:
    ordinals = np.array(at, dtype=np.int64)
    column = np.array(wanted, dtype=np.int64)[:, None]

    expected = [[at.index(each) if each in at else -1] for each in wanted]
    assert candle_rows(ordinals, column).tolist() == expected
    assert candle_rows(ordinals[:0], column).tolist() == [[-1]] * len(wanted)
