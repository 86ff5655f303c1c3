"""Making the forecasts that are missing, without Dagster: the champion's and the challenger's."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pandas as pd

from coin_assets.domain.evaluation.roles import FIRST, Roles, version_for
from coin_assets.domain.evaluation.windows import is_contested
from coin_assets.domain.forecasting.frame import (
    CHALLENGER,
    CHAMPION,
    LIVE,
    forecast_frame,
    kind_of,
)
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import just_after
from coin_assets.errors import CoinAssetsError, ModelMissing
from coin_assets.models.registry import ModelRegistry, ModelVersion
from coin_assets.models.training import why_none
from coin_assets.pipeline.monthly_rollover import with_successor
from coin_assets.store.base import Store
from coin_assets.store.coverage import require_covered, require_newest
from coin_assets.store.forecasts import of_role

FIRST_LIVE = "first live forecast"

Makers = dict[ModelVersion, pd.DatetimeIndex]


@dataclass(frozen=True)
class PredictionReport:
    """What a window of origins holds after a step.

    Attributes:
        origins: closed-candle origins in the window.
        added: origins that got a forecast now.
        shadowed: origins that got a forecast of the challenger now.
        unmodelled: origins before which no model was trained; they have no forecast.
        newest: forecast rows of the newest origin in the window; empty if there is none.
        shadow_error: why the challenger could not forecast, if it should have.
        successor_error: why the month's training could not follow the champion, if it should have.
    """

    origins: int
    added: int
    shadowed: int
    unmodelled: int
    newest: pd.DataFrame
    shadow_error: CoinAssetsError | None = None
    successor_error: CoinAssetsError | None = None


def predict_window(
    store: Store,
    registry: ModelRegistry,
    series: Series,
    window: tuple[datetime, datetime],
    history_start: datetime,
    closed_by: datetime,
    horizon: datetime,
) -> PredictionReport:
    """Make the forecasts that are missing at the origins in ``window`` (half-open).

    A forecast that exists is never touched: a later model must not rewrite what was said. The
    first live forecast of all makes its model the champion, where a challenger can earn that place
    (`is_contested`); later the month's training follows it (`with_successor`). The challenger
    forecasts only where the champion does. What is wrong with it, or with the successor, holds up
    nothing.

    Args:
        closed_by: the clock; a forecast whose first candle closed by then is a backtest.
        horizon: time up to which the market is expected to have candles.

    Raises:
        MonthsNotFetched, CandlesNotYetAvailable: candles up to the newest due origin are missing.
        ModelMissing: the newest origin could have a model but has none.
        CorruptArtefact: the champion, or the record of who it is, cannot be loaded.
    """
    origins = _origins(store, series, window, min(closed_by, horizon), history_start)
    stored = store.read_forecasts(series, *window)
    versions, roles, successor_error = registry.versions(series), registry.roles(series), None
    pending = _without(origins, _origins_of(stored, CHAMPION))
    try:
        roles = with_successor(store, registry, versions, roles, pending, closed_by)
    except CoinAssetsError as raised:
        successor_error = raised
    champions, unmodelled = _makers(CHAMPION, versions, roles, pending)
    made = [
        forecasts_by(version, CHAMPION, store, registry, times, closed_by, history_start)
        for version, times in champions.items()
    ]
    if roles.holder(CHAMPION) is None and is_contested(series.timeframe):
        # Not before it has shown that it can forecast.
        roles = _first_champion(registry, series, champions, closed_by) or roles
    followed = _without(_without(origins, unmodelled), _origins_of(stored, CHALLENGER))
    shadows, error = [], None
    try:
        challengers, _ = _makers(CHALLENGER, versions, roles, followed)
        shadows = [
            forecasts_by(version, CHALLENGER, store, registry, times, closed_by, history_start)
            for version, times in challengers.items()
        ]
    except CoinAssetsError as raised:
        error = raised
    champion = of_role(stored, CHAMPION)
    if made or shadows:
        store.add_forecasts(series, pd.concat([*made, *shadows], ignore_index=True))
        champion = pd.concat([champion, *made], ignore_index=True)
    if len(unmodelled) and unmodelled[-1] == origins[-1]:
        _require_no_model_possible(store, series, origins[-1].to_pydatetime(), history_start)
    return PredictionReport(
        origins=len(origins),
        added=len(pending) - len(unmodelled),
        shadowed=sum(shadow["as_of"].nunique() for shadow in shadows),
        unmodelled=len(unmodelled),
        newest=champion[champion["as_of"] == champion["as_of"].max()],
        shadow_error=error,
        successor_error=successor_error,
    )


def forecasts_by(
    version: ModelVersion,
    role: str,
    store: Store,
    registry: ModelRegistry,
    origins: pd.DatetimeIndex,
    closed_by: datetime,
    history_start: datetime,
) -> pd.DataFrame:
    """Forecast frame of ``origins``, which ascend, by one model version.

    Raises:
        MonthsNotFetched: candles that the model looks at were never stored.
        CorruptArtefact: the model cannot be loaded.
    """
    series = version.series
    forecaster = registry.load(version)
    first = series.timeframe.shift(origins[0].to_pydatetime(), -forecaster.context)
    first = max(first, history_start)
    last = origins[-1].to_pydatetime()
    require_covered(store, series, first, last)
    quantiles = forecaster.predict_quantiles(store.read_candles(series, first, last), origins)
    kinds = [kind_of(origin, series.timeframe, closed_by) for origin in origins]
    return forecast_frame(origins, quantiles, version.name, kinds, role)


def _origins_of(forecasts: pd.DataFrame, role: str) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(of_role(forecasts, role)["as_of"])


def _without(origins: pd.DatetimeIndex, others: pd.DatetimeIndex) -> pd.DatetimeIndex:
    left: pd.DatetimeIndex = origins[~origins.isin(others)]
    return left


def _makers(
    role: str, versions: Sequence[ModelVersion], roles: Roles, origins: pd.DatetimeIndex
) -> tuple[Makers, pd.DatetimeIndex]:
    """Which version forecasts which origins, and the origins that none may forecast."""
    found: dict[ModelVersion | None, list[pd.Timestamp]] = {}
    for origin in origins:
        found.setdefault(version_for(role, versions, roles, origin), []).append(origin)
    nobody = pd.DatetimeIndex(found.pop(None, []), tz=UTC)
    return {maker: pd.DatetimeIndex(times) for maker, times in found.items() if maker}, nobody


def _first_champion(
    registry: ModelRegistry, series: Series, makers: Makers, closed_by: datetime
) -> Roles | None:
    """Record who makes the first live forecast, if it is about to be made."""
    for version, origins in makers.items():
        newest = origins[-1].to_pydatetime()
        if kind_of(newest, series.timeframe, closed_by) == LIVE:
            return registry.appoint(
                series, CHAMPION, version, newest, reason=FIRST_LIVE, by=FIRST, recorded_at=newest
            )
    return None


def _origins(
    store: Store,
    series: Series,
    window: tuple[datetime, datetime],
    limit: datetime,
    history_start: datetime,
) -> pd.DatetimeIndex:
    """Closes in ``window`` of stored candles, complete up to the newest one due by ``limit``."""
    timeframe = series.timeframe
    start, end = window
    first = timeframe.ceil(start)
    last = min(timeframe.floor(limit), timeframe.last_open_before(end))
    oldest, newest = max(timeframe.shift(first, -1), history_start), timeframe.shift(last, -1)
    if newest < oldest:
        return pd.DatetimeIndex([], tz=UTC)
    until = just_after(newest)
    require_covered(store, series, oldest, until)
    require_newest(store, series, newest)
    return timeframe.close_all(store.read_candles(series, oldest, until)["timestamp"])


def _require_no_model_possible(
    store: Store, series: Series, origin: datetime, history_start: datetime
) -> None:
    month = origin.replace(day=1, hour=0, minute=0)
    if why_none(store, series, history_start, month) is None:
        raise ModelMissing(
            f"{series} has enough candles but no model with a cutoff up to "
            f"{origin:%Y-%m-%d %H:%M}. Materialise {series.symbol_name}/model_{series.timeframe} "
            f"for {month:%Y-%m-%d}, or launch train_models with an earlier cutoff."
        )
