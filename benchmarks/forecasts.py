"""Benchmark ``forecasts``: scores of the published forecasts on real candles."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks.forecast_cases import Case, scored_case
from benchmarks.forecast_figures import figures_of
from benchmarks.forecast_pictures import draw_fans, draw_reliability
from benchmarks.forecast_protocol import SYMBOLS, TEST
from benchmarks.harness import ROOT, Bench, Figure, say
from benchmarks.prophet_forecasts import MISSING, is_installed
from coin_assets.domain.forecasting.frame import Floats

PICTURES = ROOT / "docs" / "images"
_QUICK_STARTS = {
    "1h": datetime(2025, 5, 1, tzinfo=UTC),
    "4h": datetime(2025, 4, 1, tzinfo=UTC),
    "1d": datetime(2024, 10, 1, tzinfo=UTC),
    "1w": datetime(2024, 1, 1, tzinfo=UTC),
}
_QUICK_PROPHET = 3


def measure(bench: Bench) -> list[Figure]:
    """Scores of published forecasts on the test spans, against naive, bound and Prophet.

    A temporary home with real candles of three symbols runs through the span. At the first instant
    of each month ``train`` trains a model on the candles closed by then. At each scored origin the
    champion of that time forecasts live (``predict_window``): ``1h`` and ``4h`` over 12 months,
    every 25th and every 5th origin; ``1d`` and ``1w`` over 3 years, every 5th and every 2nd. The
    forecasts are read back from the store and scored. Pinball is the loss on log price, mean over
    seven quantiles and 24 steps. Naive is the last close with the quantiles of the trailing 500
    candles. Coverage errors are means over symbols of the absolute error. Low and high volatility
    are terciles of a symbol's origins by the volatility known there. The bound uses the variance to
    come and is not a forecast. Prophet is fitted at each origin to the last 500 closes. Models and
    their settings were chosen on earlier spans.
    """
    prophet = is_installed()
    if not prophet:
        say(MISSING)
    figures, cases = [], {}
    for timeframe, whole in TEST.items():
        span = bench.pick(whole, replace(whole, start=_QUICK_STARTS[timeframe]))
        origins_at_most = bench.pick(None, _QUICK_PROPHET) if prophet else 0
        cases[timeframe] = [
            scored_case(symbol, timeframe, span, origins_at_most) for symbol in SYMBOLS
        ]
        figures += figures_of(timeframe, span.every, cases[timeframe])
    with tempfile.TemporaryDirectory() as scratch:
        folder = bench.pick(PICTURES, Path(scratch))
        draw_reliability(
            {name: _observed(found) for name, found in cases.items()},
            folder / "forecast_reliability.png",
        )
        draw_fans([found[0].fan for found in cases.values()], folder / "forecast_fans.png")
    return figures


def _observed(cases: Sequence[Case]) -> dict[str, Floats]:
    """Method -> share of closes at or below each quantile, mean of symbols."""
    found = {
        "published": [case.champion for case in cases],
        "naive": [case.naive for case in cases],
        "Prophet": [case.prophet.rival for case in cases if case.prophet],
    }
    return {
        name: np.mean([each.observed for each in scores], axis=0)
        for name, scores in found.items()
        if scores
    }
