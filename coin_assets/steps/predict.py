"""Making forecasts, without Dagster: at origins that lack one, and where candles were revised."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pandas as pd

from coin_assets.domain.forecasting import (
    CHAMPION,
    PRICE_COLUMNS,
    eligible_version,
    forecast_frame,
    kind_of,
)
from coin_assets.domain.keys import Key
from coin_assets.domain.revisions import touched_origins
from coin_assets.domain.timeframes import months_between, next_month
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


@dataclass(frozen=True)
class TouchedForecasts:
    """Forecasts of one month that see changed candles, by the version that makes them again."""

    month: datetime
    by_version: dict[ModelVersion, pd.DatetimeIndex]

    @property
    def origins(self) -> pd.DatetimeIndex:
        found = pd.DatetimeIndex([], tz=UTC)
        for origins in self.by_version.values():
            found = found.union(origins)
        return found


def touched_forecasts(
    store: Store,
    registry: ModelRegistry,
    key: Key,
    opens: pd.DatetimeIndex,
    history_start: datetime,
    closed_by: datetime,
) -> list[TouchedForecasts]:
    """Which forecasts see the changed candles ``opens``, month by month.

    A stored forecast stays with its version as long as that exists. An origin without a forecast
    counts if its own candle changed, so that it may have come late, and its month has forecasts.
    """
    if not len(opens):
        return []
    versions = registry.versions(key)
    by_name = {version.name: version for version in versions}
    contexts: dict[ModelVersion, int] = {}
    late = key.timeframe.close_all(opens)
    found = []
    for month in months_between(late.min().to_pydatetime(), closed_by + _INSTANT):
        stored = _champion(store.read_forecasts(key, month, next_month(month)))
        if stored.empty:
            continue
        made_by = stored.drop_duplicates("as_of").set_index("as_of")["model_version"]
        closes = _closes(store, key, month, history_start, closed_by)
        makers: dict[ModelVersion, list[pd.Timestamp]] = {}
        for origin in closes[closes.isin(made_by.index) | closes.isin(late)]:
            version = by_name.get(made_by.get(origin, "")) or eligible_version(versions, origin)
            if version is not None:
                makers.setdefault(version, []).append(origin)
        touched = {}
        for version, times in makers.items():
            if version not in contexts:
                contexts[version] = registry.load(version).context
            seeing = touched_origins(opens, key.timeframe, contexts[version], closed_by)
            origins = pd.DatetimeIndex(times)
            if (seen := origins.isin(seeing)).any():
                touched[version] = origins[seen]
        if touched:
            found.append(TouchedForecasts(month, touched))
    return found


def redo_forecasts(
    store: Store,
    registry: ModelRegistry,
    key: Key,
    touched: TouchedForecasts,
    history_start: datetime,
    closed_by: datetime,
) -> int:
    """Make forecasts again from the candles as they are now; returns how many came out different.

    One that comes out the same stays as it is, so that a live forecast remains one.
    """
    stored = _champion(store.read_forecasts(key, touched.month, next_month(touched.month)))
    values = ["as_of", "step", *PRICE_COLUMNS, "model_version"]
    known = pd.MultiIndex.from_frame(stored[values])
    changed = 0
    for version, origins in touched.by_version.items():
        new = _forecast(store, registry, version, list(origins), closed_by, history_start)
        same = pd.MultiIndex.from_frame(new[values]).isin(known)
        differing = new[new["as_of"].isin(new["as_of"][~same])]
        if len(differing):
            store.revise_forecasts(key, differing)
            changed += differing["as_of"].nunique()
    return changed


def newest_forecast(store: Store, key: Key) -> pd.DataFrame:
    """Champion rows of the newest origin, ordered by step; empty if there is none."""
    origin = store.newest_forecasts([key]).get(key)
    if origin is None:
        return pd.DataFrame()
    return _champion(store.read_forecasts(key, origin, origin + _INSTANT))


def _closes(
    store: Store, key: Key, month: datetime, history_start: datetime, closed_by: datetime
) -> pd.DatetimeIndex:
    """Closes in ``month``, up to ``closed_by``, of stored candles."""
    start = max(key.timeframe.shift(month, -1), history_start)
    opens = store.read_candles(key, start, next_month(month))["timestamp"]
    closes = key.timeframe.close_all(opens)
    last = pd.Timestamp(min(closed_by, next_month(month) - _INSTANT))
    return closes[(closes >= pd.Timestamp(month)) & (closes <= last)]


def _champion(forecasts: pd.DataFrame) -> pd.DataFrame:
    champion: pd.DataFrame = forecasts[forecasts["role"] == CHAMPION]
    return champion


def _newest_origin(forecasts: pd.DataFrame) -> pd.DataFrame:
    newest: pd.DataFrame = forecasts[forecasts["as_of"] == forecasts["as_of"].max()]
    return newest


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
