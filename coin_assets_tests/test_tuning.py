"""Comparison of forecasters on the tuning spans, as `docs/forecasting.md` shows it."""

import re
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.forecast_protocol import SYMBOLS, TEST, TUNING, HeldOut
from benchmarks.forecast_scores import NOMINAL
from benchmarks.tuning import compare, scores_of, tercile_errors, yearly
from coin_assets.domain.forecasting.frame import Forecaster
from coin_assets.domain.forecasting.har import HarForecaster
from coin_assets.domain.series import Series
from coin_assets.models.forecasters import new_forecaster
from coin_assets_tests.realdata import requires_real_data

pytestmark = requires_real_data
_FEW = 26  # weeks between origins


def too_wide(series: Series) -> Forecaster:
    class Wide(HarForecaster):
        def predict_quantiles(self, candles, origins):  # type: ignore[no-untyped-def]
            prices = super().predict_quantiles(candles, origins)
            last = prices[..., [3]]
            return last * (prices / last) ** 3

    return Wide(**new_forecaster(series).get_params())  # type: ignore[attr-defined]


def test_an_idea_is_compared_on_the_tuning_span() -> None:
    same = compare("1w", new_forecaster, new_forecaster, every=_FEW)
    assert "+0.00%" in same
    worse = compare("1w", new_forecaster, too_wide, every=_FEW)
    found = re.search(r"above the base: \+(\d+\.\d+)%", worse)
    assert found, worse
    assert float(found[1]) > 20


def test_the_test_span_is_refused() -> None:
    with pytest.raises(HeldOut, match="test span"):
        scores_of("1w", TEST["1w"], new_forecaster)


def test_a_year_is_scored_like_a_span_of_its_own() -> None:
    span = replace(TUNING["1w"], every=4)
    whole = scores_of("1w", span, None)
    expected = np.abs([np.array(one.tercile_coverage) - NOMINAL for one in whole]).mean(axis=0)
    assert tercile_errors(whole, span.start, span.end) == pytest.approx(expected)

    second = span.start.replace(year=span.start.year + 1)
    end = second.replace(year=second.year + 1)
    before = tercile_errors(whole, second, end)
    for one in whole:
        one.covered[: one.came.origins.searchsorted(second)] = 0.0
    errors = tercile_errors(whole, second, end)
    assert errors == pytest.approx(before)  # what lies outside of the year does not count
    text = yearly("1w", span, "naive", whole)
    assert text.how.count(" in the year from ") == 3
    assert f"80.0 and 80.0 in the year from {span.start:%Y-%m}" in text.how
    low, _, high = errors * 100
    assert f"{low:.1f} and {high:.1f} in the year from {second:%Y-%m}" in text.how
    assert text.value == 80.0


def test_symbols_are_averaged_after_their_errors() -> None:
    """Too much of one symbol does not make up for too little of another one."""
    span = replace(TUNING["1w"], every=4)
    scores = scores_of("1w", span, None)
    for one, share in zip(scores, (1.0, 0.6, 0.8), strict=True):
        one.covered[:] = share
    assert len(scores) == len(SYMBOLS)
    errors = tercile_errors(scores, span.start, span.end)
    assert errors == pytest.approx([0.4 / 3] * 3)
