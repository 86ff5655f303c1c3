"""Stored forecasts of one role, and of the newest origin."""

from datetime import timedelta

import pandas as pd

from coin_assets.domain.forecasting.frame import CHAMPION
from coin_assets.domain.series import Series
from coin_assets.store.base import Store

_INSTANT = timedelta.resolution


def newest_forecast(store: Store, series: Series) -> pd.DataFrame:
    """Champion rows of the newest origin, ordered by step; empty if there is none."""
    origin = store.newest_forecasts([series]).get(series)
    if origin is None:
        return pd.DataFrame()
    return of_role(store.read_forecasts(series, origin, origin + _INSTANT), CHAMPION)


def of_role(forecasts: pd.DataFrame, role: str) -> pd.DataFrame:
    """The rows of one role."""
    rows: pd.DataFrame = forecasts[forecasts["role"] == role]
    return rows
