"""Missing forecasts of a window, by champion and challengers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pandas as pd

from coin_assets.domain.evaluation.roles import FIRST, Roles, version_for
from coin_assets.domain.evaluation.windows import has_trial
from coin_assets.domain.forecasting.frame import LIVE, forecast_frame, kind_of
from coin_assets.domain.methods import CHALLENGER_ROLES, CHAMPION, EXOGENOUS
from coin_assets.domain.series import Series
from coin_assets.domain.series_policy import VarianceSource
from coin_assets.domain.timeframes import just_after
from coin_assets.errors import CoinAssetsError, ModelMissing
from coin_assets.models.exogenous import with_exogenous
from coin_assets.models.measured import measured
from coin_assets.models.registry import ModelRegistry, ModelVersion
from coin_assets.models.trainability import why_none
from coin_assets.pipeline.monthly_rollover import apply_monthly_rollover
from coin_assets.store.base import Store
from coin_assets.store.coverage import require_covered, require_newest
from coin_assets.store.exogenous import ExogenousTables
from coin_assets.store.forecasts import of_role

FIRST_LIVE = "first live forecast"

Makers = dict[ModelVersion, pd.DatetimeIndex]


@dataclass(frozen=True)
class VisibleCandles:
    """The candles that forecasts may see.

    Attributes:
        first: candles that open before this are not kept, so no model sees them.
        closed_by: candles that close up to here are final; a forecast whose first candle closed by
            then is a backtest.
        source: finer candles that measure the variance; None for the candles' own ranges.
        exogenous: what models of exogenous series read; None where there is no such model.
    """

    first: datetime
    closed_by: datetime
    source: VarianceSource | None = None
    exogenous: ExogenousTables | None = None


@dataclass(frozen=True)
class ForecastRequest:
    """Origins to forecast for one series.

    Attributes:
        start, end: window of origins, half-open.
        horizon: time up to which the market is expected to have candles.
    """

    series: Series
    start: datetime
    end: datetime
    visible: VisibleCandles
    horizon: datetime

    @property
    def window(self) -> tuple[datetime, datetime]:
        """``start`` and ``end``."""
        return self.start, self.end


@dataclass(frozen=True)
class PredictionReport:
    """Forecasts of a window after `predict_window`.

    Attributes:
        origins: number of closed-candle origins in the window.
        added: number of origins that got a forecast.
        challenger_added: number of forecasts of challengers that were added.
        unmodelled: number of origins before the first model; they have no forecast.
        newest: champion's forecast rows of the newest origin; empty if there are none.
        challenger_errors: why forecasts of challengers failed, by role.
        rollover_error: why the monthly rollover failed; None if it did not.
    """

    origins: int
    added: int
    challenger_added: int
    unmodelled: int
    newest: pd.DataFrame
    challenger_errors: Mapping[str, CoinAssetsError] = field(default_factory=dict)
    rollover_error: CoinAssetsError | None = None


def predict_window(
    store: Store, registry: ModelRegistry, request: ForecastRequest
) -> PredictionReport:
    """Make and store the missing forecasts at the origins of ``request``.

    Existing forecasts never change. The first live forecast of a series makes its version the
    champion if challengers have a trial period (`has_trial`); monthly rollovers follow
    (`apply_monthly_rollover`). Challengers forecast the same origins as the champion. An error of
    a challenger or of the rollover does not affect the other forecasts.

    Raises:
        MonthsNotFetched, CandlesNotYetAvailable: candles up to the newest due origin are missing.
        ModelMissing: the newest origin could have a model but has none.
        CorruptArtefact: the champion, or the record of roles, cannot be loaded.
    """
    series, window, visible = request.series, request.window, request.visible
    history_start, closed_by = visible.first, visible.closed_by
    origins = _origins(store, series, window, min(closed_by, request.horizon), history_start)
    stored = store.read_forecasts(series, *window)
    champion = of_role(stored, CHAMPION)
    versions, roles, rollover_error = registry.versions(series), registry.roles(series), None
    pending = _without(origins, champion)
    try:
        roles = apply_monthly_rollover(store, registry, versions, roles, pending, closed_by)
    except CoinAssetsError as raised:
        rollover_error = raised
    champions, unmodelled = _makers(CHAMPION, versions, roles, pending)
    made = [
        forecasts_by(store, registry, version, CHAMPION, times, visible)
        for version, times in champions.items()
    ]
    if roles.holder(CHAMPION) is None and has_trial(series.timeframe):
        # A version that fails to forecast does not become champion.
        roles = _first_champion(registry, series, champions, closed_by) or roles
    challenger_frames, errors = list[pd.DataFrame](), dict[str, CoinAssetsError]()
    modelled = origins[~origins.isin(unmodelled)]
    for role in (each for each in CHALLENGER_ROLES if roles.last_change(each)):  # ever held
        followed = _without(modelled, of_role(stored, role))
        try:
            challengers, _ = _makers(role, versions, roles, followed)
            challenger_frames += [
                forecasts_by(store, registry, version, role, times, visible)
                for version, times in challengers.items()
            ]
        except CoinAssetsError as raised:
            errors[role] = raised
    if made or challenger_frames:
        store.add_forecasts(series, pd.concat([*made, *challenger_frames], ignore_index=True))
        champion = pd.concat([champion, *made], ignore_index=True)
    if len(unmodelled) and unmodelled[-1] == origins[-1]:
        _require_no_model_possible(store, series, origins[-1].to_pydatetime(), history_start)
    return PredictionReport(
        origins=len(origins),
        added=len(pending) - len(unmodelled),
        challenger_added=sum(frame["as_of"].nunique() for frame in challenger_frames),
        unmodelled=len(unmodelled),
        newest=champion[champion["as_of"] == champion["as_of"].max()],
        challenger_errors=errors,
        rollover_error=rollover_error,
    )


def forecasts_by(
    store: Store,
    registry: ModelRegistry,
    version: ModelVersion,
    role: str,
    origins: pd.DatetimeIndex,
    visible: VisibleCandles,
) -> pd.DataFrame:
    """Forecast frame by one model version.

    Args:
        version: the model.
        role: one of `ROLES`.
        store, registry: of the platform.
        origins: closes of stored candles, ascending.
        visible: what the forecasts may see.

    Raises:
        MonthsNotFetched: candles that the model reads were never stored.
        CorruptArtefact: the model cannot be loaded.
    """
    series = version.series
    forecaster = registry.load(version)
    first = series.timeframe.shift(origins[0].to_pydatetime(), -forecaster.context)
    first = max(first, visible.first)
    last = origins[-1].to_pydatetime()
    require_covered(store, series, first, last)
    candles = measured(store, series, store.read_candles(series, first, last), visible.source)
    read = [name for name in EXOGENOUS if name in forecaster.features]
    candles = with_exogenous(visible.exogenous, series, candles, read)
    quantiles = forecaster.predict_quantiles(candles, origins)
    kinds = [kind_of(origin, series.timeframe, visible.closed_by) for origin in origins]
    return forecast_frame(origins, quantiles, version.name, kinds, role)


def _without(origins: pd.DatetimeIndex, forecasts: pd.DataFrame) -> pd.DatetimeIndex:
    """``origins`` that ``forecasts`` lack."""
    left: pd.DatetimeIndex = origins[~origins.isin(pd.DatetimeIndex(forecasts["as_of"]))]
    return left


def _makers(
    role: str, versions: Sequence[ModelVersion], roles: Roles, origins: pd.DatetimeIndex
) -> tuple[Makers, pd.DatetimeIndex]:
    """Origins by the version that forecasts them, and the origins without a version."""
    found: dict[ModelVersion | None, list[pd.Timestamp]] = {}
    for origin in origins:
        found.setdefault(version_for(role, versions, roles, origin), []).append(origin)
    unmodelled = pd.DatetimeIndex(found.pop(None, []), tz=UTC)
    return {maker: pd.DatetimeIndex(times) for maker, times in found.items() if maker}, unmodelled


def _first_champion(
    registry: ModelRegistry, series: Series, makers: Makers, closed_by: datetime
) -> Roles | None:
    """Record the version of the first live forecast as champion; None without a live origin."""
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
    """Closes of the stored candles in ``window``, complete up to the newest due by ``limit``."""
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
