"""Scores of a window of matured forecasts."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coin_assets.domain.evaluation.matured import Matured
from coin_assets.domain.evaluation.scoring import scores
from coin_assets.domain.forecasting.frame import MEDIAN, QUANTILES, STEPS
from coin_assets.errors import InsufficientData
from coin_assets_tests.domain.evaluation.test_scoring import HOUR, START, slow_pinball


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
        came, predicted, _ = cell(row, step)
        pairs = zip(predicted, QUANTILES, strict=True)
        return sum(slow_pinball(log(came), log(each), level) for each, level in pairs) / 7

    def absolute(row: int, step: int) -> float:
        came, predicted, _ = cell(row, step)
        return abs(came - predicted[3])

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
    widths = [log(predicted[5] / predicted[1]) for predicted in forecast.quantiles.reshape(-1, 7)]
    assert found.sharpness == pytest.approx(sum(widths) / len(widths))
    moved = sum(abs(cell(row, 0)[0] - cell(row, 0)[2]) for row in range(rows)) / rows
    assert found.mase == pytest.approx(slow_mean(forecast, absolute) / moved)
    for index, share in enumerate(found.observed):

        def below(row: int, step: int, index: int = index) -> float:
            came, predicted, _ = cell(row, step)
            return float(came <= predicted[index])

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


def test_with_the_future_known_there_is_full_skill_and_every_direction() -> None:
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
