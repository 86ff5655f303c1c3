"""Recomputation of forecasts that use revised candles."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import pandas as pd

from coin_assets.domain.candles.revisions import touched_origins
from coin_assets.domain.evaluation.roles import version_for
from coin_assets.domain.forecasting.frame import PRICE_COLUMNS
from coin_assets.domain.methods import CHAMPION, ROLES
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import just_after, months_between, next_month
from coin_assets.errors import CoinAssetsError
from coin_assets.models.registry import ModelRegistry, ModelVersion
from coin_assets.pipeline.forecast import VisibleCandles, forecasts_by
from coin_assets.store.base import Store
from coin_assets.store.forecasts import of_role

_VALUES = ["role", "as_of", "step", *PRICE_COLUMNS, "model_version"]


@dataclass(frozen=True)
class TouchedForecasts:
    """Forecasts of one month that use changed candles.

    Attributes:
        month: start of the month.
        by_maker: role and version that recompute -> origins.
    """

    month: datetime
    by_maker: dict[tuple[str, ModelVersion], pd.DatetimeIndex]

    @property
    def origins(self) -> pd.DatetimeIndex:
        """Origins of all makers, ascending, each once."""
        found = pd.DatetimeIndex([], tz=UTC)
        for origins in self.by_maker.values():
            found = found.union(origins)
        return found


@dataclass(frozen=True)
class RecomputedForecasts:
    """What `recompute_forecasts` did.

    Attributes:
        changed: number of origins whose forecast changed.
        challenger_errors: by role, why forecasts of a challenger stayed as they were.
    """

    changed: int
    challenger_errors: Mapping[str, CoinAssetsError]


def touched_forecasts(
    store: Store,
    registry: ModelRegistry,
    series: Series,
    opens: pd.DatetimeIndex,
    history_start: datetime,
    closed_by: datetime,
) -> list[TouchedForecasts]:
    """Forecasts that use changed candles, month by month.

    The version that made a forecast recomputes it, if the version still exists. An origin without a
    forecast is included if its own candle changed, because the candle may be late, and if its month
    has forecasts.

    Args:
        store, registry: of the platform.
        series: symbol and timeframe.
        opens: open times of the changed candles.
        history_start: start of the first month.
        closed_by: the clock.
    """
    if not len(opens):
        return []
    contexts: dict[ModelVersion, int] = {}
    late = series.timeframe.close_all(opens)
    found = []
    for month in months_between(late.min().to_pydatetime(), just_after(closed_by)):
        stored = store.read_forecasts(series, month, next_month(month))
        if stored.empty:
            continue
        closes = _closes(store, series, month, history_start, closed_by)
        touched = {}
        for maker, origins in _makers(registry, series, stored, closes, late):
            version = maker[1]
            if version not in contexts:
                contexts[version] = registry.load(version).context
            seeing = touched_origins(opens, series.timeframe, contexts[version], closed_by)
            if (seen := origins.isin(seeing)).any():
                touched[maker] = origins[seen]
        if touched:
            found.append(TouchedForecasts(month, touched))
    return found


def recompute_forecasts(
    store: Store,
    registry: ModelRegistry,
    series: Series,
    touched: TouchedForecasts,
    visible: VisibleCandles,
) -> RecomputedForecasts:
    """Recompute forecasts from the stored candles, and store those that differ.

    An equal forecast is not stored again, so a live forecast stays live. An error of a challenger
    does not affect the others.

    Args:
        store, registry: of the platform.
        series: symbol and timeframe.
        touched: from `touched_forecasts`.
        visible: what the forecasts may see.

    Raises:
        CorruptArtefact, MonthsNotFetched: of the champion, see `forecasts_by`.
    """
    stored = store.read_forecasts(series, touched.month, next_month(touched.month))
    known = pd.MultiIndex.from_frame(stored[_VALUES])
    changed, errors = 0, dict[str, CoinAssetsError]()
    for (role, version), origins in touched.by_maker.items():
        try:
            new = forecasts_by(store, registry, version, role, origins, visible)
        except CoinAssetsError as error:
            if role == CHAMPION:
                raise
            errors.setdefault(role, error)
            continue
        same = pd.MultiIndex.from_frame(new[_VALUES]).isin(known)
        differing = new[new["as_of"].isin(new["as_of"][~same])]
        if len(differing):
            store.revise_forecasts(series, differing)
            changed += differing["as_of"].nunique()
    return RecomputedForecasts(changed, errors)


def _makers(
    registry: ModelRegistry,
    series: Series,
    stored: pd.DataFrame,
    closes: pd.DatetimeIndex,
    late: pd.DatetimeIndex,
) -> Iterator[tuple[tuple[str, ModelVersion], pd.DatetimeIndex]]:
    """Origins of a month with a forecast or a late candle, by role and version."""
    versions, roles = registry.versions(series), registry.roles(series)
    by_name = {version.name: version for version in versions}
    for role in ROLES:
        rows = of_role(stored, role)
        made_by = rows.drop_duplicates("as_of").set_index("as_of")["model_version"]
        makers: dict[ModelVersion, list[pd.Timestamp]] = {}
        for origin in closes[closes.isin(made_by.index) | closes.isin(late)]:
            version = by_name.get(made_by.get(origin, ""))
            version = version or version_for(role, versions, roles, origin)
            if version is not None:
                makers.setdefault(version, []).append(origin)
        for version, times in makers.items():
            yield (role, version), pd.DatetimeIndex(times)


def _closes(
    store: Store, series: Series, month: datetime, history_start: datetime, closed_by: datetime
) -> pd.DatetimeIndex:
    """Closes of the stored candles in ``month``, up to ``closed_by``."""
    start = max(series.timeframe.shift(month, -1), history_start)
    opens = store.read_candles(series, start, next_month(month))["timestamp"]
    closes = series.timeframe.close_all(opens)
    end = min(just_after(closed_by), next_month(month))
    return closes[(closes >= pd.Timestamp(month)) & (closes < pd.Timestamp(end))]
