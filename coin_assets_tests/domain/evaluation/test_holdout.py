"""Validation: the scores of a method on candles that it was not fitted to.

- The last fifth of the candles, at most `HOLDOUT`, is never fitted to, but all of it is scored.
- The scores are those of a loop over origins, steps and quantiles.
- What cannot be scored has no scores.
"""

from datetime import UTC, datetime
from typing import Any, Self

import numpy as np
import pandas as pd
import pytest

from coin_assets.domain.evaluation.holdout import HOLDOUT, Validation, validation, validation_facts
from coin_assets.domain.forecasting.frame import MEDIAN, QUANTILES, STEPS, Floats, Forecaster
from coin_assets.domain.forecasting.naive import has_naive, naive_quantiles
from coin_assets.domain.timeframes import Timeframe
from coin_assets.errors import InsufficientData

HOUR = Timeframe.parse("1h")
START = datetime(2026, 1, 1, tzinfo=UTC)


class Fan:
    """The last close, and a fan of fixed width around it; records what it was fitted to."""

    name = "fan"
    context = 1
    features: tuple[str, ...] = ("close",)

    def __init__(self, width: float = 0.02, fewest: int = 48) -> None:
        self.width, self.fewest = width, fewest
        self.fitted: pd.DataFrame | None = None

    def fit(self, candles: pd.DataFrame) -> Self:
        self.fitted = candles
        if len(candles) < self.fewest:
            raise InsufficientData("too few")
        return self

    def predict_quantiles(self, candles: pd.DataFrame, origins: pd.DatetimeIndex) -> Floats:
        closes = candles.set_index(HOUR.close_all(candles["timestamp"]))["close"]
        last = closes.loc[origins].to_numpy()
        fan = np.exp(self.width * (np.arange(len(QUANTILES)) - MEDIAN))
        return np.asarray(np.broadcast_to(last[:, None, None] * fan, (len(last), STEPS, len(fan))))

    def state(self) -> dict[str, Any]:
        return {}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        raise NotImplementedError(state)


def candles(count: int, seed: int = 0) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(0.01 * generator.standard_normal(count)))
    opens = HOUR.opens(START, HOUR.shift(START, count))
    prices = dict.fromkeys(("open", "high", "low", "close"), close)
    return pd.DataFrame({"timestamp": opens, **prices, "volume": 1.0})


def scored(forecaster: Forecaster, frame: pd.DataFrame) -> Validation:
    found = validation(forecaster, frame, HOUR)
    assert found is not None
    return found


def by_hand(forecaster: Forecaster, frame: pd.DataFrame, held: int) -> dict[str, float]:
    """Origin by origin, step by step, quantile by quantile."""
    closes = dict(zip(HOUR.close_all(frame["timestamp"]), frame["close"], strict=True))
    origins = [time for time in list(closes)[-held - 1 : -1] if has(frame, time)]
    losses: list[float] = []
    naive_losses: list[float] = []
    inside, counted = [], 0
    for origin in origins:
        index = pd.DatetimeIndex([origin])
        predicted = forecaster.predict_quantiles(frame, index)[0]
        naive = naive_quantiles(frame, index, HOUR)[0]
        known = 0
        for step in range(STEPS):
            close = closes.get(origin + pd.Timedelta(hours=step + 1))
            if close is None:
                continue
            known += 1
            inside.append(predicted[step][1] <= close <= predicted[step][-2])
            for quantiles, into in ((predicted, losses), (naive, naive_losses)):
                for level, quantile in zip(QUANTILES, quantiles[step], strict=True):
                    miss = np.log(close) - np.log(quantile)
                    into.append(level * miss if miss > 0 else (level - 1) * miss)
        counted += known > 0
    return {
        "origins": counted,
        "loss": float(np.mean(losses)),
        "naive": float(np.mean(naive_losses)),
        "coverage_80": float(np.mean(inside)),
    }


def has(frame: pd.DataFrame, origin: pd.Timestamp) -> bool:
    return bool(has_naive(frame, pd.DatetimeIndex([origin]), HOUR)[0])


@pytest.mark.parametrize("gap", [None, (340, 350), (385, 400), (300, 345)])
def test_the_scores_are_those_of_a_loop(gap: tuple[int, int] | None) -> None:
    frame = candles(400)
    if gap is not None:
        frame = frame.drop(index=range(*gap)).reset_index(drop=True)
    found, held = scored(Fan(), frame), len(frame) // 5
    expected = by_hand(Fan(), frame, held)
    assert found.origins == expected["origins"]
    if gap is None:
        assert found.origins == held
    for name in ("loss", "naive", "coverage_80"):
        assert getattr(found, name) == pytest.approx(expected[name], rel=1e-12)
    assert found.skill == pytest.approx(1 - expected["loss"] / expected["naive"], rel=1e-12)


@pytest.mark.parametrize(
    ("count", "held"),
    [(60, 12), (1000, 200), (5 * HOLDOUT - 1, HOLDOUT - 1), (5 * HOLDOUT + 500, HOLDOUT)],
)
def test_what_is_held_out_is_not_fitted_to(count: int, held: int) -> None:
    frame, forecaster = candles(count), Fan()
    found = validation(forecaster, frame, HOUR)
    assert forecaster.fitted is not None
    pd.testing.assert_frame_equal(forecaster.fitted, frame.iloc[: count - held])
    if found is not None:
        assert found.origins <= held


def test_a_wide_fan_covers_and_a_narrow_one_does_not() -> None:
    frame = candles(2000)
    wide, narrow = (scored(Fan(width), frame) for width in (1.0, 1e-6))
    assert wide.coverage_80 == 1
    assert narrow.coverage_80 < 0.01
    assert wide.naive == narrow.naive
    assert wide.skill is not None
    assert narrow.skill is not None
    assert max(wide.skill, narrow.skill) < 0


def test_too_few_candles_to_hold_some_out_have_no_scores() -> None:
    assert validation(Fan(fewest=81), candles(100), HOUR) is None
    assert validation(Fan(fewest=80), candles(100), HOUR) is not None


def test_without_a_naive_forecast_there_is_nothing_to_compare_with() -> None:
    assert validation(Fan(fewest=10), candles(45), HOUR) is None


def test_a_price_that_stood_still_has_no_skill() -> None:
    frame = candles(200)
    frame[["open", "high", "low", "close"]] = 100.0
    found = scored(Fan(), frame)
    assert found.naive == 0
    assert found.skill is None
    assert validation_facts(found)["validation_skill"] is None


def test_facts_name_every_score_and_are_null_without_scores() -> None:
    facts = validation_facts(Validation(9, 1.0, 2.0, 0.8))
    assert facts == {
        "validation_origins": 9,
        "validation_loss": 1.0,
        "validation_naive": 2.0,
        "validation_skill": 0.5,
        "validation_coverage_80": 0.8,
    }
    assert validation_facts(None) == dict.fromkeys(facts)
