"""Prices that no market is likely to have traded are told from crashes.

- Prices of another unit or symbol, and single absurd candles, are steps; a crash by half is none.
- A verdict depends on ratios and on the past alone.
- Of an answer, candles away from the level before and after are held back alone; a level that
  stays holds back all that follows, and so does an answer that does not lead to what is stored.
- The same candle two minutes later confirms a step of up to ten times.
- Years of real candles have no step, and no stretch that looks frozen.
"""

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coin_assets.domain.candles.absences import Absence
from coin_assets.domain.candles.frame import PRICES, empty_candles
from coin_assets.domain.candles.plausibility import (
    CONTEXT,
    SECOND_READING_AFTER,
    Sifted,
    Step,
    Surroundings,
    caution_about,
    find_steps,
    frozen_since,
    is_second_reading,
    moves_far,
    sift_steps,
)
from coin_assets.domain.candles.refusals import IMPLAUSIBLE, Refusal
from coin_assets.domain.candles.resampling import resample
from coin_assets.domain.timeframes import Timeframe
from coin_assets_tests.domain.walks import random_candles
from coin_assets_tests.realdata import real_candles, requires_real_data

HOUR = Timeframe("1h")
ROWS = 200


def market(seed: int = 1, count: int = ROWS) -> pd.DataFrame:
    return random_candles(seed, count, 0.01, HOUR)


def times(
    candles: pd.DataFrame, factor: float, first: int, last: int | None = None
) -> pd.DataFrame:
    """``candles`` with the prices of the rows from ``first`` up to ``last`` multiplied."""
    changed = candles.copy()
    rows = slice(first, len(candles) if last is None else last)
    changed.loc[changed.index[rows], PRICES] *= factor
    return changed


def steps(candles: pd.DataFrame) -> list[int]:
    return [each.row for each in find_steps(candles, HOUR)]


@pytest.mark.parametrize("factor", [100, 0.01, 25, 1e-9, 1e12, 3.5])
def test_another_unit_or_symbol_is_a_step(factor: float) -> None:
    assert steps(times(market(), factor, 120)) == [120]


@pytest.mark.parametrize("factor", [0.4, 0.5, 2.0, 2.8])
def test_a_crash_or_a_rally_is_none(factor: float) -> None:
    assert steps(times(market(), factor, 120)) == []


@pytest.mark.parametrize(("name", "value"), [("high", 1e15), ("low", 1e-18)])
def test_one_absurd_price_of_a_candle_is_a_step(name: str, value: float) -> None:
    candles = market()
    candles.loc[120, name] = value
    (step,) = find_steps(candles, HOUR)
    assert (step.row, step.price) == (120, value)


def test_a_young_series_has_no_verdict() -> None:
    assert steps(times(market(count=100), 100, 49)) == []
    assert steps(times(market(count=100), 100, 60)) == [60]


def test_prices_may_wander_far_across_a_long_gap_and_not_across_a_short_one() -> None:
    quiet, wild = market(), random_candles(1, ROWS, 0.2, HOUR)
    for candles, missing, expected in ((quiet, 2, 1), (quiet, 60, 1), (wild, 60, 0)):
        moved = times(candles, 100, 120)
        gapped = moved.drop(index=range(120, 120 + missing)).reset_index(drop=True)
        assert len(find_steps(gapped, HOUR)) == expected, missing


def test_symbols_that_always_jump_are_left_alone() -> None:
    wild = random_candles(3, ROWS, 0.3, HOUR)
    assert steps(times(wild, 4, 120)) == []


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 1000),
    st.sampled_from([1e-6, 0.37, 250.0, 1e6]),
    st.sampled_from([0.01, 0.3, 4, 100]),
    st.integers(40, ROWS - 1),
)
def test_a_verdict_depends_on_ratios_and_the_past_alone(
    seed: int, scale: float, factor: float, row: int
) -> None:
    candles = times(market(seed), factor, row)
    scaled = candles.assign(**{name: candles[name] * scale for name in PRICES})
    assert steps(scaled) == steps(candles)
    for end in (row, row + 1, len(candles)):
        assert steps(candles.head(end)) == [each for each in steps(candles) if each < end]


# ---------------------------------------------------------------------------------------- answers


def never(_refusal: Refusal, _step: Step) -> bool:
    return False


def sifted(
    before: pd.DataFrame,
    answer: pd.DataFrame,
    within: pd.DataFrame | None = None,
    after: pd.DataFrame | None = None,
) -> Sifted:
    nothing = empty_candles()
    surroundings = Surroundings(
        before, nothing if within is None else within, nothing if after is None else after
    )
    return sift_steps(surroundings, answer.reset_index(drop=True), HOUR, never)


def opens(found: Sifted) -> list[datetime]:
    return [each.start for each in found.refusals]


def test_what_is_plausible_passes_as_it_is() -> None:
    candles = market()
    found = sifted(candles[:100], candles[100:])
    pd.testing.assert_frame_equal(found.candles, candles[100:].reset_index(drop=True))
    assert (found.refusals, found.step) == ((), None)


def test_candles_between_the_old_level_are_held_back_alone() -> None:
    candles = market()
    answer = times(candles, 100, 120, 123)[100:]
    found = sifted(candles[:100], answer)
    assert found.step is None
    assert opens(found) == list(candles["timestamp"][120:123])
    assert found.candles["timestamp"].tolist() == [
        *candles["timestamp"][100:120],
        *candles["timestamp"][123:],
    ]
    assert all(each.rule == IMPLAUSIBLE and ", x" in each.value for each in found.refusals)


def test_a_level_that_stays_holds_back_all_that_follows() -> None:
    candles = market()
    found = sifted(candles[:100], times(candles, 0.01, 120)[100:])
    assert found.step is not None
    assert opens(found) == [candles["timestamp"][120]]
    assert found.candles["timestamp"].tolist() == list(candles["timestamp"][100:120])


def test_a_stored_candle_is_trusted_and_its_implausible_revision_is_not() -> None:
    candles = market()
    level = times(candles, 100, 120)
    confirmed = sifted(level[:119], level[119:], within=level[119:121])
    assert confirmed.refusals == ()  # the step itself is stored
    pd.testing.assert_frame_equal(confirmed.candles, level[119:].reset_index(drop=True))
    # The exchange sends all in another unit: stored candles stay, the first new one is the step.
    everything = sifted(candles[:117], times(candles, 100, 0)[117:], within=candles[117:120])
    assert opens(everything) == [candles["timestamp"][120]]
    pd.testing.assert_frame_equal(
        everything.candles, candles[117:120].reset_index(drop=True), check_index_type=False
    )


def test_an_answer_that_does_not_lead_to_the_stored_candle_after_it_is_held_back() -> None:
    candles = market()
    foreign = times(candles, 25, 0)[:150]
    found = sifted(empty_candles(), foreign, after=candles[150:151])
    assert found.candles.empty
    assert opens(found) == [candles["timestamp"][149]]
    assert sifted(empty_candles(), candles[:150], after=candles[150:151]).refusals == ()


def test_the_quick_look_sees_every_step() -> None:
    candles = market()
    close = float(candles["close"][99])
    for first in (100, 150):
        assert moves_far(times(candles, 3.5, first)[100:], close)
    assert not moves_far(candles[100:], close)
    assert not moves_far(times(candles, 100, 100)[100:], None)


# ------------------------------------------------------------------------------- a second reading

OPENED = datetime.fromisoformat("2024-02-10T12:00Z")
CLOSED = OPENED + timedelta(hours=1)
SECONDS = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("price", "later", "value", "confirmed"),
    [
        (500.0, SECOND_READING_AFTER, "same", True),
        (500.0, SECOND_READING_AFTER - SECONDS, "same", False),
        (500.0, SECOND_READING_AFTER, "other", False),
        (10.0, SECOND_READING_AFTER, "same", True),
        (1001.0, timedelta(days=9), "same", False),
        (9.9, timedelta(days=9), "same", False),
    ],
)
def test_the_same_candle_later_confirms_a_step_of_up_to_ten_times(
    price: float, later: timedelta, value: str, *, confirmed: bool
) -> None:
    first = Refusal(OPENED, CLOSED, IMPLAUSIBLE, "same")
    held = Absence(OPENED, CLOSED, None, None, CLOSED, 0).refused(first, CLOSED)
    again = replace(first, value=value)
    step = Step(1, OPENED, before=100.0, price=price)
    assert is_second_reading([held], again, step, CLOSED + later) is confirmed
    assert not is_second_reading([], again, step, CLOSED + later)


def test_other_values_begin_the_wait_again() -> None:
    at = [CLOSED + minutes * timedelta(minutes=1) for minutes in range(4)]
    held = Absence(OPENED, CLOSED, None, None, CLOSED, 0)
    for time, value in zip(at, ("a", "a", "b", "b"), strict=True):
        held = held.refused(Refusal(OPENED, CLOSED, IMPLAUSIBLE, value), time)
    assert held.first_answer == at[2]
    # Of a broken candle the values do not matter: it is not sent whole.
    broken = Absence(OPENED, CLOSED, None, None, CLOSED, 0)
    for time, value in zip(at, ("a", "a", "b", "b"), strict=True):
        broken = broken.refused(Refusal(OPENED, CLOSED, "ohlc", value), time)
    assert broken.first_answer == at[0]


# --------------------------------------------------------------------------------------- cautions


def repeated(candles: pd.DataFrame, count: int, volume: float) -> pd.DataFrame:
    """``candles`` whose newest ones repeat one price."""
    frozen = candles.copy()
    price = frozen["close"].iloc[-count - 1]
    frozen.loc[frozen.index[-count:], PRICES] = price
    frozen.loc[frozen.index[-count:], "volume"] = volume
    return frozen


@pytest.mark.parametrize(("volume", "extra"), [(0.0, 0), (7.0, 1)])
def test_a_market_that_stands_still_looks_frozen(volume: float, extra: int) -> None:
    # With volume the first of the equal candles repeats none.
    candles = market(count=CONTEXT)
    assert frozen_since(candles, HOUR) is None
    assert frozen_since(repeated(candles, 5 + extra, volume), HOUR) is None
    found = frozen_since(repeated(candles, 6 + extra, volume), HOUR)
    assert found == (candles["timestamp"].iloc[-6], 6)


def test_a_market_that_often_stands_still_does_not() -> None:
    candles = market(count=CONTEXT)
    for end in range(50, CONTEXT - 60, 50):
        candles.iloc[:end] = repeated(candles[:end], 10, 0.0)
    assert frozen_since(repeated(candles, 29, 0.0), HOUR) is None
    assert frozen_since(repeated(candles, 31, 0.0), HOUR) is not None


def test_a_market_of_minutes_looks_frozen_after_an_hour() -> None:
    candles = random_candles(1, CONTEXT, 0.001, Timeframe("1m"))
    assert frozen_since(repeated(candles, 59, 0.0), Timeframe("1m")) is None
    assert frozen_since(repeated(candles, 60, 0.0), Timeframe("1m")) is not None


def test_the_caution_names_what_is_implausible_now() -> None:
    candles = market(count=CONTEXT)
    assert caution_about(candles, [], HOUR) is None
    stepped = caution_about(times(candles, 5, CONTEXT - 10), [], HOUR)
    assert stepped is not None
    assert ", x5" in stepped
    assert caution_about(times(candles, 5, CONTEXT - 101), [], HOUR) is None
    frozen = caution_about(repeated(candles, 8, 0.0), [], HOUR)
    assert frozen is not None
    assert "looks frozen: 8 1h candles" in frozen
    refusal = Refusal(OPENED, CLOSED, IMPLAUSIBLE, "the candle")
    held = Absence(OPENED, CLOSED, None, None, CLOSED, 0).refused(refusal, CLOSED)
    first = caution_about(candles, [held], HOUR)
    assert first is not None
    assert first.endswith("the candle")
    settled = held.refused(refusal, CLOSED + timedelta(hours=1))
    assert caution_about(candles, [settled], HOUR) is None


# -------------------------------------------------------------------------------------- real data


@requires_real_data
@pytest.mark.parametrize("symbol", ["BTC/USDT", "ETH/USDT", "XRP/USDT"])
def test_years_of_real_candles_have_no_step(symbol: str) -> None:
    """Listings, outages and the crashes of 2018-01, 2020-03-12 and 2021-05-19 among them."""
    hours = real_candles(symbol, "1h")
    for name in ("1h", "4h", "1d", "1w"):
        candles = hours if name == "1h" else resample(hours, HOUR, Timeframe(name)).candles
        assert find_steps(candles, Timeframe(name)) == [], name


@requires_real_data
@pytest.mark.parametrize("symbol", ["BTC/USDT", "ETH/USDT", "XRP/USDT"])
def test_real_candles_in_another_unit_are_a_step_wherever_it_begins(symbol: str) -> None:
    hours = real_candles(symbol, "1h")
    for first in np.linspace(CONTEXT, len(hours) - 1, 20).astype(int):
        part = hours[first - CONTEXT : first + 1].reset_index(drop=True)
        for factor in (100.0, 0.01, 25.0):
            assert steps(times(part, factor, CONTEXT)) == [CONTEXT]


@requires_real_data
@pytest.mark.parametrize("symbol", ["BTC/USDT", "ETH/USDT", "XRP/USDT"])
def test_real_candles_never_look_frozen(symbol: str) -> None:
    hours = real_candles(symbol, "1h")
    still = hours["volume"].to_numpy() == 0
    ends = [int(row) for row in np.flatnonzero(still) if row >= CONTEXT]
    for end in [*ends, *range(CONTEXT, len(hours), 5000)]:
        part = hours[end + 1 - CONTEXT : end + 1]
        assert frozen_since(part, HOUR) is None, part["timestamp"].iloc[-1]
