"""Laws that every forecaster keeps, whatever its method."""

from datetime import timedelta

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from coin_assets.domain.forecasting.frame import MEDIAN, QUANTILES, STEPS, Forecaster
from coin_assets_tests.domain.walks import HOUR


def closes_of(candles: pd.DataFrame) -> pd.DatetimeIndex:
    return HOUR.close_all(candles["timestamp"])


def require_ordered_quantiles(estimator: Forecaster, candles: pd.DataFrame) -> None:
    """The median is the last close; quantiles are finite prices that never decrease."""
    quantiles = estimator.predict_quantiles(candles, closes_of(candles))
    assert quantiles.shape == (len(candles), STEPS, len(QUANTILES))
    last = np.repeat(candles["close"].to_numpy()[:, None], STEPS, axis=1)
    assert np.array_equal(quantiles[:, :, MEDIAN], last)
    assert (np.diff(quantiles, axis=2) >= 0).all()
    assert np.isfinite(quantiles).all()
    assert (quantiles > 0).all()
    assert (quantiles[:, :, -1] > quantiles[:, :, 0]).all()


def require_context_alone(
    estimator: Forecaster, candles: pd.DataFrame, data: st.DataObject
) -> None:
    """A longer past and the future change no bit of a forecast."""
    origins = closes_of(candles)
    batch = estimator.predict_quantiles(candles, origins)
    row = data.draw(st.integers(0, len(candles) - 1), label="row")
    past = estimator.context + data.draw(st.integers(0, 60), label="longer past")
    future = data.draw(st.integers(0, 60), label="future")
    origin = origins[row].to_pydatetime()
    first, last = origin - timedelta(hours=past), origin + timedelta(hours=future)
    opens = candles["timestamp"]
    part = candles[(opens >= first) & (opens < last)].reset_index(drop=True)
    alone = estimator.predict_quantiles(part, origins[[row]])
    assert alone.tobytes() == batch[row].tobytes()
