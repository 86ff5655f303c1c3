"""Pictures of matured forecasts: small, the same for the same data, of whatever has matured."""

import base64
import io
from collections.abc import Callable
from datetime import timedelta

import dagster as dg
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from coin_assets.domain.evaluation.report import Evaluation
from coin_assets.domain.methods import CHALLENGER
from coin_assets.orchestration.assets.quality_plots import fan_plot, loss_plot, reliability_plot
from coin_assets_tests.domain.evaluation.test_matured import forecasts
from coin_assets_tests.domain.evaluation.test_report import FRAME, ORIGINS, both, evaluated
from coin_assets_tests.domain.evaluation.test_scoring import START
from coin_assets_tests.domain.forecasting.test_naive import without
from coin_assets_tests.platform import series

Plot = Callable[[Evaluation], dg.MetadataValue]


def fan(found: Evaluation) -> dg.MetadataValue:
    assert found.champion is not None
    return fan_plot(series("1h"), found.champion.forecast)


def reliability(found: Evaluation) -> dg.MetadataValue:
    return reliability_plot(series("1h"), found)


def loss(found: Evaluation) -> dg.MetadataValue:
    return loss_plot(series("1h"), found)


def png(value: dg.MetadataValue) -> bytes:
    """The picture in a Markdown value."""
    assert isinstance(value, dg.MarkdownMetadataValue)
    head, _, encoded = str(value.value).partition("(data:image/png;base64,")
    assert head.startswith("![BTC/USDT 1h ")
    return base64.b64decode(encoded.removesuffix(")"))


def pixels(value: dg.MetadataValue) -> bytes:
    return Image.open(io.BytesIO(png(value))).convert("RGB").tobytes()


PLOTS = pytest.mark.parametrize("plot", [fan, reliability, loss])


@PLOTS
def test_it_is_a_small_picture_and_always_the_same(plot: Plot) -> None:
    made = both(slice(300, 1000), slice(700, 1000))
    first, second = (png(plot(evaluated(made))) for _ in range(2))
    assert first == second
    assert len(first) < 60_000
    width, height = Image.open(io.BytesIO(first)).size
    assert 300 <= width <= 800
    assert 200 <= height <= 500


@PLOTS
def test_it_shows_other_forecasts_as_another_picture(plot: Plot) -> None:
    honest = forecasts(ORIGINS[500:], price=float(FRAME["close"].iloc[-1]))
    moved = forecasts(ORIGINS[500:], price=1.05 * float(FRAME["close"].iloc[-1]), width=2)
    assert pixels(plot(evaluated(honest))) != pixels(plot(evaluated(moved)))


@pytest.mark.parametrize("plot", [reliability, loss])
def test_a_challenger_is_drawn_beside_the_champion(plot: Plot) -> None:
    alone = evaluated(forecasts(ORIGINS[300:], version="4"))
    beside = evaluated(both(slice(300, 1000), slice(700, 1000)))
    challenger = evaluated(forecasts(ORIGINS[700:], role=CHALLENGER))
    assert len({pixels(plot(found)) for found in (alone, beside, challenger)}) == 3


@PLOTS
def test_one_forecast_and_a_gap_are_enough(plot: Plot) -> None:
    gappy = without(FRAME, {902, 910, 911})
    found = evaluated(forecasts(ORIGINS[900:901]), gappy)
    assert found.champion is not None
    assert np.isnan(found.champion.forecast.actual).any()
    assert png(plot(found))


def test_a_market_that_stands_still_can_be_drawn() -> None:
    still = FRAME.assign(close=100.0)
    made = forecasts(ORIGINS[900:], width=0.0)
    as_of = START + timedelta(hours=1000)
    found = evaluated(pd.DataFrame(made), still, as_of)
    assert png(loss(found))
    assert png(fan(found))
