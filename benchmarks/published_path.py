"""Forecasts as an installation makes them: store, registry, training, steps.

Live, origin by origin, by whoever is champion then; or as a backtest, which is a backfill: the
monthly version of every month, then the forecasts that the month lacks. They are read back from the
store.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd

from benchmarks.forecast_protocol import HOUR, Span
from benchmarks.harness import BenchmarkFailed, temporary_home
from coin_assets.domain.forecasting.frame import QUANTILE_COLUMNS, QUANTILES, STEPS, Floats
from coin_assets.domain.methods import CHAMPION
from coin_assets.domain.series import Series
from coin_assets.domain.series_policy import VarianceSource
from coin_assets.domain.timeframes import month_start, months_between, next_month
from coin_assets.models.registry import ModelRegistry
from coin_assets.models.training import TrainingRequest, train
from coin_assets.pipeline.forecast import ForecastRequest, VisibleCandles, predict_window
from coin_assets.store.parquet import ParquetStore

_INSTANT = timedelta.resolution


@dataclass(frozen=True)
class Installation:
    """A home with the candles of one series up to ``now``.

    Attributes:
        start: first month of the history.
        source: the series whose candles measure the variance; None for the own range.
    """

    series: Series
    store: ParquetStore
    registry: ModelRegistry
    start: datetime
    now: datetime
    source: VarianceSource | None

    def walk_forward(self, span: Span) -> None:
        """Train the monthly versions of ``span`` and make the forecasts of these months.

        Raises:
            BenchmarkFailed: there were too few candles to train on.
        """
        months = months_between(month_start(span.start), span.end)
        for month in months:
            self._train(month)
        for month in months:
            self._predict((month, next_month(month)), self.now)

    def live(self, origins: pd.DatetimeIndex) -> None:
        """Live through ``origins``: a training at the first instant of each month, and at each
        origin the forecast that is published then.

        The first one makes its model the champion, which the trainings of later months follow.

        Raises:
            BenchmarkFailed: there were too few candles to train on.
        """
        trained = None
        for origin in origins.to_pydatetime():
            if trained != month_start(origin):
                trained = month_start(origin)
                self._train(trained)
            self._predict((origin, origin + _INSTANT), origin)

    def _train(self, month: datetime) -> None:
        request = TrainingRequest(self.series, month, self.start, source=self.source)
        result = train(self.store, self.registry, request, self.now)
        if result.insufficient is not None:
            raise BenchmarkFailed(f"{self.series}, {month:%Y-%m}: {result.insufficient}")

    def _predict(self, window: tuple[datetime, datetime], now: datetime) -> None:
        visible = VisibleCandles(self.start, now, self.source)
        request = ForecastRequest(self.series, *window, visible, now)
        predict_window(self.store, self.registry, request)

    def quantiles(self, origins: pd.DatetimeIndex) -> Floats:
        """Stored champion forecasts of ``origins``; prices, shape (origins, `STEPS`, quantiles).

        Raises:
            BenchmarkFailed: an origin has none.
        """
        first, last = origins[0].to_pydatetime(), origins[-1].to_pydatetime()
        stored = self.store.read_forecasts(self.series, first, self.series.timeframe.next(last))
        champion = stored[(stored["role"] == CHAMPION) & stored["as_of"].isin(origins)]
        found = champion["as_of"].nunique()
        if found != len(origins):
            raise BenchmarkFailed(
                f"{self.series}: {len(origins) - found} origins have no forecast."
            )
        return champion[QUANTILE_COLUMNS].to_numpy().reshape(found, STEPS, len(QUANTILES))


@contextmanager
def installation(
    series: Series, candles: pd.DataFrame, now: datetime, hours: pd.DataFrame | None = None
) -> Iterator[Installation]:
    """A temporary home that has fetched ``candles``, all that the market had until ``now``.

    Args:
        hours: source of ``candles``, if these measure the variance.
    """
    with temporary_home() as home:
        store = ParquetStore(home.folder)
        start = month_start(candles["timestamp"].iloc[0])
        store.write_candles(series, candles, start, now)
        source = None
        if hours is not None:
            source = VarianceSource(series.at(HOUR), start)
            store.write_candles(source.series, hours, start, now)
        yield Installation(series, store, ModelRegistry(home.folder), start, now, source)
