"""One series with candles, models and forecasts in its own home, and a clock that tests set."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd

from coin_assets.domain.candles.frame import closed_by
from coin_assets.domain.forecasting.har import HarForecaster
from coin_assets.domain.forecasting.har_features import CALENDAR, LEVERAGE
from coin_assets.domain.forecasting.trainable import minimum_candles
from coin_assets.domain.methods import CHALLENGER, CHAMPION
from coin_assets.domain.timeframes import next_month
from coin_assets.market.sandbox import SandboxMarket
from coin_assets.models.registry import ModelRegistry, ModelVersion
from coin_assets.pipeline.forecast import (
    ForecastRequest,
    PredictionReport,
    VisibleCandles,
    predict_window,
)
from coin_assets.store.forecasts import of_role
from coin_assets.store.parquet import ParquetStore
from coin_assets_tests.platform import series, utc

START = utc("2024-01-01")
ALWAYS = START, utc("2030-01-01")


def small_forecaster(timeframe: str) -> HarForecaster:
    """A forecaster that reads 128 candles, and no volumes."""
    return HarForecaster(timeframe, longest=64, level_window=64, groups=(LEVERAGE, CALENDAR))


class SeriesSandbox:
    """Candles of the sandbox market up to ``now``, with models and forecasts.

    Attributes:
        now: candles closed by this time are stored.
        alter: applied to the market's candles before they are stored.
    """

    def __init__(self, home: Path, timeframe: str = "1h", now: str | None = None) -> None:
        self.home = home
        self.series = series(timeframe)
        self.store, self.registry = ParquetStore(home), ModelRegistry(home)
        self.alter: Callable[[pd.DataFrame], pd.DataFrame] = lambda candles: candles
        needed = minimum_candles(self.series.timeframe)
        self.until(utc(now) if now else self.series.timeframe.shift(START, needed))

    def until(self, now: datetime) -> None:
        """Set the clock, and store the candles closed by then."""
        self.now = now
        end = next_month(now)
        pages = list(SandboxMarket().pages(self.series, START, end, now))
        candles = pd.concat([page.candles for page in pages], ignore_index=True)
        self.store.write_candles(self.series, self.alter(candles), START, end)

    def pass_candles(self, count: int) -> None:
        self.until(self.now + count * timedelta(seconds=self.series.timeframe.seconds))

    def train(self, cutoff: datetime | None = None) -> ModelVersion:
        """Add a version trained up to ``cutoff``, and appoint a challenger if there is none."""
        cutoff = cutoff or self.now
        candles = closed_by(
            self.store.read_candles(self.series, *ALWAYS), self.series.timeframe, cutoff
        )
        model = small_forecaster(self.series.timeframe.name).fit(candles)
        version = self.registry.add(self.series, model, cutoff, {"lookback": None})
        self.registry.appoint_next_challenger(
            self.series, reason="newest", by="test", recorded_at=self.now
        )
        return version

    def predict(
        self, start: datetime | None = None, end: datetime | None = None
    ) -> PredictionReport:
        """Forecast the origins of a window, by default only the newest one."""
        newest = self.series.timeframe.floor(self.now)
        window = start or newest, end or newest + timedelta.resolution
        visible = VisibleCandles(START, self.now)
        request = ForecastRequest(self.series, *window, visible, self.now)
        return predict_window(self.store, self.registry, request)

    def forecasts(self, role: str) -> pd.DataFrame:
        made = of_role(self.store.read_forecasts(self.series, *ALWAYS), role)
        return made.reset_index(drop=True)

    def versions(self, role: str) -> dict[datetime, str]:
        """Origin -> name of the version that forecast it."""
        made = self.forecasts(role).drop_duplicates("as_of")
        origins = made["as_of"].dt.to_pydatetime()
        return dict(zip(origins, made["model_version"], strict=True))

    def holders(self) -> tuple[str | None, str | None]:
        """Champion and challenger."""
        roles = self.registry.roles(self.series)
        return roles.holder(CHAMPION), roles.holder(CHALLENGER)


def sandbox_with_challenger(home: Path) -> SeriesSandbox:
    """Version 1 is champion, with one live forecast; version 2 is challenger from then on."""
    sandbox = SeriesSandbox(home)
    sandbox.train()
    sandbox.predict()
    sandbox.pass_candles(1)
    sandbox.train()
    assert sandbox.holders() == ("1", "2")
    return sandbox
