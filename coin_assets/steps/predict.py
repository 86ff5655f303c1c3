"""What the prediction assets do, without Dagster: fill the origins that are missing."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pandas as pd

from coin_assets.domain.forecasting import (
    CHAMPION,
    eligible_version,
    forecast_frame,
    kind_of,
)
from coin_assets.domain.keys import Key
from coin_assets.errors import ModelMissing
from coin_assets.models.registry import ModelRegistry, ModelVersion
from coin_assets.models.training import has_enough
from coin_assets.store.base import Store
from coin_assets.store.coverage import require_covered, require_newest

_INSTANT = timedelta.resolution


@dataclass(frozen=True)
class PredictionReport:
    """What a window of origins holds after a step.

    Attributes:
        origins: closed-candle origins in the window.
        added: origins that got a forecast now.
        unmodelled: origins before which no model was trained; they have no forecast.
        newest: forecast rows of the newest origin in the window; empty if there is none.
    """

    origins: int
    added: int
    unmodelled: int
    newest: pd.DataFrame


def predict_window(
    store: Store,
    registry: ModelRegistry,
    key: Key,
    window: tuple[datetime, datetime],
    history_start: datetime,
    closed_by: datetime,
    horizon: datetime,
) -> PredictionReport:
    """Make the champion forecasts that are missing at the origins in ``window`` (half-open).

    A forecast that exists is never touched: a later model must not rewrite what was said.

    Args:
        closed_by: the clock; a forecast whose first candle closed by then is a backtest.
        horizon: time up to which the market is expected to have candles.

    Raises:
        MonthsNotFetched, CandlesNotYetAvailable: candles up to the newest due origin are missing.
        ModelMissing: the newest origin could have a model but has none.
        CorruptArtefact: a model cannot be loaded.
    """
    origins = _origins(store, key, window, min(closed_by, horizon), history_start)
    stored = _champion(store.read_forecasts(key, *window))
    pending = origins[~origins.isin(pd.DatetimeIndex(stored["as_of"]))]
    versions = registry.versions(key)
    by_version: dict[ModelVersion | None, list[pd.Timestamp]] = {}
    for origin in pending:
        by_version.setdefault(eligible_version(versions, origin), []).append(origin)
    unmodelled = by_version.pop(None, [])
    for version, times in by_version.items():
        if version is not None:
            forecast = _forecast(store, registry, version, times, closed_by, history_start)
            store.add_forecasts(key, forecast)
    if unmodelled and unmodelled[-1] == origins[-1]:
        _require_no_model_possible(store, key, origins[-1].to_pydatetime(), history_start)
    newest = _newest_origin(_champion(store.read_forecasts(key, *window)))
    return PredictionReport(len(origins), len(pending) - len(unmodelled), len(unmodelled), newest)


def newest_forecast(store: Store, key: Key) -> pd.DataFrame:
    """Champion rows of the newest origin, ordered by step; empty if there is none."""
    origin = store.newest_forecasts([key]).get(key)
    if origin is None:
        return pd.DataFrame()
    return _champion(store.read_forecasts(key, origin, origin + _INSTANT))


def _champion(forecasts: pd.DataFrame) -> pd.DataFrame:
    champion: pd.DataFrame = forecasts[forecasts["role"] == CHAMPION]
    return champion


def _newest_origin(forecasts: pd.DataFrame) -> pd.DataFrame:
    return forecasts[forecasts["as_of"] == forecasts["as_of"].max()]


def _origins(
    store: Store,
    key: Key,
    window: tuple[datetime, datetime],
    limit: datetime,
    history_start: datetime,
) -> pd.DatetimeIndex:
    """Closes in ``window`` of stored candles, complete up to the newest one due by ``limit``."""
    timeframe = key.timeframe
    start, end = window
    first = start if timeframe.is_open_time(start) else timeframe.next(start)
    last = min(timeframe.floor(limit), timeframe.floor(end - _INSTANT))
    oldest, newest = max(timeframe.shift(first, -1), history_start), timeframe.shift(last, -1)
    if newest < oldest:
        return pd.DatetimeIndex([], tz=UTC)
    until = newest + _INSTANT
    require_covered(store, key, oldest, until)
    require_newest(store, key, newest)
    return timeframe.close_all(store.read_candles(key, oldest, until)["timestamp"])


def _forecast(
    store: Store,
    registry: ModelRegistry,
    version: ModelVersion,
    times: list[pd.Timestamp],
    closed_by: datetime,
    history_start: datetime,
) -> pd.DataFrame:
    key, origins = version.key, pd.DatetimeIndex(times)
    forecaster = registry.load(version)
    first = key.timeframe.shift(origins[0].to_pydatetime(), -forecaster.context)
    first = max(first, history_start)
    last = origins[-1].to_pydatetime()
    require_covered(store, key, first, last)
    quantiles = forecaster.predict_quantiles(store.read_candles(key, first, last), origins)
    kinds = [kind_of(origin, key.timeframe, closed_by) for origin in origins]
    return forecast_frame(origins, quantiles, version.name, kinds)


def _require_no_model_possible(
    store: Store, key: Key, origin: datetime, history_start: datetime
) -> None:
    month = origin.replace(day=1, hour=0, minute=0)
    if has_enough(store, key, history_start, month):
        raise ModelMissing(
            f"{key} has candles enough but no model with a cutoff up to {origin:%Y-%m-%d %H:%M}. "
            f"Materialise {key.symbol_name}/model_{key.timeframe} for {month:%Y-%m-%d}, or launch "
            "train_models with an earlier cutoff."
        )
