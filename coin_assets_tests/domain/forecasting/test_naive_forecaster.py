"""The naive forecast as a stored method: the reference itself, and a forecast where it has none."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from coin_assets.domain.forecasting.frame import MEDIAN, QUANTILES, STEPS
from coin_assets.domain.forecasting.naive import NAIVE_WINDOW, has_naive, naive_quantiles
from coin_assets.domain.forecasting.naive_forecaster import NaiveForecaster
from coin_assets.domain.forecasting.trainable import minimum_candles
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe
from coin_assets.errors import DataRefused, InsufficientData
from coin_assets.models.forecasters import new_forecaster
from coin_assets_tests.models.trainings import candles
from coin_assets_tests.platform import series, utc

HOUR = series("1h")
START = utc("2024-01-01")


def hours(count: int, seed: int = 0) -> pd.DataFrame:
    return candles(HOUR, START, HOUR.timeframe.shift(START, count), seed)


def closes(frame: pd.DataFrame) -> pd.DatetimeIndex:
    return HOUR.timeframe.close_all(frame["timestamp"])


def fitted(frame: pd.DataFrame) -> NaiveForecaster:
    return NaiveForecaster("1h").fit(frame)


def test_it_forecasts_what_losses_are_compared_with_to_the_bit() -> None:
    frame = hours(900)
    origins = closes(frame)[600:]
    made = fitted(frame.iloc[:600]).predict_quantiles(frame, origins)
    assert np.array_equal(made, naive_quantiles(frame, origins, HOUR.timeframe))
    one = fitted(frame).predict_quantiles(frame.iloc[-NAIVE_WINDOW:], origins[-1:])
    assert np.array_equal(one, made[-1:])


def test_candles_after_an_origin_change_nothing() -> None:
    frame, other = hours(700), hours(700, seed=1)
    known = fitted(frame.iloc[:600])
    changed = pd.concat([frame.iloc[:650], other.iloc[650:]], ignore_index=True)
    origins = closes(frame)[600:650]
    made = known.predict_quantiles(changed, origins)
    assert np.array_equal(made, known.predict_quantiles(frame, origins))


def test_where_there_is_no_naive_forecast_it_uses_the_returns_of_its_training() -> None:
    """After a gap longer than the window, as of a market that was closed for weeks."""
    before = hours(600)
    after = hours(1400, seed=2).iloc[1350:]
    known, both = fitted(before), pd.concat([before, after], ignore_index=True)
    origins = closes(after)
    assert not has_naive(both, origins, HOUR.timeframe)[0]
    made = known.predict_quantiles(both, origins)
    last = after["close"].to_numpy()[0]
    assert np.array_equal(made[0], last * np.exp(known.returns_))
    assert (np.diff(made, axis=2) >= 0).all()
    assert (made[..., 0] < made[..., -1]).all()


@pytest.mark.parametrize("name", ["1h", "1d", "1w", "1M"])
def test_it_needs_the_candles_that_every_model_needs(name: str) -> None:
    each = Series("BTC/USDT", Timeframe(name))
    needed = minimum_candles(each.timeframe)
    frame = candles(each, START, each.timeframe.shift(START, needed))
    with pytest.raises(InsufficientData, match="are too few"):
        new_forecaster(each, "naive").fit(frame.iloc[1:])
    known = new_forecaster(each, "naive").fit(frame)
    made = known.predict_quantiles(frame, each.timeframe.close_all(frame["timestamp"])[-1:])
    assert made.shape == (1, STEPS, len(QUANTILES))
    assert made[0, 0, MEDIAN] == frame["close"].iloc[-1]
    widths = made[0, :, -1] - made[0, :, 0]
    assert (widths > 0).all()
    assert widths[-1] > 2 * widths[0]


def test_it_is_restored_from_its_state_to_the_bit() -> None:
    frame = hours(400)
    known = fitted(frame)
    text = json.dumps(known.state())
    restored = NaiveForecaster.from_state(json.loads(text))
    assert json.dumps(restored.state()) == text
    origins = closes(frame)[[3, 100, 399]]
    made = restored.predict_quantiles(frame, origins)
    assert np.array_equal(made, known.predict_quantiles(frame, origins))


@pytest.mark.parametrize(
    "change",
    [
        {"returns": [[0.0] * 7] * 23},
        {"returns": [[float("nan")] * 7] * 24},
        {"returns": [[0.1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.2]] * 24},
        {"returns": [[0.1] * 7] * 24},
        {"window": 3},
        {"window": "500"},
    ],
)
def test_what_is_no_state_is_refused(change: dict[str, Any]) -> None:
    state = fitted(hours(300)).state()
    with pytest.raises(ValueError, match=r"returns|quantiles|window"):
        NaiveForecaster.from_state(state | change)
    with pytest.raises(KeyError):
        NaiveForecaster.from_state({"window": 500})


def test_an_origin_without_its_candle_is_refused() -> None:
    frame = hours(300)
    with pytest.raises(DataRefused, match="1 of 2 origins are not the close of a 1h candle"):
        fitted(frame).predict_quantiles(frame.drop(index=150), closes(frame)[[149, 150]])
