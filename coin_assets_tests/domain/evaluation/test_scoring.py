"""Scores as a sheet of paper computes them, and the loss of a fitted forecaster.

- The pinball loss is least at the sample quantile, and no answer to what is not known.
- Every score of a window is that of a slow loop, however many candles are missing.
- Scores do not depend on the unit of prices; the naive forecast has no skill, the future all.
"""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import log

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from benchmarks.trailing_volatility import VolatilityScaledBaseline
from coin_assets.domain.evaluation.matured import Matured
from coin_assets.domain.evaluation.scoring import pinball_loss, recent_loss, scores
from coin_assets.domain.forecasting.frame import MEDIAN, QUANTILES, STEPS, Floats, Forecaster
from coin_assets.domain.timeframes import Timeframe
from coin_assets.errors import InsufficientData
from coin_assets_tests.models.test_training import candles as gapless
from coin_assets_tests.platform import series

HOUR = Timeframe("1h")
START = datetime(2026, 9, 1, tzinfo=UTC)
numbers = st.floats(-1e6, 1e6)


def candles(rows: int, seed: int = 0) -> pd.DataFrame:
    return gapless(series("1h"), START, START + timedelta(hours=rows), seed)


def slow_pinball(actual: float, quantile: float, level: float) -> float:
    return level * (actual - quantile) if actual >= quantile else (1 - level) * (quantile - actual)


@given(
    arrays(np.float64, (3, 2), elements=numbers), arrays(np.float64, (3, 2, 7), elements=numbers)
)
def test_it_agrees_with_the_definition(actual: Floats, quantiles: Floats) -> None:
    losses = pinball_loss(actual, quantiles)
    assert losses.shape == quantiles.shape
    for place in np.ndindex(*quantiles.shape):
        truth, said = actual.item(*place[:2]), quantiles.item(*place)
        expected = slow_pinball(truth, said, QUANTILES[place[2]])
        assert losses[place] == pytest.approx(expected)
    assert (losses >= 0).all()


@given(arrays(np.float64, 40, elements=numbers), st.sampled_from(QUANTILES), numbers)
def test_nothing_beats_the_sample_quantile(sample: Floats, level: float, other: float) -> None:
    def mean(said: float) -> float:
        return float(pinball_loss(sample, np.full((40, 1), said), (level,)).mean())

    honest = float(np.quantile(sample, level, method="inverted_cdf"))
    assert mean(honest) <= mean(other) + 1e-6


def test_what_is_not_known_has_no_loss() -> None:
    losses = pinball_loss(np.array([np.nan, 1.0]), np.ones((2, 7)))
    assert np.isnan(losses[0]).all()
    assert (losses[1] == 0).all()


def slow_loss(
    forecaster: Forecaster, frame: pd.DataFrame, origins: int, steps: int = 24
) -> float | None:
    """Origin by origin, step by step, on all candles."""
    closes = dict(zip(frame["timestamp"], frame["close"], strict=True))
    hour = pd.Timedelta("1h")
    last = frame["timestamp"].iloc[-1]
    old = [opened + hour for opened in closes if opened + steps * hour <= last]
    losses = []
    for origin in old[-origins:]:
        (said,) = forecaster.predict_quantiles(frame, pd.DatetimeIndex([origin]))
        for step in range(steps):
            close = closes.get(origin + step * hour)
            if close is not None:
                losses += [
                    slow_pinball(log(close), log(said[step][index]), level)
                    for index, level in enumerate(QUANTILES)
                ]
    return sum(losses) / len(losses) if losses else None


@settings(max_examples=8, deadline=None)
@given(
    rows=st.integers(250, 420),
    dropped=st.sets(st.integers(0, 400), max_size=9),
    origins=st.integers(1, 30),
)
def test_the_recent_loss_agrees_with_a_slow_one(rows: int, dropped: set[int], origins: int) -> None:
    frame = candles(rows)
    frame = frame.drop(index=[row for row in dropped if row < rows]).reset_index(drop=True)
    forecaster = VolatilityScaledBaseline("1h").fit(frame)
    loss = recent_loss(forecaster, frame, HOUR, origins)
    assert loss == pytest.approx(slow_loss(forecaster, frame, origins))


def test_candles_before_its_context_do_not_change_it() -> None:
    frame = candles(600)
    forecaster = VolatilityScaledBaseline("1h").fit(frame)
    needed = 100 + 24 + forecaster.context - 1
    short = frame.tail(needed).reset_index(drop=True)
    assert recent_loss(forecaster, short, HOUR) == recent_loss(forecaster, frame, HOUR)


def test_of_few_candles_as_many_origins_count_as_are_over() -> None:
    forecaster = VolatilityScaledBaseline("1h").fit(candles(300))
    assert recent_loss(forecaster, candles(24), HOUR) is None
    assert recent_loss(forecaster, candles(0), HOUR) is None
    one = candles(25)
    assert recent_loss(forecaster, one, HOUR) == pytest.approx(slow_loss(forecaster, one, 1))


def test_a_gap_after_every_origin_leaves_nothing_to_score() -> None:
    forecaster = VolatilityScaledBaseline("1h").fit(candles(300))
    frame = candles(40)
    assert recent_loss(forecaster, frame.iloc[[0, 39]].reset_index(drop=True), HOUR) is None


def test_a_wider_market_has_a_larger_loss() -> None:
    low = candles(500)
    high = low.assign(close=100 * (low["close"] / 100) ** 3)
    losses = [
        recent_loss(VolatilityScaledBaseline("1h").fit(frame), frame, HOUR) for frame in (low, high)
    ]
    assert losses[1] == pytest.approx(3 * (losses[0] or 0))


@pytest.mark.parametrize("name", ["1d", "1w", "1M"])
def test_every_timeframe_has_one(name: str) -> None:
    long = series(name)
    frame = gapless(long, datetime(2010, 1, 1, tzinfo=UTC), START)
    loss = recent_loss(VolatilityScaledBaseline(name).fit(frame), frame, long.timeframe)
    assert loss is not None
    assert 0 < loss < 0.1


# ------------------------------------------------------------------------------- scores of a window


def window(seed: int = 0, rows: int = 40, known: float = 0.9) -> tuple[Matured, Matured]:
    """Forecasts of a random walk whose median is off, and naive ones; some candles are missing."""
    rng = np.random.default_rng(seed)
    last = 100 * np.exp(rng.normal(0, 0.1, rows))
    actual = last[:, None] * np.exp(np.cumsum(rng.normal(0, 0.01, (rows, STEPS)), axis=1))
    actual[:, 1:][rng.random((rows, STEPS - 1)) > known] = np.nan
    widths = 0.02 * np.sort(rng.standard_normal((2, rows, STEPS, len(QUANTILES))), axis=3)
    widths[1] -= widths[1][..., [MEDIAN]]
    forecast, naive = last[:, None, None] * np.exp(widths)
    found = Matured(
        origins=HOUR.opens(START, START + timedelta(hours=rows)),
        versions=np.array(["2", "10"], dtype=object)[rng.integers(0, 2, rows)],
        live=rng.random(rows) < 0.5,
        quantiles=forecast,
        actual=actual,
        last=last,
        volatility=rng.random(rows),
    )
    return found, replace(found, quantiles=naive)


def slow_mean(forecast: Matured, score: Callable[[int, int], float | None]) -> float:
    """Mean over origins of the mean over known steps at which there is a score."""
    means = []
    for row in range(len(forecast)):
        cells = [score(row, step) for step in range(STEPS) if forecast.actual[row, step] > 0]
        known = [each for each in cells if each is not None]
        if known:
            means.append(sum(known) / len(known))
    return sum(means) / len(means)


@settings(max_examples=15)
@given(st.integers(0, 50), st.integers(1, 12))
def test_scores_agree_with_slow_ones(seed: int, rows: int) -> None:
    forecast, naive = window(seed, rows)
    found = scores(forecast, naive)

    def cell(row: int, step: int) -> tuple[float, list[float], float]:
        quantiles = [float(each) for each in forecast.quantiles[row, step]]
        return float(forecast.actual[row, step]), quantiles, float(forecast.last[row])

    def pinball(row: int, step: int) -> float:
        came, said, _ = cell(row, step)
        pairs = zip(said, QUANTILES, strict=True)
        return sum(slow_pinball(log(came), log(each), level) for each, level in pairs) / 7

    def absolute(row: int, step: int) -> float:
        came, said, _ = cell(row, step)
        return abs(came - said[3])

    assert found.origins == rows
    assert found.live + found.backtest == rows
    assert found.live == int(forecast.live.sum())
    assert found.versions == dict(sorted(Counter(forecast.versions.tolist()).items()))
    assert found.pinball == pytest.approx(slow_mean(forecast, pinball))
    assert found.skill == pytest.approx(1 - found.pinball / found.naive_pinball)
    assert found.mae == pytest.approx(
        slow_mean(forecast, lambda row, step: abs(log(cell(row, step)[0] / cell(row, step)[1][3])))
    )
    assert found.naive_mae == pytest.approx(
        slow_mean(forecast, lambda row, step: abs(log(cell(row, step)[0] / cell(row, step)[2])))
    )
    assert found.smape == pytest.approx(
        slow_mean(
            forecast,
            lambda row, step: (
                200 * absolute(row, step) / (cell(row, step)[0] + cell(row, step)[1][3])
            ),
        )
    )
    widths = [log(said[5] / said[1]) for said in forecast.quantiles.reshape(-1, 7)]
    assert found.sharpness == pytest.approx(sum(widths) / len(widths))
    moved = sum(abs(cell(row, 0)[0] - cell(row, 0)[2]) for row in range(rows)) / rows
    assert found.mase == pytest.approx(slow_mean(forecast, absolute) / moved)
    for index, share in enumerate(found.observed):

        def below(row: int, step: int, index: int = index) -> float:
            came, said, _ = cell(row, step)
            return float(came <= said[index])

        assert share == pytest.approx(slow_mean(forecast, below))
    sides = [
        (cell(row, step)[0] > cell(row, step)[2]) == (cell(row, step)[1][3] > cell(row, step)[2])
        for row, step in np.ndindex(rows, STEPS)
        if forecast.actual[row, step] > 0
    ]
    assert found.directional_accuracy == pytest.approx(sum(sides) / len(sides))


@settings(max_examples=5)
@given(st.integers(0, 50))
def test_coverage_agrees_with_a_slow_one_overall_and_in_every_part(seed: int) -> None:
    forecast, naive = window(seed)
    found = scores(forecast, naive)
    ranks = np.argsort(np.argsort(forecast.volatility))

    def coverage(lower: int, upper: int, rows: range, steps: range) -> float:
        def held(row: int, step: int) -> float | None:
            low, high = forecast.quantiles[row, step, [lower, upper]]
            inside = float(low <= forecast.actual[row, step] <= high)
            return inside if ranks[row] in rows and step + 1 in steps else None

        return slow_mean(forecast, held)

    everywhere = range(len(forecast))
    parts = {
        "all": (found.coverage, everywhere, range(1, 25)),
        **{
            name: (part, everywhere, range(int(name.split("-")[0]), int(name.split("-")[1]) + 1))
            for name, part in found.coverage_by_steps.items()
        },
        "calm": (found.coverage_by_volatility["calm"], range(13), range(1, 25)),
        "middle": (found.coverage_by_volatility["middle"], range(13, 27), range(1, 25)),
        "wild": (found.coverage_by_volatility["wild"], range(27, 40), range(1, 25)),
    }
    assert sorted(parts) == ["1-6", "13-18", "19-24", "7-12", "all", "calm", "middle", "wild"]
    for part, rows, steps in parts.values():
        assert part.coverage_80 == pytest.approx(coverage(1, 5, rows, steps))
        assert part.coverage_90 == pytest.approx(coverage(0, 6, rows, steps))


@given(st.integers(0, 50), st.floats(1e-6, 1e6))
def test_the_scale_of_prices_does_not_matter(seed: int, scale: float) -> None:
    def scaled(forecast: Matured) -> Matured:
        prices = ("quantiles", "actual", "last")
        return replace(forecast, **{name: getattr(forecast, name) * scale for name in prices})

    forecast, naive = window(seed, 5)
    before, after = scores(forecast, naive), scores(scaled(forecast), scaled(naive))
    for name in ("pinball", "mae", "smape", "mase", "sharpness", "directional_accuracy"):
        assert getattr(after, name) == pytest.approx(getattr(before, name))


def test_a_median_at_the_last_close_has_no_direction_and_the_naive_forecast_no_skill() -> None:
    _, naive = window()
    found = scores(naive, naive)
    assert found.directional_accuracy is None
    assert found.skill == 0
    assert found.mae == found.naive_mae


def test_whoever_knows_the_future_has_full_skill_and_every_direction() -> None:
    forecast, naive = window(known=1.0)
    known = replace(forecast, quantiles=np.repeat(forecast.actual[..., None], 7, axis=2))
    found = scores(known, naive)
    assert (found.pinball, found.skill, found.mae, found.mase) == (0, 1, 0, 0)
    assert found.directional_accuracy == 1
    assert found.coverage.coverage_80 == 1
    assert found.sharpness == 0


def test_wider_intervals_hold_more_and_are_less_sharp() -> None:
    _, naive = window()
    last = naive.last[:, None, None]
    wide = replace(naive, quantiles=last * (naive.quantiles / last) ** 2)
    narrow, wider = scores(naive, naive), scores(wide, naive)
    assert wider.sharpness == pytest.approx(2 * narrow.sharpness)
    assert (wider.coverage.coverage_80 or 0) > (narrow.coverage.coverage_80 or 1)


def test_a_market_that_stands_still_gives_no_ratio() -> None:
    forecast, _ = window(known=1.0)
    still = replace(
        forecast,
        actual=np.repeat(forecast.last[:, None], STEPS, axis=1),
        quantiles=np.repeat(forecast.last[:, None, None], STEPS, axis=1) * np.ones(7),
        volatility=np.zeros(len(forecast)),
    )
    found = scores(still, still)
    assert (found.skill, found.mase, found.directional_accuracy) == (None, None, None)
    assert found.coverage_by_volatility["wild"].coverage_80 is None
    assert found.coverage_by_volatility["middle"].coverage_80 == 1


def test_the_document_is_json_and_nothing_at_all_has_no_scores() -> None:
    forecast, naive = window()
    document = scores(forecast, naive).document()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["coverage_80"] == scores(forecast, naive).coverage.coverage_80
    nothing = forecast.at(np.zeros(len(forecast), dtype=bool))
    with pytest.raises(InsufficientData, match="No forecast has matured"):
        scores(nothing, nothing)
