"""Calibration and accuracy of `HarForecaster`."""

from statistics import NormalDist

import numpy as np
import pandas as pd
import pytest

from coin_assets.domain.evaluation.scoring import pinball_loss
from coin_assets.domain.forecasting.frame import MEDIAN, QUANTILES, STEPS, Floats
from coin_assets.domain.forecasting.har import HarForecaster
from coin_assets_tests.domain.forecasting.laws import closes_of
from coin_assets_tests.domain.forecasting.test_har import fitted
from coin_assets_tests.domain.walks import (
    candles_of,
    random_candles,
    regime_candles,
)
from coin_assets_tests.realdata import real_candles, requires_real_data


def after(candles: pd.DataFrame, origins: pd.DatetimeIndex) -> Floats:
    """Log closes of the `STEPS` candles after each origin, NaN where unknown."""
    later = pd.Series(np.log(candles["close"].to_numpy()), pd.DatetimeIndex(candles["timestamp"]))
    hours = [pd.Timedelta(hours=step) for step in range(STEPS)]
    return np.column_stack([later.reindex(origins + hour).to_numpy() for hour in hours])


def log_forecasts(
    candles: pd.DataFrame, split: int
) -> tuple[HarForecaster, pd.DatetimeIndex, Floats]:
    """Fitted to the candles before ``split``; log quantiles at the later origins."""
    estimator = fitted(candles.iloc[:split])
    origins = closes_of(candles)[split:-STEPS]
    return estimator, origins, np.log(estimator.predict_quantiles(candles, origins))


def covered(actual: Floats, quantiles: Floats, tail: int) -> float:
    known = np.isfinite(actual)
    inside = (quantiles[..., tail] <= actual) & (actual <= quantiles[..., -1 - tail])
    return float(inside[known].mean())


@pytest.mark.parametrize("count", [240, 700, 4000])
def test_intervals_have_their_nominal_coverage_where_volatility_is_constant(count: int) -> None:
    found = []
    for seed in range(12):
        candles = random_candles(seed, count + 1000)
        _, origins, quantiles = log_forecasts(candles, count)
        actual = after(candles, origins)
        found.append([covered(actual, quantiles, tail) for tail in (1, 0)])
    assert np.mean(found, axis=0).tolist() == pytest.approx([0.8, 0.9], abs=0.04)


def test_regimes_of_volatility_are_foreseen() -> None:
    candles = regime_candles(seed=6, count=9000, length=300, ratio=4.0)
    split = 4500
    _, origins, quantiles = log_forecasts(candles, split)
    actual = after(candles, origins)
    log_close = np.log(candles["close"].to_numpy())
    unconditional = np.empty((STEPS, len(QUANTILES)))
    for step in range(1, STEPS + 1):
        past = log_close[step:split] - log_close[: split - step]
        unconditional[step - 1] = np.quantile(past, QUANTILES)
    constant = log_close[split:-STEPS, None, None] + unconditional
    ratio = pinball_loss(actual, quantiles).mean() / pinball_loss(actual, constant).mean()
    assert ratio < 0.95
    assert covered(actual, quantiles, 1) == pytest.approx(0.8, abs=0.05)


def test_the_hour_of_day_is_foreseen() -> None:
    hours = np.arange(4000) % 24
    busy = (hours >= 12) & (hours < 18)
    noise = np.random.default_rng(7).standard_normal(4000)
    candles = candles_of(np.where(busy, 0.02, 0.005) * noise)
    _, origins, quantiles = log_forecasts(candles, 3000)
    one_step = quantiles[:, 0, -1] - quantiles[:, 0, MEDIAN]
    # An origin at h o'clock is the open of the candle of that hour.
    soon_busy = (origins.hour >= 12) & (origins.hour < 18)
    assert one_step[soon_busy].mean() > 2 * one_step[~soon_busy].mean()
    assert one_step[soon_busy].min() > np.median(one_step[~soon_busy])


def test_quantiles_forget_what_lies_before_the_calibrated_candles() -> None:
    rng = np.random.default_rng(8)
    with_jumps = 0.01 * rng.standard_t(2, 2000)
    without = 0.01 * rng.standard_normal(2000)
    candles = candles_of(np.concatenate([with_jumps, without]))

    def tail_to_shoulder(calibrated: int) -> float:
        estimator = HarForecaster("1h", longest=64, calibrated=calibrated).fit(candles)
        quantiles = estimator.quantiles_[0]
        return float(quantiles[QUANTILES.index(0.95)] / quantiles[QUANTILES.index(0.75)])

    of_normal = NormalDist().inv_cdf(0.95) / NormalDist().inv_cdf(0.75)
    assert tail_to_shoulder(2000) < tail_to_shoulder(4000)
    assert tail_to_shoulder(2000) == pytest.approx(of_normal, rel=0.1)


@requires_real_data
@pytest.mark.parametrize("symbol", ["BTC/USDT", "XRP/USDT"])
def test_intervals_have_their_nominal_coverage_on_real_candles_never_trained_on(
    symbol: str,
) -> None:
    candles = real_candles(symbol, "1h")
    closes = closes_of(candles)
    known = (
        candles[closes <= pd.Timestamp(2024, 1, 1, tz="UTC")].tail(24_000).reset_index(drop=True)
    )
    _, origins, quantiles = log_forecasts(known, 18_000)
    # Not trained again for eight months; the published path is, every day.
    assert covered(after(known, origins), quantiles, 1) == pytest.approx(0.8, abs=0.05)
