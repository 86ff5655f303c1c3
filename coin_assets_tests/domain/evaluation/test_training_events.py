"""Events that request training: planted ones are found, ordinary markets are left alone."""

from datetime import UTC, datetime, timedelta
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coin_assets.domain.evaluation.training_events import (
    CANDLES,
    grouped,
    log_returns,
    price_shock,
    volatility_spike,
)
from coin_assets.domain.forecasting.frame import Floats
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe
from coin_assets_tests.models.trainings import candles as gapless
from coin_assets_tests.platform import series
from coin_assets_tests.realdata import real_candles, requires_real_data

HOUR = Timeframe("1h")
START = datetime(2026, 9, 1, tzinfo=UTC)


def candles(rows: int = CANDLES, seed: int = 0) -> pd.DataFrame:
    return gapless(series("1h"), START, START + timedelta(hours=rows), seed)


def returns(rows: int = CANDLES - 1, seed: int = 0) -> Floats:
    return 0.01 * np.random.default_rng(seed).standard_normal(rows)


# ------------------------------------------------------------------------------------------ returns


def test_a_gap_is_no_return() -> None:
    frame = candles(6).drop(index=3).reset_index(drop=True)
    found = log_returns(frame, HOUR)
    assert np.isnan(found).tolist() == [True, False, False, True, False]
    assert found[1] == pytest.approx(np.log(frame["close"][1] / frame["close"][0]))
    assert len(log_returns(candles(0), HOUR)) == 0


# -------------------------------------------------------------------------------------------- shock


@pytest.mark.parametrize("sign", [1, -1])
def test_a_shock_is_found_with_its_size_and_direction(sign: int) -> None:
    sample = returns()
    assert price_shock(np.append(sample, sign * 0.07)) is None
    reason = price_shock(np.append(sample, sign * 0.12))
    assert reason is not None
    assert reason.startswith(f"price shock: {np.expm1(sign * 0.12):+.2%}, ")
    assert reason.endswith(" robust standard deviations")


def test_only_the_newest_return_counts() -> None:
    assert price_shock(np.append(np.append(returns(), 0.12), 0.001)) is None
    assert price_shock(np.append(np.append(returns(), 0.12), np.nan)) is None


def test_one_shock_before_does_not_hide_the_next() -> None:
    assert price_shock(np.append(np.append(returns(), 0.5), 0.12)) is not None


def test_a_flat_a_still_and_a_short_series_have_no_shock() -> None:
    assert price_shock(np.append(np.zeros(524), 0.5)) is None
    assert price_shock(np.append(returns() / 10_000, 0.004)) is None
    assert price_shock(np.append(returns(99), 0.5)) is None
    assert price_shock(np.append(returns(100), 0.5)) is not None
    assert price_shock(np.array([])) is None


# --------------------------------------------------------------------------------------- volatility


def test_a_spike_is_found() -> None:
    assert volatility_spike(returns()) is None
    volatile = returns()
    volatile[-24:] *= 5
    reason = volatility_spike(volatile)
    assert reason is not None
    assert reason.startswith("volatility spike: ")


def test_a_spike_that_is_over_is_none() -> None:
    volatile = returns(900)
    volatile[-124:-100] *= 5
    assert volatility_spike(volatile) is None


def test_a_flat_a_still_and_a_short_series_have_no_spike() -> None:
    assert volatility_spike(np.zeros(524)) is None
    still = returns() / 10_000
    still[-24:] *= 5
    assert volatility_spike(still) is None
    assert volatility_spike(np.append(returns(99), 5 * returns(24, 1))) is None
    assert volatility_spike(np.append(returns(100), 5 * returns(24, 1))) is not None
    gappy = np.append(returns(), np.append(5 * returns(11, 1), np.full(13, np.nan)))
    assert volatility_spike(gappy) is None


@given(st.integers(0, 10_000))
def test_an_ordinary_market_has_no_event(seed: int) -> None:
    sample = returns(seed=seed)
    assert price_shock(sample) is None
    assert volatility_spike(sample) is None


@given(st.integers(0, 100), st.floats(0.01, 100))
def test_a_scaled_market_has_the_same_events(seed: int, scale: float) -> None:
    """As long as nothing is negligible."""
    volatile = 10 * np.append(returns(seed=seed), 0.12)
    assert (price_shock(volatile) is None) == (price_shock(volatile * scale) is None)


@requires_real_data
def test_few_real_hours_are_events() -> None:
    hours = log_returns(real_candles("BTC/USDT", "1h"), HOUR)[-5000:]
    ends = range(CANDLES, len(hours))
    shocks = sum(price_shock(hours[end - CANDLES : end]) is not None for end in ends)
    spikes = sum(volatility_spike(hours[end - CANDLES : end]) is not None for end in ends)
    assert shocks < len(ends) / 100
    assert spikes < len(ends) / 50


# ----------------------------------------------------------------------------------------- grouping

SERIES_LIST = [
    Series(symbol, Timeframe(name))
    for symbol, name in product(("BTC/USDT", "ETH/USDT", "XRP/USDT"), ("1h", "4h", "1d", "1w"))
]


@given(st.lists(st.sampled_from(SERIES_LIST), unique=True))
def test_groups_name_each_series_once(series_list: list[Series]) -> None:
    groups = grouped(series_list)
    named = [
        Series(symbol, timeframe)
        for group in groups
        for symbol, timeframe in product(group.symbols, group.timeframes)
    ]
    assert sorted(map(str, named)) == sorted(map(str, series_list))
    assert all(
        sum(each in group for group in groups) == (each in series_list) for each in SERIES_LIST
    )
    assert len(groups) <= min(3, len({each.timeframe for each in series_list}))


def test_a_whole_product_is_one_group() -> None:
    (group,) = grouped(SERIES_LIST)
    assert group.symbols == ("BTC/USDT", "ETH/USDT", "XRP/USDT")
    assert [timeframe.name for timeframe in group.timeframes] == ["1h", "4h", "1d", "1w"]
