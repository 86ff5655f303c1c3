"""No forecast uses the future: champion's and each challenger's, walked forward over months.

The same months are collected, trained on and forecast from markets that differ in what comes after
one moment. Up to it every stored forecast is the same to the bit; after it they differ.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest

from coin_assets.domain.forecasting.frame import BACKTEST, LIVE
from coin_assets.domain.methods import CHALLENGER, CHALLENGER_NAIVE, CHAMPION
from coin_assets.domain.series import Series
from coin_assets.market.base import Market, Page
from coin_assets.market.sandbox import SandboxMarket
from coin_assets.models.registry import ModelRegistry
from coin_assets_tests.market.wrapped import WrappedMarket
from coin_assets_tests.platform import Platform, given, series, utc

FIRST, LAST = "2024-02-01", "2024-05-28T12:30"
MOMENT = "2024-05-10T08:30"
MONTHS = "2024-04-01", "2024-05-01"
TIMEFRAMES = ("1h", "4h")
VALUES = ["open", "high", "low", "close", "volume"]


class AnotherFuture(WrappedMarket):
    """The sandbox, which goes on as another random path after a moment."""

    def __init__(self, moment: datetime) -> None:
        super().__init__(SandboxMarket())
        self._moment, self._other = moment, SandboxMarket(seed=1)

    def pages(
        self, series: Series, start: datetime, end: datetime, now: datetime
    ) -> Iterator[Page]:
        both = zip(
            super().pages(series, start, end, now),
            self._other.pages(series, start, end, now),
            strict=True,
        )
        for page, other in both:
            later = page.candles["timestamp"] + pd.Timedelta("1h") > self._moment
            candles = page.candles.copy()
            candles.loc[later, VALUES] = other.candles.loc[later, VALUES]
            yield replace(page, candles=candles)


def walked_forward(home: Path, now: str, future: Market | None = None, **settings: str) -> Platform:
    """Candles, models and forecasts up to ``now``; April's model is champion, May's follows it, and
    those of the middle of April challenge, one of each method."""
    parts = {"history_start": FIRST, "derived_timeframes": "4h", "methods": "har,naive"}
    platform = Platform(home, now, **parts, **settings)
    platform.market = None if future is None else given(future)
    candles, models, predictions = (
        [f"BTC_USDT/{layer}_{name}" for name in TIMEFRAMES]
        for layer in ("ohlcv", "model", "prediction")
    )
    assert platform.materialise(candles, FIRST, MONTHS[1]).success
    assert platform.materialise(models, *MONTHS).success
    assert platform.train(cutoff="2024-04-15T00:00:00Z").success
    registry = ModelRegistry(home)
    for each in map(series, TIMEFRAMES):
        april, _, _, _, middle, naive = registry.versions(each)
        assert [naive.method, middle.method] == ["naive", "har"]
        holders = ((CHAMPION, april), (CHALLENGER, middle), (CHALLENGER_NAIVE, naive))
        for role, version in holders:
            registry.appoint(
                each, role, version, version.cutoff, reason="", by="", recorded_at=version.cutoff
            )
    assert platform.materialise(predictions, *MONTHS).success
    return platform


def forecasts(platform: Platform, timeframe: str) -> pd.DataFrame:
    return platform.store.read_forecasts(series(timeframe), utc("2024-01-01"), utc("2025-01-01"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    return walked_forward(tmp_path_factory.mktemp("whole") / "home", LAST)


@pytest.fixture(scope="module")
def truncated(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    return walked_forward(tmp_path_factory.mktemp("truncated") / "home", MOMENT)


def until_moment(made: pd.DataFrame) -> pd.DataFrame:
    return made[made["as_of"] <= utc(MOMENT)].reset_index(drop=True)


@pytest.mark.parametrize("timeframe", TIMEFRAMES)
def test_without_a_future_the_forecasts_are_the_same(
    whole: Platform, truncated: Platform, timeframe: str
) -> None:
    known, all_made = forecasts(truncated, timeframe), forecasts(whole, timeframe)
    assert set(known["role"]) == {CHAMPION, CHALLENGER, CHALLENGER_NAIVE}
    assert set(known["model_version"]) == {"1", "3", "5", "6"}
    # The newest origin was live then and is a backtest with hindsight; its numbers are the same.
    assert set(known["kind"]) == {LIVE, BACKTEST}
    assert set(until_moment(all_made)["kind"]) == {BACKTEST}
    pd.testing.assert_frame_equal(
        known.drop(columns="kind"), until_moment(all_made).drop(columns="kind"), check_exact=True
    )
    assert len(all_made) > len(known)


def test_another_future_changes_no_forecast_before_it_and_all_after_it(
    whole: Platform, tmp_path: Path
) -> None:
    other = walked_forward(tmp_path / "home", LAST, AnotherFuture(utc(MOMENT)))
    for timeframe in TIMEFRAMES:
        made, changed = forecasts(whole, timeframe), forecasts(other, timeframe)
        pd.testing.assert_frame_equal(until_moment(made), until_moment(changed), check_exact=True)
        places = ["role", "as_of", "step"]
        pd.testing.assert_frame_equal(made[places], changed[places])
        later = made["as_of"] > utc(MOMENT)
        assert later.any()
        assert (made.loc[later, "price"] != changed.loc[later, "price"]).all()


def test_a_candle_that_is_still_open_changes_nothing(truncated: Platform, tmp_path: Path) -> None:
    """The last row of a file, with prices out of all bounds."""
    hour, now = series("1h"), utc(MOMENT)
    pages = SandboxMarket().pages(hour, utc(FIRST), now, now)
    closed = pd.concat([page.candles for page in pages], ignore_index=True)
    still_open = closed.tail(1).assign(timestamp=hour.timeframe.floor(now), high=1e9, close=1e9)
    shown = pd.concat([closed, still_open], ignore_index=True)
    shown.to_parquet(tmp_path / "BTC_USDT_1h.parquet", index=False)
    other = walked_forward(tmp_path / "home", MOMENT, market=f"archive:{tmp_path}")
    for timeframe in TIMEFRAMES:
        pd.testing.assert_frame_equal(
            forecasts(other, timeframe), forecasts(truncated, timeframe), check_exact=True
        )
