"""Matured forecasts: all that are over and no other, beside the candles that came.

- An origin counts once its 24th candle is closed in data time; later candles change nothing.
- Closes, the last close and the volatility are those of a slow loop; gaps stay unknown.
- Every stored forecast of the role counts, but incomplete ones are refused.
"""

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coin_assets.domain.evaluation.matured import Matured, matured, naive_of
from coin_assets.domain.forecasting.frame import (
    BACKTEST,
    LIVE,
    QUANTILE_COLUMNS,
    QUANTILES,
    STEPS,
    Floats,
    forecast_frame,
)
from coin_assets.domain.forecasting.naive import naive_quantiles
from coin_assets.domain.methods import CHALLENGER, CHAMPION
from coin_assets.errors import DataRefused
from coin_assets_tests.domain.evaluation.test_scoring import HOUR, START, candles
from coin_assets_tests.domain.forecasting.test_naive import origins_of, without

OFFSETS: Floats = np.linspace(-0.03, 0.03, len(QUANTILES))


def forecasts(
    origins: pd.DatetimeIndex,
    version: str = "1",
    kind: str = LIVE,
    role: str = CHAMPION,
    price: float = 100.0,
    width: float = 1.0,
) -> pd.DataFrame:
    """Of any origins, around ``price``; each origin and step has quantiles of its own."""
    places = np.arange(len(origins) * STEPS).reshape(len(origins), STEPS, 1) / 1e5
    quantiles = price * np.exp(places + width * OFFSETS)
    return forecast_frame(origins, quantiles, version, [kind] * len(origins), role)


def judged(made: pd.DataFrame, frame: pd.DataFrame, as_of: datetime | None = None) -> Matured:
    """Champion forecasts, over at ``as_of`` or at the close of the last candle."""
    return matured(made, frame, HOUR, CHAMPION, as_of or origins_of(frame)[-1].to_pydatetime())


@settings(max_examples=30)
@given(
    rows=st.integers(1, 70),
    dropped=st.sets(st.integers(0, 70)),
    later=st.integers(-5, 5),
    seed=st.integers(0, 9),
)
def test_it_agrees_with_a_slow_loop(rows: int, dropped: set[int], later: int, seed: int) -> None:
    whole = candles(rows, seed)
    frame = without(whole, dropped)
    made = forecasts(origins_of(whole))
    as_of = START + timedelta(hours=rows + later)
    found = judged(made, frame, as_of)
    closes = dict(zip(frame["timestamp"], frame["close"], strict=True))
    hour = timedelta(hours=1)
    expected = [
        origin
        for origin in origins_of(whole)
        if origin + STEPS * hour <= as_of
        and any(origin + step * hour in closes for step in range(STEPS))
    ]
    assert found.origins.tolist() == expected
    assert len(found) == len(expected)
    for row, origin in enumerate(expected):
        rows_of = made[made["as_of"] == origin]
        assert np.array_equal(found.quantiles[row], rows_of[QUANTILE_COLUMNS])
        came = [closes.get(origin + step * hour, np.nan) for step in range(STEPS)]
        assert np.array_equal(found.actual[row], came, equal_nan=True)
        assert found.last[row] == pytest.approx(closes.get(origin - hour, np.nan), nan_ok=True)
        returns = [
            float(np.log(closes[opened] / closes[opened - hour]))
            for opened in (origin - number * hour for number in range(1, 25))
            if opened in closes and opened - hour in closes
        ]
        squares = sum(each**2 for each in returns)
        volatility = (squares / len(returns)) ** 0.5 if returns else np.nan
        assert found.volatility[row] == pytest.approx(volatility, nan_ok=True)


def test_versions_and_kinds_belong_to_their_origins_in_whatever_order_they_are_stored() -> None:
    frame = candles(60)
    origins = origins_of(frame)
    parts = [
        forecasts(origins[10:20], version="2", kind=LIVE),
        forecasts(origins[:10], version="1", kind=BACKTEST),
        forecasts(origins[:30], version="3", role=CHALLENGER),
    ]
    made = pd.concat(parts)
    found = judged(made.sample(frac=1, random_state=1), frame)
    assert found.versions.tolist() == ["1"] * 10 + ["2"] * 10
    assert found.live.tolist() == [False] * 10 + [True] * 10
    assert np.array_equal(found.quantiles, judged(made, frame).quantiles)
    assert found.at(found.live).versions.tolist() == ["2"] * 10
    assert len(matured(made, frame, HOUR, CHALLENGER, START + timedelta(days=9))) == 30


def test_a_forecast_of_another_scale_is_scored_like_any_other() -> None:
    frame = candles(60)
    insane = forecasts(origins_of(frame)[:5], price=1e6)
    assert len(judged(insane, frame)) == 5


@pytest.mark.parametrize("broken", ["a step missing", "an origin twice"])
def test_incomplete_forecasts_are_refused(broken: str) -> None:
    frame = candles(60)
    made = forecasts(origins_of(frame)[:5])
    wrong = made.drop(index=30) if broken == "a step missing" else pd.concat([made, made.head(24)])
    with pytest.raises(DataRefused, match="champion 1h forecasts lack or repeat one of the steps"):
        judged(wrong, frame)


def test_nothing_stored_has_not_matured() -> None:
    frame = candles(60)
    none = forecasts(origins_of(frame)[:0])
    assert len(judged(none, frame)) == 0
    assert len(judged(forecasts(origins_of(frame)), frame.head(0), START)) == 0


def test_the_naive_forecasts_of_the_same_origins_differ_in_quantiles_alone() -> None:
    frame = candles(120)
    found = judged(forecasts(origins_of(frame)[60:90]), frame)
    naive = naive_of(found, frame, HOUR)
    assert np.array_equal(naive.quantiles, naive_quantiles(frame, found.origins, HOUR))
    assert naive.actual is found.actual
    assert naive.origins is found.origins
