"""Selections of stored forecasts: newest origin, one role."""

import pandas as pd

from coin_assets.domain.forecasting.frame import CHAMPION
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import just_after
from coin_assets.store.base import Store


def newest_forecast(store: Store, series: Series) -> pd.DataFrame:
    """Champion rows of the newest origin, ordered by step; empty if there is none."""
    origin = store.newest_forecasts([series]).get(series)
    if origin is None:
        return pd.DataFrame()
    return of_role(store.read_forecasts(series, origin, just_after(origin)), CHAMPION)


def of_role(forecasts: pd.DataFrame, role: str) -> pd.DataFrame:
    """Rows of ``forecasts`` with one role."""
    rows: pd.DataFrame = forecasts[forecasts["role"] == role]
    return rows
