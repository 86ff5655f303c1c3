"""HAR with exogenous series, on a simulated market whose options know its volatility.

The answer is known: the implied volatility is that of the next day, up to an error. Who reads it
must lose less than who does not, and who reads noise must lose about as much.
"""

import json
from datetime import timedelta
from functools import cache

import numpy as np
import pandas as pd
import pytest

from coin_assets.domain.evaluation.matured import matured
from coin_assets.domain.evaluation.promotion import PairedScores, TrialTerms, judge
from coin_assets.domain.evaluation.scoring import inside, losses, mean_by_origin
from coin_assets.domain.forecasting.exogenous import joined, published
from coin_assets.domain.forecasting.frame import LIVE, Floats, Forecaster, forecast_frame
from coin_assets.domain.forecasting.har import HarForecaster
from coin_assets.domain.forecasting.har_exogenous import HarExogenousForecaster
from coin_assets.domain.forecasting.naive import naive_quantiles
from coin_assets.domain.methods import CHAMPION, EXOGENOUS, IMPLIED, OPEN_INTEREST
from coin_assets.domain.timeframes import Timeframe

HOUR, START = Timeframe("1h"), pd.Timestamp("2026-01-01", tz="UTC")
TRAINED, COUNT, AHEAD = 6000, 10000, 24
YEAR = 365 * 24
TWO_HOURS = timedelta(hours=2)


@cache
def market(seed: int = 0) -> tuple[pd.DataFrame, Floats]:
    """Candles, and the volatility of each; days of calm and storm begin without warning."""
    rng = np.random.default_rng(seed)
    days = rng.normal(0.0, 0.7, COUNT // AHEAD + 1).repeat(AHEAD)[:COUNT]
    volatility = 0.006 * np.exp(days + 0.1 * rng.standard_normal(COUNT))
    close = 100 * np.exp(np.cumsum(volatility * rng.standard_normal(COUNT)))
    opened = np.concatenate([[100.0], close[:-1]])
    high, low = np.maximum(opened, close), np.minimum(opened, close)
    opens = pd.date_range(START, periods=COUNT, freq="h")
    prices = {"open": opened, "high": high, "low": low, "close": close, "volume": 1.0}
    return pd.DataFrame({"timestamp": opens, **prices}), volatility


def implied(error: float, seed: int = 0, know: bool = True) -> pd.DataFrame:
    """Annual volatility of the next day in percent, as options would tell it at each close."""
    candles, volatility = market(seed)
    rng = np.random.default_rng(seed + 100)
    after = [volatility[place : place + AHEAD].mean() for place in range(1, COUNT)]
    ahead = np.array([*after, volatility[-1]])
    told = ahead if know else np.full(COUNT, volatility.mean())
    values = 100 * np.sqrt(YEAR) * told * np.exp(error * rng.standard_normal(COUNT))
    closes = HOUR.close_all(candles["timestamp"])
    return published(closes, timedelta(0), values)


def extended(values: pd.DataFrame | None) -> pd.DataFrame:
    candles, _ = market()
    return joined(candles, HOUR, {} if values is None else {IMPLIED: values}, TWO_HOURS)


def scored(
    forecaster: Forecaster, candles: pd.DataFrame
) -> tuple[pd.DatetimeIndex, Floats, Floats]:
    """Origins, loss and covered share of live forecasts after the training."""
    fitted = forecaster.fit(candles.iloc[:TRAINED])
    origins = HOUR.close_all(candles["timestamp"])[TRAINED - 1 :]
    quantiles = fitted.predict_quantiles(candles, origins)
    return _scores(origins, quantiles, candles)


def _scores(
    origins: pd.DatetimeIndex, quantiles: Floats, candles: pd.DataFrame
) -> tuple[pd.DatetimeIndex, Floats, Floats]:
    frame = forecast_frame(origins, quantiles, "1", [LIVE] * len(origins))
    as_of = HOUR.close_of(candles["timestamp"].iloc[-1].to_pydatetime())
    made = matured(frame, candles, HOUR, CHAMPION, as_of)
    return made.origins, losses(made), mean_by_origin(inside(made, 0.1, 0.9))


def loss(values: pd.DataFrame | None) -> float:
    return float(scored(HarExogenousForecaster("1h"), extended(values))[1].mean())


def failed_criteria(values: pd.DataFrame) -> list[str]:
    """Criteria of the gate that the forecasts with ``values`` do not pass against those without."""
    candles = extended(values)
    origins, plain, _ = scored(HarForecaster("1h"), candles)
    _, informed, covered = scored(HarExogenousForecaster("1h", (IMPLIED,)), candles)
    closes = HOUR.close_all(candles["timestamp"])[TRAINED - 1 :]
    _, naive, _ = _scores(closes, naive_quantiles(candles, closes, HOUR), candles)
    now = origins[-1].to_pydatetime() + 24 * timedelta(hours=1)
    verdict = judge(
        PairedScores(origins, plain, informed, naive, covered, np.ones(len(origins), bool)),
        HOUR,
        TrialTerms(origins[0].to_pydatetime(), timedelta(days=90), challengers=2),
        earlier_passes=[now - timedelta(days=2), now - timedelta(days=1)],
        now=now,
    )
    return [each.name for each in verdict.criteria if not each.passed]


def test_who_reads_what_options_know_loses_less_and_wins_the_gate() -> None:
    assert loss(implied(0.1)) < 0.97 * loss(None)
    assert failed_criteria(implied(0.1)) == []


@pytest.mark.parametrize("error", [0.3, 3.0])
def test_noise_does_not_win_the_gate(error: float) -> None:
    assert failed_criteria(implied(error, know=False)) != []


def test_the_less_options_know_the_smaller_is_the_gain() -> None:
    exact, vague, nothing = (loss(implied(error)) for error in (0.05, 0.4, 3.0))
    assert exact < vague < nothing


@pytest.mark.parametrize("values", [None, implied(0.3, know=False)], ids=["none", "noise"])
def test_without_knowledge_it_is_as_good_as_without_the_series(
    values: pd.DataFrame | None,
) -> None:
    plain = float(scored(HarForecaster("1h"), extended(None))[1].mean())
    assert loss(values) == pytest.approx(plain, rel=0.01)


def test_what_is_published_after_an_origin_changes_nothing() -> None:
    """Values removed, or others in their place; to the bit."""
    values, candles = implied(0.1), market()[0]
    fitted = HarExogenousForecaster("1h").fit(extended(values).iloc[:TRAINED])
    origins = HOUR.close_all(candles["timestamp"])[TRAINED : TRAINED + 50]
    later = values["known_at"] > origins[-1]
    other = values.assign(value=values["value"].where(~later, 1.0))
    made = fitted.predict_quantiles(extended(values), origins)
    for changed in (values[~later], other):
        assert np.array_equal(made, fitted.predict_quantiles(extended(changed), origins))
    moved = values.assign(value=values["value"].where(values["known_at"] != origins[-1], 1.0))
    assert not np.array_equal(made[-1], fitted.predict_quantiles(extended(moved), origins)[-1])


def test_a_late_value_is_used_from_when_it_came() -> None:
    values = implied(0.1)
    place = TRAINED + 10
    late = values.copy()
    late.loc[place:, "known_at"] += timedelta(hours=1)
    fitted = HarExogenousForecaster("1h").fit(extended(values).iloc[:TRAINED])
    origins = HOUR.close_all(market()[0]["timestamp"])[place - 1 : place + 1]
    before, after = (fitted.predict_quantiles(extended(each), origins) for each in (values, late))
    assert np.array_equal(before[0], after[0])
    assert not np.array_equal(before[1], after[1])


def test_it_is_restored_from_its_state_to_the_bit() -> None:
    candles = extended(implied(0.1))
    fitted = HarExogenousForecaster("1h").fit(candles.iloc[:TRAINED])
    assert fitted.features[-len(EXOGENOUS) :] == EXOGENOUS
    restored = HarExogenousForecaster.from_state(json.loads(json.dumps(fitted.state())))
    origins = HOUR.close_all(candles["timestamp"])[-40:]
    made = restored.predict_quantiles(candles, origins)
    assert np.array_equal(made, fitted.predict_quantiles(candles, origins))
    with pytest.raises(TypeError, match="exogenous"):
        HarForecaster.from_state(fitted.state())
    state = fitted.state()
    state["parameters"]["exogenous"] = ["gossip"]
    with pytest.raises(ValueError, match="'gossip'"):
        HarExogenousForecaster.from_state(state)


def test_it_reads_the_series_that_it_is_given_and_no_other() -> None:
    values = implied(0.1)
    candles = extended(values)
    one = HarExogenousForecaster("1h", (IMPLIED,)).fit(candles.iloc[:TRAINED])
    assert one.features[-1] == IMPLIED
    assert OPEN_INTEREST not in one.features
    other = candles.assign(x_open_interest=1.0)
    origins = HOUR.close_all(candles["timestamp"])[-40:]
    made = one.predict_quantiles(candles, origins)
    assert np.array_equal(made, one.predict_quantiles(other, origins))


def test_open_interest_is_compared_within_the_context() -> None:
    """Candles before the context change no bit."""
    candles, rng = market()[0], np.random.default_rng(7)
    times = HOUR.close_all(candles["timestamp"])
    interest = 1e5 * np.exp(np.cumsum(0.01 * rng.standard_normal(COUNT)))
    values = published(times, timedelta(0), interest)
    whole = joined(candles, HOUR, {OPEN_INTEREST: values})
    fitted = HarExogenousForecaster("1h", (OPEN_INTEREST,)).fit(whole.iloc[:TRAINED])
    tail = whole.iloc[-fitted.context :].reset_index(drop=True)
    made = fitted.predict_quantiles(whole, times[-1:])
    assert np.array_equal(made, fitted.predict_quantiles(tail, times[-1:]))
    blind = fitted.predict_quantiles(candles, times[-1:])
    assert not np.array_equal(made, blind)
