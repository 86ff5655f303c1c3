"""Legal candles that seem wrong are pointed out, and few others.

- A range more than 20 times the median of the last 100 bars that moved, a jump as large between
  adjacent candles, and three or more candles without a trade are found, exactly where they are.
- A naive bar-by-bar reading of that definition agrees.
- Of the real hours of three symbols, fewer than one in a thousand is called anomalous.
"""

import statistics
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coin_assets.domain.candles.anomalies import find_anomalies
from coin_assets.domain.candles.frame import PRICES, empty_candles, validated
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe
from coin_assets.market.sandbox import SandboxMarket
from coin_assets_tests.realdata import real_candles, requires_real_data

HOUR = Timeframe("1h")
HOUR_LONG = timedelta(hours=1)
START = datetime(2024, 3, 1, tzinfo=UTC)
ROWS = 300
Found = tuple[str, datetime, datetime]


@cache
def _sandbox_candles() -> pd.DataFrame:
    series, end = Series("BTC/USDT", HOUR), HOUR.shift(START, ROWS)
    pages = [page.candles for page in SandboxMarket().pages(series, START, end, end)]
    return pd.concat(pages, ignore_index=True)


def sandbox_candles() -> pd.DataFrame:
    return _sandbox_candles().copy()


def hour(number: int) -> datetime:
    return START + timedelta(hours=number)


def found(candles: pd.DataFrame) -> list[Found]:
    return [(each.kind, each.start, each.end) for each in find_anomalies(candles, HOUR)]


def naive(candles: pd.DataFrame) -> list[Found]:
    """Bar by bar, as the definition reads."""
    answer: list[Found] = []
    usual: list[float] = []
    run: list[datetime] = []
    before: tuple[datetime, float] | None = None
    for stamp, opened, high, low, close, volume in candles.itertuples(index=False, name=None):
        at, follows = stamp.to_pydatetime(), before is not None and stamp - before[0] == HOUR_LONG
        if len(usual) >= 50:
            limit = max(20 * statistics.median(usual[-100:]), 0.005)
            if (
                before is not None
                and follows
                and max(opened / before[1], before[1] / opened) - 1 > limit
            ):
                answer.append(("jump", at, at + HOUR_LONG))
            if high / low - 1 > limit:
                answer.append(("range", at, at + HOUR_LONG))
        is_flat = high == low and volume == 0
        if run and not (is_flat and follows):
            answer += [("flat", run[0], run[-1] + HOUR_LONG)] if len(run) >= 3 else []
            run = []
        run += [at] if is_flat else []
        usual += [high / low - 1] if high > low else []
        before = at, close
    answer += [("flat", run[0], run[-1] + HOUR_LONG)] if len(run) >= 3 else []
    return sorted(answer, key=lambda each: (each[1], each[0]))


def spike(candles: pd.DataFrame, row: int) -> None:
    candles["high"] = candles["high"].where(candles.index != row, candles["low"] * 1.9)


def jump(candles: pd.DataFrame, row: int) -> None:
    """From here on everything costs half: the first open is far from the close before."""
    for name in PRICES:
        candles[name] = candles[name].where(candles.index < row, candles[name] / 2)


def flatten(candles: pd.DataFrame, row: int, rows: int = 3) -> None:
    kept = (candles.index < row) | (candles.index >= row + rows)
    price = float(candles["close"].iloc[row - 1])
    for name in PRICES:
        candles[name] = candles[name].where(kept, price)
    candles["volume"] = candles["volume"].where(kept, 0.0)


Plant = Callable[[pd.DataFrame, int], None]


def test_ordinary_candles_are_not_suspicious() -> None:
    assert find_anomalies(sandbox_candles(), HOUR) == []
    assert find_anomalies(empty_candles(), HOUR) == []


def test_a_planted_spike_is_found_with_its_size() -> None:
    candles = sandbox_candles()
    spike(candles, 150)
    (each,) = find_anomalies(candles, HOUR)
    assert (each.kind, each.start, each.end) == ("range", hour(150), hour(151))
    assert each.detail.startswith("low to high 90.00%, ")
    assert each.detail.endswith(" times the usual range")


def test_a_planted_jump_is_found_but_not_after_a_gap() -> None:
    candles = sandbox_candles()
    jump(candles, 150)
    assert found(candles) == [("jump", hour(150), hour(151))]
    assert found(candles.drop(index=149)) == []


@pytest.mark.parametrize("rows", [1, 2, 3, 86])
def test_a_run_of_candles_without_trades_is_found_from_three_on(rows: int) -> None:
    candles = sandbox_candles()
    flatten(candles, 150, rows)
    kinds = [each for each in found(candles) if each[0] == "flat"]
    assert kinds == ([("flat", hour(150), hour(150 + rows))] if rows >= 3 else [])


def test_a_gap_ends_a_run_and_still_prices_with_trades_are_none() -> None:
    candles = sandbox_candles()
    flatten(candles, 150, 5)
    assert [each for each in found(candles.drop(index=152)) if each[0] == "flat"] == []
    candles.loc[152, "volume"] = 1.0
    assert [each for each in found(candles) if each[0] == "flat"] == []


def test_nothing_is_unusual_before_fifty_bars_moved() -> None:
    candles = sandbox_candles()
    spike(candles, 49)
    assert found(candles) == []
    spike(candles, 50)
    assert found(candles) == [("range", hour(50), hour(51))]


def test_one_tick_in_a_still_market_is_no_spike() -> None:
    candles = sandbox_candles()
    candles[PRICES] = 100.0
    candles["high"] = 100.0001
    candles.loc[200, "high"] = 100.4
    assert found(candles) == []


plants = st.lists(
    st.tuples(st.sampled_from([spike, jump, flatten]), st.integers(1, ROWS - 4)), max_size=6
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plants=plants, dropped=st.sets(st.integers(0, ROWS - 1), max_size=5))
def test_a_bar_by_bar_reading_agrees(plants: list[tuple[Plant, int]], dropped: set[int]) -> None:
    candles = sandbox_candles()
    for plant, row in plants:
        plant(candles, row)
    candles = validated(candles.drop(index=list(dropped)), HOUR, "test")
    assert found(candles) == naive(candles)


@requires_real_data
@pytest.mark.parametrize(
    ("symbol", "flags"), [("BTC/USDT", 17), ("ETH/USDT", 14), ("XRP/USDT", 22)]
)
def test_few_real_hours_are_suspicious_and_a_naive_reading_agrees(symbol: str, flags: int) -> None:
    candles = real_candles(symbol, "1h")
    anomalies = found(candles)
    assert len(anomalies) == flags
    part = candles.head(9000)
    assert found(part) == naive(part)
