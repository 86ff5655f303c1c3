"""Realised variance: what a slow oracle adds up, from the parts of each candle alone.

- Each value equals the loop over its parts; with an outage it is scaled up, with a large one NaN.
- Other candles, the future and a longer past change no bit of it.
- Minutes joined to hours, month by month, give what the exchange's hours give.
- On a diffusion it measures the variance with far less noise than the range of the candle.
"""

import math
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coin_assets.domain.candles.frame import PRICES
from coin_assets.domain.candles.resampling import resample
from coin_assets.domain.forecasting.realised import (
    VARIANCE,
    parts_of,
    parts_timeframe,
    realised_variance,
    with_realised_variance,
)
from coin_assets.domain.forecasting.variance import candle_variance
from coin_assets.domain.timeframes import Timeframe
from coin_assets_tests.domain.walks import HOUR, broken_walks, candles_of, random_candles

DAY, WEEK, MONTH = Timeframe("1d"), Timeframe("1w"), Timeframe("1M")
LAW = settings(max_examples=40, deadline=None)


def oracle(candles: pd.DataFrame, timeframe: Timeframe, parts: pd.DataFrame) -> list[float]:
    """The definition, candle by candle and hour by hour."""
    times, prices = parts["timestamp"].dt.to_pydatetime(), parts[PRICES].to_numpy().tolist()
    hours = dict(zip(times, prices, strict=True))  # open, high, low, close
    found = []
    for opened in candles["timestamp"].dt.to_pydatetime():
        close, time = timeframe.close_of(opened), opened
        values, expected = list[float](), 0
        while time < close:
            expected += 1
            if (hour := hours.get(time)) is not None:
                started, high, low, ended = hour
                previous = hours.get(time - timedelta(hours=1))
                before = started if previous is None else previous[3]
                span = math.log(max(high, before) / min(low, before))
                moved = math.log(ended / before)
                ranged = 0.5 * span**2 - (2 * math.log(2) - 1) * moved**2
                values.append(0.75 * ranged + 0.25 * moved**2)
            time += timedelta(hours=1)
        enough = len(values) >= 0.75 * expected
        found.append(math.fsum(values) / len(values) * expected if enough else math.nan)
    return found


@LAW
@given(hours=broken_walks(), timeframe=st.sampled_from([DAY, WEEK, MONTH]))
def test_it_is_what_a_slow_oracle_adds_up(hours: pd.DataFrame, timeframe: Timeframe) -> None:
    candles = resample(hours, HOUR, timeframe).candles
    found = realised_variance(candles, timeframe, hours, HOUR)
    np.testing.assert_allclose(found, oracle(candles, timeframe, hours), rtol=1e-9, atol=1e-25)


@LAW
@given(hours=broken_walks(), data=st.data())
def test_nothing_outside_of_a_candle_changes_a_bit_but_the_close_before_it(
    hours: pd.DataFrame, data: st.DataObject
) -> None:
    days = resample(hours, HOUR, DAY).candles
    whole = realised_variance(days, DAY, hours, HOUR)
    row = data.draw(st.integers(0, len(days) - 1), label="row")
    opened = days["timestamp"].iloc[row]
    opens = hours["timestamp"]
    inside = (opens >= opened - pd.Timedelta("1h")) & (opens < opened + pd.Timedelta("1D"))
    alone = realised_variance(days.iloc[[row]], DAY, hours[inside].reset_index(drop=True), HOUR)
    assert alone.tobytes() == whole[[row]].tobytes()
    wild = hours.copy()
    wild.loc[~inside, PRICES] *= 7.0
    changed = realised_variance(days, DAY, wild, HOUR)
    assert changed[[row]].tobytes() == whole[[row]].tobytes()


@pytest.mark.parametrize(("missing", "is_known"), [(0, True), (6, True), (7, False), (24, False)])
def test_an_outage_is_made_up_for_unless_it_is_long(missing: int, is_known: bool) -> None:
    hours = random_candles(1, 24 * 20)
    days = resample(hours, HOUR, DAY).candles
    hole = (hours["timestamp"] >= days["timestamp"].iloc[9]) & (
        hours["timestamp"] < days["timestamp"].iloc[9] + missing * pd.Timedelta("1h")
    )
    found = realised_variance(days, DAY, hours[~hole].reset_index(drop=True), HOUR)
    assert np.isfinite(found[9]) == is_known
    assert np.isfinite(np.delete(found, 9)).all()
    if is_known:
        assert found[9] == pytest.approx(realised_variance(days, DAY, hours, HOUR)[9], rel=0.8)


def test_without_parts_nothing_is_known() -> None:
    hours = random_candles(1, 24 * 20)
    days = resample(hours, HOUR, DAY).candles
    assert np.isnan(realised_variance(days, DAY, hours.iloc[:0], HOUR)).all()
    assert len(realised_variance(days.iloc[:0], DAY, hours, HOUR)) == 0
    before = hours.iloc[: 24 * 3]
    assert np.isfinite(realised_variance(days, DAY, before, HOUR)).sum() == 3


def test_it_is_a_column_and_leaves_the_candles_alone() -> None:
    hours = random_candles(1, 24 * 20)
    days = resample(hours, HOUR, DAY).candles
    before = days.copy()
    found = with_realised_variance(days, DAY, hours, HOUR)
    pd.testing.assert_frame_equal(days, before)
    pd.testing.assert_frame_equal(found.drop(columns=VARIANCE), before)


def test_minutes_count_as_the_hours_that_they_make() -> None:
    quarter = Timeframe("15m")
    quarters = random_candles(3, 4 * 24 * 10, scale=0.002, timeframe=quarter)
    hours = resample(quarters, quarter, HOUR).candles
    assert parts_timeframe(quarter) == HOUR
    pd.testing.assert_frame_equal(parts_of(quarters, quarter), hours)
    for coarse in (HOUR, Timeframe("4h"), DAY):
        assert parts_timeframe(coarse) == coarse


def test_a_week_of_hours_measures_far_better_than_the_range_of_the_week() -> None:
    hours = candles_of(0.005 * np.random.default_rng(5).standard_normal(24 * 7 * 300))
    weeks = resample(hours, HOUR, WEEK).candles.iloc[1:-1]
    opened, high, low, close = (weeks[name].to_numpy(dtype="float64") for name in PRICES)
    own = candle_variance(opened, high, low, close, 0.75)
    realised = realised_variance(weeks, WEEK, hours, HOUR)
    # The wicks of these hours reach beyond what a diffusion would, so levels differ; noise counts.
    assert realised.std() / realised.mean() < 0.4 * own.std() / own.mean()


def test_hours_of_the_future_do_not_count() -> None:
    hours = random_candles(2, 24 * 7 * 6)
    weeks = resample(hours, HOUR, WEEK).candles
    closed = weeks.iloc[1:3]
    end = WEEK.close_all(closed["timestamp"])[-1]
    known = hours[hours["timestamp"] < end].reset_index(drop=True)
    whole, cut = (realised_variance(closed, WEEK, each, HOUR) for each in (hours, known))
    assert whole.tobytes() == cut.tobytes()
