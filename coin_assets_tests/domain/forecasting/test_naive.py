"""The naive forecast: the quantiles a loop finds, from its own candles alone, to the bit.

- The median is the last close, exactly; quantiles never decrease along their axis.
- Quantiles are those of the returns whose two candles are in the window, as a slow loop has them.
- The future, a longer past and the other origins of a batch change no bit.
- An origin with too few returns, or without its candle, has no naive forecast; these are listed.
"""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coin_assets.domain.forecasting.frame import MEDIAN, QUANTILES, STEPS, Floats
from coin_assets.domain.forecasting.naive import (
    FEWEST_RETURNS,
    NAIVE_WINDOW,
    has_naive,
    naive_quantiles,
)
from coin_assets.domain.timeframes import Timeframe
from coin_assets.errors import InsufficientData
from coin_assets_tests.domain.evaluation.test_scoring import HOUR, candles
from coin_assets_tests.models.trainings import candles as gapless
from coin_assets_tests.platform import series, utc
from coin_assets_tests.realdata import real_candles, requires_real_data


def origins_of(frame: pd.DataFrame) -> pd.DatetimeIndex:
    """Closes of the candles."""
    return HOUR.close_all(frame["timestamp"])


def without(frame: pd.DataFrame, rows: set[int]) -> pd.DataFrame:
    return frame.drop(index=[row for row in rows if row < len(frame)]).reset_index(drop=True)


def slow_returns(frame: pd.DataFrame, origin: pd.Timestamp, step: int, window: int) -> list[float]:
    """Of the candles of the window, one by one."""
    hour = timedelta(hours=1)
    closes = dict(zip(frame["timestamp"], frame["close"], strict=True))
    opens = [origin - number * hour for number in range(1, window + 1)]
    return [
        float(np.log(closes[opened] / closes[opened - step * hour]))
        for opened in opens
        if opened in closes and opened - step * hour in closes and opened - step * hour in opens
    ]


@st.composite
def gappy(draw: st.DrawFn) -> pd.DataFrame:
    rows = draw(st.integers(60, 200))
    return without(candles(rows, draw(st.integers(0, 99))), draw(st.sets(st.integers(0, 200))))


@settings(max_examples=30)
@given(frame=gappy(), window=st.sampled_from([50, 80, 120]), data=st.data())
def test_the_quantiles_are_those_of_a_slow_loop(
    frame: pd.DataFrame, window: int, data: st.DataObject
) -> None:
    origins = origins_of(frame)
    known = has_naive(frame, origins, HOUR, window)
    row = data.draw(st.integers(0, len(frame) - 1), label="row")
    step = data.draw(st.integers(1, STEPS), label="step")
    returns = [slow_returns(frame, origins[row], each, window) for each in range(1, STEPS + 1)]
    assert known[row] == (min(map(len, returns)) >= FEWEST_RETURNS)
    if not known[row]:
        with pytest.raises(InsufficientData):
            naive_quantiles(frame, origins[[row]], HOUR, window)
        return
    (predicted,) = naive_quantiles(frame, origins[[row]], HOUR, window)
    last = frame["close"].iloc[row]
    for index, level in enumerate(QUANTILES):
        expected = float(np.quantile(returns[step - 1], level))
        if index <= MEDIAN:
            expected = min(expected, 0.0)
        if index >= MEDIAN:
            expected = max(expected, 0.0)
        assert predicted[step - 1, index] == pytest.approx(last * np.exp(expected), rel=1e-12)


def test_the_median_is_the_last_close_and_quantiles_never_decrease() -> None:
    rising = candles(700)
    rising["close"] *= np.exp(0.01 * np.arange(700))  # so that most returns are positive
    predicted = naive_quantiles(rising, origins_of(rising)[100:], HOUR)
    assert predicted.shape == (600, STEPS, len(QUANTILES))
    last = np.repeat(rising["close"].to_numpy()[100:, None], STEPS, axis=1)
    assert np.array_equal(predicted[..., MEDIAN], last)
    assert (np.diff(predicted, axis=2) >= 0).all()


@settings(max_examples=30)
@given(frame=gappy(), data=st.data())
def test_it_depends_on_its_window_alone_to_the_bit(
    frame: pd.DataFrame, data: st.DataObject
) -> None:
    window = 100
    origins = origins_of(frame)
    known = origins[has_naive(frame, origins, HOUR, window)]
    if not len(known):
        return
    batch = naive_quantiles(frame, known, HOUR, window)
    row = data.draw(st.integers(0, len(known) - 1), label="row")
    origin = known[row]
    later = frame["timestamp"] >= origin
    corrupt = frame.assign(close=frame["close"].where(~later, 5.0))
    seen = frame["timestamp"] >= origin - timedelta(hours=window)
    for other in (corrupt, frame[~later], frame[seen], frame[seen & ~later]):
        alone = naive_quantiles(other.reset_index(drop=True), known[[row]], HOUR, window)
        assert alone.tobytes() == batch[row].tobytes()


def test_a_long_batch_has_the_bits_of_a_short_one_in_any_order() -> None:
    frame = candles(2600)
    origins = origins_of(frame)[60:]
    batch = naive_quantiles(frame, origins, HOUR)
    some = [2400, 0, 1030, 1030]
    assert naive_quantiles(frame, origins[some], HOUR).tobytes() == batch[some].tobytes()
    assert naive_quantiles(frame, origins[:0], HOUR).shape == (0, STEPS, len(QUANTILES))


def test_one_candle_less_than_twice_the_steps_is_too_little() -> None:
    frame = candles(60)
    assert has_naive(frame, origins_of(frame), HOUR).tolist() == [
        count >= 2 * STEPS for count in range(1, 61)
    ]
    with pytest.raises(InsufficientData, match=r"47 of 60 origins .* first 2026-09-01 01:00"):
        naive_quantiles(frame, origins_of(frame), HOUR)
    assert not has_naive(frame.head(0), origins_of(frame), HOUR).any()


def test_an_origin_without_its_candle_has_none() -> None:
    frame = without(candles(300), {290})
    missing = pd.DatetimeIndex([candles(300)["timestamp"][291]])
    assert not has_naive(frame, missing, HOUR).any()
    with pytest.raises(InsufficientData, match="1 of 1 origins"):
        naive_quantiles(frame, missing, HOUR)


@pytest.mark.parametrize("name", ["1m", "4h", "1d", "1w", "1M"])
def test_every_timeframe_has_one(name: str) -> None:
    timeframe = Timeframe.parse(name)
    start = timeframe.floor(utc("2010-01-31"))
    frame = gapless(series(name), start, timeframe.shift(start, 100))
    predicted = naive_quantiles(frame, timeframe.close_all(frame["timestamp"])[50:], timeframe)
    hours = candles(100)
    shown = naive_quantiles(hours, origins_of(hours)[50:], HOUR)
    assert np.array_equal(predicted, shown)  # candle numbers are all that counts


@requires_real_data
def test_its_intervals_have_about_their_nominal_coverage_on_real_hours() -> None:
    frame = real_candles("ETH/USDT", "1h").tail(9_000).reset_index(drop=True)
    rows = np.arange(NAIVE_WINDOW, 9_000 - STEPS, 25)
    predicted = naive_quantiles(frame, origins_of(frame)[rows], HOUR)
    came: Floats = frame["close"].to_numpy()[rows[:, None] + np.arange(1, STEPS + 1)]
    inside = (predicted[..., 1] <= came) & (came <= predicted[..., -2])
    assert 0.74 < inside.mean() < 0.84
