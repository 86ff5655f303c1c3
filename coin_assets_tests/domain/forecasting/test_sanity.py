"""Whether a forecast may be shown: shape, order, origin, and a scale that the market has.

- What the baseline forecasts from a market is never called wrong: not in quiet times, after a
  crash, in a market that does not move, nor with the fewest candles.
- A forecast in another unit, of another price or of nonsense width is called wrong, by name.
"""

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from benchmarks.trailing_volatility import VolatilityScaledBaseline
from coin_assets.domain.candles.frame import HIGHEST_PRICE, LOWEST_PRICE
from coin_assets.domain.forecasting.frame import (
    LIVE,
    PRICE_COLUMNS,
    QUANTILE_COLUMNS,
    STEPS,
    Floats,
    forecast_frame,
)
from coin_assets.domain.forecasting.sanity import FEWEST_RETURNS, forecast_problems
from coin_assets.domain.forecasting.trainable import minimum_candles
from coin_assets.domain.timeframes import Timeframe
from coin_assets.errors import InsufficientData

HOUR = Timeframe.parse("1h")
ORIGIN = datetime(2026, 11, 2, tzinfo=UTC)  # a Monday
Change = Callable[[pd.DataFrame], pd.DataFrame]


def candles(
    returns: Floats, timeframe: Timeframe = HOUR, origin: datetime = ORIGIN
) -> pd.DataFrame:
    """Candles whose closes make these log returns from 100 on, up to ``origin``."""
    closes = 100 * np.exp(np.concatenate([[0.0], np.cumsum(returns)]))
    opens = timeframe.opens(timeframe.shift(origin, -len(closes)), origin)
    values = dict.fromkeys(("open", "high", "low", "close"), closes)
    return pd.DataFrame({"timestamp": opens, **values, "volume": 1.0})


def steady(count: int = 300, volatility: float = 0.01, seed: int = 7) -> Floats:
    return np.random.default_rng(seed).normal(0.0, volatility, count)


def made(known: pd.DataFrame, timeframe: Timeframe = HOUR) -> pd.DataFrame:
    """The baseline's forecast at the close of the newest of ``known``."""
    origins = timeframe.close_all(known["timestamp"].tail(1))
    quantiles = (
        VolatilityScaledBaseline(timeframe.name).fit(known).predict_quantiles(known, origins)
    )
    return forecast_frame(origins, quantiles, "1", [LIVE])


KNOWN = candles(steady())
GOOD = made(KNOWN)


def problems(change: Change, known: pd.DataFrame = KNOWN) -> tuple[str, ...]:
    return forecast_problems(change(GOOD.copy()), known, HOUR)


# ----------------------------------------------------------------------------------------- no alarm


def test_a_good_forecast_has_no_problem_whatever_the_order_of_its_rows() -> None:
    assert problems(lambda rows: rows) == ()
    assert problems(lambda rows: rows.iloc[::-1]) == ()


@pytest.mark.parametrize("name", ["1m", "1h", "1d", "1w", "1M"])
def test_the_fewest_candles_a_forecast_needs_give_no_alarm(name: str) -> None:
    timeframe = Timeframe.parse(name)
    origin = ORIGIN if name != "1M" else datetime(2026, 11, 1, tzinfo=UTC)
    volatility = 0.04 * np.sqrt(timeframe.seconds / 86400)
    known = candles(steady(minimum_candles(timeframe) - 1, volatility), timeframe, origin)
    assert forecast_problems(made(known, timeframe), known, timeframe) == ()


@pytest.mark.parametrize(
    "shape",
    [
        np.concatenate([steady(800), np.zeros(250)]),  # a halted market after lively times
        np.concatenate([steady(800), np.zeros(95)]),
        np.concatenate([steady(600, 0.001), [-0.3]]),  # a crash just now
        np.concatenate([steady(600, 0.001), [-0.3], np.zeros(3)]),
        np.concatenate([steady(600, 0.001), steady(5, 0.1)]),
        np.concatenate([steady(600, 0.02), steady(250, 0.0002)]),  # lively times are long gone
        np.where(np.arange(600) % 40 == 0, steady(600, 0.001), 0.0),  # hardly ever traded
        np.tile([0.001, -0.001], 300),  # to and fro between bid and ask
    ],
)
def test_odd_markets_give_no_alarm(shape: Floats) -> None:
    known = candles(shape)
    assert forecast_problems(made(known), known, HOUR) == ()


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    volatility=st.floats(1e-4, 0.1),
    tails=st.floats(2.5, 30),
    regimes=st.lists(st.floats(0.1, 10), min_size=1, max_size=5),
)
def test_what_the_baseline_forecasts_is_never_called_wrong(
    seed: int, volatility: float, tails: float, regimes: list[float]
) -> None:
    generator = np.random.default_rng(seed)
    scales = np.repeat(regimes, 250) * volatility
    known = candles(np.clip(scales * generator.standard_t(tails, len(scales)), -0.7, 0.7))
    assume(known["close"].between(LOWEST_PRICE, HIGHEST_PRICE).all())  # else no candles are stored
    try:
        forecast = made(known)
    except InsufficientData:  # a price that never moved has no forecast
        return
    assert forecast_problems(forecast, known, HOUR) == ()


def test_the_scale_is_not_judged_by_few_candles() -> None:
    def far_off(rows: pd.DataFrame) -> pd.DataFrame:
        return rows.assign(**{name: 50 * rows[name] for name in PRICE_COLUMNS})

    assert problems(far_off, KNOWN.tail(FEWEST_RETURNS)) == ()
    assert problems(far_off, KNOWN.tail(FEWEST_RETURNS + 1)) != ()
    scattered = KNOWN.iloc[::-2].iloc[::-1]  # no two candles follow each other
    assert problems(far_off, scattered) == ()


# ------------------------------------------------------------------------------- shape and order


def test_missing_doubled_and_unknown_steps_are_named() -> None:
    assert problems(lambda rows: rows.iloc[:-2]) == ("steps 23, 24 are missing",)
    assert problems(lambda rows: rows.iloc[:0])[0] == "steps 1, 2, 3, 4, 5 and 19 more are missing"
    doubled = problems(lambda rows: pd.concat([rows, rows.head(1)]))
    assert doubled == ("steps 1 occur more than once",)
    shifted = problems(lambda rows: rows.assign(step=rows["step"] + 1))
    assert shifted == ("steps 1 are missing", "steps 25 are not among 1..24")


def test_the_origin_is_the_close_of_the_newest_candle() -> None:
    assert problems(lambda rows: rows, KNOWN.iloc[:-1]) == (
        "origin 2026-11-02 00:00 is not the close of the newest candle up to it, 2026-11-01 23:00",
    )
    assert problems(lambda rows: rows, KNOWN.iloc[:0]) == ("no candle is stored up to the origin",)
    (found,) = problems(
        lambda rows: rows.assign(as_of=rows["as_of"] + pd.to_timedelta(rows["step"] // 24, "h"))
    )
    assert found.startswith("2 origins in one forecast")


@pytest.mark.parametrize(
    ("column", "value", "problem"),
    [
        ("q05", np.nan, "values are not finite at steps 3"),
        ("q95", np.inf, "values are not finite at steps 3"),
        ("price", np.nan, "values are not finite at steps 3"),
        ("q05", 0.0, "prices are not above zero at steps 3"),
        ("q05", -1.0, "prices are not above zero at steps 3"),
        ("q25", 99999.0, "quantiles cross at steps 3"),
        ("price", 1.0, "price is not the median at steps 3"),
    ],
)
def test_values_that_cannot_be_are_named_with_their_step(
    column: str, value: float, problem: str
) -> None:
    def change(rows: pd.DataFrame) -> pd.DataFrame:
        rows.loc[rows["step"] == 3, column] = value
        return rows

    assert problem in problems(change)


# -------------------------------------------------------------------------------------------- scale


@given(factor=st.floats(2.0, 1e6), inverse=st.booleans())
def test_a_forecast_in_another_unit_is_called_wrong(factor: float, inverse: bool) -> None:
    scale = 1 / factor if inverse else factor
    found = problems(
        lambda rows: rows.assign(**{name: rows[name] * scale for name in PRICE_COLUMNS})
    )
    assert len(found) == 1
    assert found[0].startswith("step 1 lies ")


@pytest.mark.parametrize(("power", "steps"), [(80.0, {1, STEPS}), (1 / 80, {1, STEPS})])
def test_intervals_of_nonsense_width_are_called_wrong(power: float, steps: set[int]) -> None:
    found = problems(lambda rows: stretched(rows, power))
    assert {int(text.split("step ")[1].split()[0]) for text in found} == steps
    assert all("where recent candles suggest" in text for text in found)


@given(power=st.floats(1 / 10, 10))
def test_intervals_somewhat_wider_or_narrower_pass(power: float) -> None:
    assert problems(lambda rows: stretched(rows, power)) == ()


def test_a_forecast_away_from_a_price_that_stands_still_is_called_wrong() -> None:
    known = candles(np.concatenate([steady(800), np.zeros(250)]))
    forecast = made(known)
    away = forecast.assign(**{name: 1.5 * forecast[name] for name in PRICE_COLUMNS})
    assert forecast_problems(away, known, HOUR)[0].startswith("step 1 lies +50.0% off")


def stretched(rows: pd.DataFrame, power: float) -> pd.DataFrame:
    """The interval of every step, wider or narrower by a power around its median."""
    median = rows["price"].to_numpy()
    names = [name for name in QUANTILE_COLUMNS if name != "q50"]
    changed = {name: median * (rows[name].to_numpy() / median) ** power for name in names}
    return rows.assign(**changed)


def test_candles_that_no_market_has_are_a_problem() -> None:
    """An earlier release stored a price of 1e308, and its forecast was served."""
    absurd = KNOWN.copy()
    absurd.loc[150, "high"] = 1e308
    (problem,) = problems(lambda rows: rows, absurd)
    assert problem.startswith("its candles break the rule that prices lie from 1e-20 to 1e+15")
