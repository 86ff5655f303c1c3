"""The baseline forecaster: what it promises, and that its numbers are the ones it claims.

- The median is the last close, exactly; quantiles never decrease along their axis.
- A forecast depends on the `context` candles up to its origin alone, to the bit: not on the
  future, nor on a longer past, nor on which other origins are asked for.
- Volatility and quantiles are those of a naive loop over the candles.
- A fitted estimator survives JSON to the bit; it is an ordinary scikit-learn estimator.
- Too few candles, or a price that never moves, give no estimator.
- Its 80% and 90% intervals hold about what they say, on simulated and on real returns.
"""

import math
from datetime import UTC, datetime
from statistics import median

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.exceptions import NotFittedError

from benchmarks.trailing_volatility import VolatilityScaledBaseline
from coin_assets.domain.forecasting.frame import QUANTILES, STEPS, Floats
from coin_assets.domain.timeframes import NAMES, Timeframe
from coin_assets.errors import InsufficientData
from coin_assets_tests.domain.forecasting.laws import (
    closes_of,
    require_context_alone,
    require_ordered_quantiles,
)

LAW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
HOUR = Timeframe.parse("1h")
START = datetime(2024, 1, 30, tzinfo=UTC)
MINIMUM = dict.fromkeys(NAMES, 240) | {"1d": 120, "3d": 120, "1w": 52, "1M": 24}


def candles_of(closes: Floats, timeframe: Timeframe = HOUR) -> pd.DataFrame:
    """Gapless candles from `START` on with these closes."""
    first = timeframe.floor(START)
    opens = [timeframe.shift(first, number) for number in range(len(closes))]
    frame = pd.DataFrame({"timestamp": pd.Series(opens, dtype="datetime64[us, UTC]")})
    prices = dict.fromkeys(("open", "high", "low", "close"), closes)
    return frame.assign(**prices, volume=1.0)


def path(returns: Floats) -> Floats:
    return np.asarray(100 * np.exp(np.cumsum(returns)), dtype=np.float64)


def random_candles(seed: int, count: int, scale: float = 0.01) -> pd.DataFrame:
    return candles_of(path(scale * np.random.default_rng(seed).standard_t(3, count)))


def fitted(candles: pd.DataFrame) -> VolatilityScaledBaseline:
    return VolatilityScaledBaseline("1h").fit(candles)


@st.composite
def walks(draw: st.DrawFn) -> pd.DataFrame:
    """Hourly candles of a random walk with gaps, some longer than the window, and flat runs."""
    spans = st.lists(st.tuples(st.integers(0, 250), st.integers(1, 150)), max_size=2)
    flats, gaps = draw(spans), draw(spans)
    count = 280 + sum(length for _, length in gaps)
    scale = draw(st.sampled_from([1e-5, 0.01, 0.3]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    returns = scale * rng.standard_t(3, count)
    keep = np.ones(count, dtype=bool)
    for start, length in flats:
        returns[start : start + min(length, 60)] = 0.0
    for start, length in gaps:
        keep[start : start + length] = False
    return candles_of(path(returns))[keep].reset_index(drop=True)


# ------------------------------------------------------------------------------- laws of a forecast


@LAW
@given(candles=walks())
def test_the_median_is_the_last_close_and_quantiles_never_decrease(candles: pd.DataFrame) -> None:
    require_ordered_quantiles(fitted(candles), candles)


@LAW
@given(candles=walks(), data=st.data())
def test_a_forecast_depends_on_its_context_alone(
    candles: pd.DataFrame, data: st.DataObject
) -> None:
    require_context_alone(fitted(candles), candles, data)


@LAW
@given(candles=walks(), data=st.data())
def test_corrupting_the_future_changes_nothing_at_or_before_an_origin(
    candles: pd.DataFrame, data: st.DataObject
) -> None:
    estimator = fitted(candles)
    row = data.draw(st.integers(0, len(candles) - 2), label="row")
    honest = estimator.predict_quantiles(candles, closes_of(candles)[: row + 1])
    corrupt = candles.copy()
    rng = np.random.default_rng(row)
    later = corrupt.index > row
    corrupt.loc[later, "close"] *= np.exp(rng.normal(0, 5, int(later.sum())))
    corrupt = corrupt[~later | (rng.random(len(corrupt)) < 0.7)].reset_index(drop=True)
    after = estimator.predict_quantiles(corrupt, closes_of(candles)[: row + 1])
    assert after.tobytes() == honest.tobytes()


def test_one_candle_less_than_the_context_is_too_little() -> None:
    candles = random_candles(seed=1, count=300)
    estimator = fitted(candles)
    origin = closes_of(candles)[[-1]]
    whole, enough, short = (
        estimator.predict_quantiles(part.reset_index(drop=True), origin)
        for part in (
            candles,
            candles.tail(estimator.context),
            candles.tail(estimator.context - 1),
        )
    )
    assert enough.tobytes() == whole.tobytes()
    assert short.tobytes() != whole.tobytes()


# ------------------------------------------------------------------------------------------- oracle


def naive_volatility(closes: dict[int, float], number: int, window: int, half: float) -> float:
    """Weighted root mean square of the returns up to candle ``number``; NaN if there are none."""
    total = weights = 0.0
    for lag in range(window):
        now, before = closes.get(number - lag), closes.get(number - lag - 1)
        if now is not None and before is not None:
            weight = math.pow(2, -lag / half)
            total += weight * math.log(now / before) ** 2
            weights += weight
    return math.sqrt(total / weights) if weights else math.nan


def naive_quantile(values: list[float], level: float) -> float:
    ordered = sorted(values)
    below = int(level * (len(ordered) - 1))
    above = min(below + 1, len(ordered) - 1)
    share = level * (len(ordered) - 1) - below
    return ordered[below] * (1 - share) + ordered[above] * share


def naive_spread(values: list[float]) -> list[float]:
    """The quantiles, less the median."""
    return [naive_quantile(values, level) - naive_quantile(values, 0.5) for level in QUANTILES]


def naive_fit(closes: dict[int, float]) -> tuple[float, list[list[float]]]:
    """Typical volatility and standardised quantiles by step, with the default parameters."""
    numbers = range(min(closes), max(closes) + 1)
    volatility = {n: naive_volatility(closes, n, 120, 20.0) for n in numbers}
    for number in numbers[:60]:
        volatility[number] = math.nan
    typical = median(value for value in volatility.values() if not math.isnan(value))
    scale = {
        n: typical if math.isnan(value) else max(value, typical / 10)
        for n, value in volatility.items()
    }
    by_step: list[list[float]] = []
    for step in range(1, STEPS + 1):
        standardised = [
            math.log(closes[n + step] / closes[n]) / scale[n] for n in closes if n + step in closes
        ]
        if step == 1:
            one_step = naive_spread(standardised)
        own_share = (len(standardised) / step) / (len(standardised) / step + 20.0)
        by_step.append(
            [
                own_share * own + (1 - own_share) * math.sqrt(step) * scaled
                for own, scaled in zip(naive_spread(standardised), one_step, strict=True)
            ]
        )
    return typical, by_step


@pytest.mark.parametrize("gap", [(0, 0), (150, 160), (100, 240)], ids=["none", "short", "long"])
def test_volatility_and_quantiles_are_those_of_a_naive_loop(gap: tuple[int, int]) -> None:
    candles = random_candles(seed=7, count=420)
    candles = candles.drop(index=range(*gap)).reset_index(drop=True)
    first = candles["timestamp"].iloc[0]
    numbers = ((candles["timestamp"] - first) // pd.Timedelta(hours=1)).tolist()
    closes = dict(zip(numbers, candles["close"].tolist(), strict=True))
    estimator = fitted(candles)
    typical, by_step = naive_fit(closes)
    assert estimator.typical_volatility_ == pytest.approx(typical, rel=1e-9)
    np.testing.assert_allclose(estimator.quantiles_, by_step, rtol=1e-9, atol=1e-12)
    predicted = estimator.predict_quantiles(candles, closes_of(candles))
    for row, number in enumerate(numbers):
        volatility = naive_volatility(closes, number, 120, 20.0)
        scale = typical if math.isnan(volatility) else max(volatility, typical / 10)
        expected = closes[number] * np.exp(scale * np.array(by_step))
        np.testing.assert_allclose(predicted[row], expected, rtol=1e-9)


def log_spread(estimator: VolatilityScaledBaseline, candles: pd.DataFrame) -> Floats:
    """Logarithm of quantiles over last close, at the newest origin; (steps, quantiles)."""
    quantiles = estimator.predict_quantiles(candles, closes_of(candles)[[-1]])[0]
    return np.asarray(np.log(quantiles / candles["close"].iloc[-1]), dtype=np.float64)


@pytest.mark.parametrize("factor", [0.5, 2.0, 3.0])
def test_the_interval_widens_in_proportion_to_recent_volatility(factor: float) -> None:
    returns = 0.01 * np.random.default_rng(3).standard_t(3, 400)
    estimator = fitted(candles_of(path(returns)))
    recent = returns[-121:]
    calm = log_spread(estimator, candles_of(path(recent)))
    wild = log_spread(estimator, candles_of(path(factor * recent)))
    np.testing.assert_allclose(wild, factor * calm, rtol=1e-9)
    assert (calm[:, -1] > calm[:, 0]).all()


def test_a_flat_stretch_does_not_promise_certainty() -> None:
    estimator = fitted(random_candles(seed=4, count=400))
    spread = log_spread(estimator, candles_of(np.full(121, 50.0)))
    expected = 0.1 * estimator.typical_volatility_ * estimator.quantiles_
    np.testing.assert_allclose(spread, expected, rtol=1e-9, atol=1e-15)
    assert spread[0, -1] > 0 > spread[0, 0]


def test_a_candle_alone_after_a_long_gap_gets_the_typical_volatility() -> None:
    candles = random_candles(seed=5, count=400)
    estimator = fitted(candles)
    spread = log_spread(estimator, candles.drop(index=range(270, 399)).reset_index(drop=True))
    expected = estimator.typical_volatility_ * estimator.quantiles_
    np.testing.assert_allclose(spread, expected, rtol=1e-9, atol=1e-15)


# --------------------------------------------------------------- when there is none


@pytest.mark.parametrize("name", NAMES)
def test_a_candle_less_than_the_minimum_is_refused_and_the_minimum_is_enough(name: str) -> None:
    timeframe, minimum = Timeframe.parse(name), MINIMUM[name]
    closes = path(0.01 * np.random.default_rng(1).standard_normal(minimum))
    candles = candles_of(closes, timeframe)
    with pytest.raises(InsufficientData, match=rf"^{minimum - 1} {name} .* needs {minimum}\.$"):
        VolatilityScaledBaseline(name).fit(candles.iloc[:-1])
    estimator = VolatilityScaledBaseline(name).fit(candles)
    quantiles = estimator.predict_quantiles(candles, timeframe.close_all(candles["timestamp"]))
    assert np.isfinite(quantiles).all()
    assert (quantiles[:, :, -1] > quantiles[:, :, 0]).all()


def test_a_price_that_never_moves_is_refused() -> None:
    with pytest.raises(InsufficientData, match="hardly ever moved in 300 1h candles"):
        fitted(candles_of(np.full(300, 50.0)))


def test_an_estimator_that_was_not_fitted_says_so() -> None:
    candles = random_candles(seed=1, count=300)
    with pytest.raises(NotFittedError):
        VolatilityScaledBaseline("1h").predict_quantiles(candles, closes_of(candles))
    with pytest.raises(NotFittedError):
        VolatilityScaledBaseline("1h").state()
