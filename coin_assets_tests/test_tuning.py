"""Comparison of forecasters on the tuning spans, as `docs/forecasting.md` shows it."""

import re

import pytest

from benchmarks.forecast_protocol import TEST, HeldOut
from benchmarks.tuning import compare, scores_of
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
