"""Selections of stored forecasts: one origin, the newest one, one role."""

from datetime import datetime

import pandas as pd

from coin_assets.domain.methods import CHAMPION
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import just_after
from coin_assets.store.base import Store


def newest_forecast(store: Store, series: Series) -> pd.DataFrame:
    """Champion rows of the newest origin, ordered by step; empty if there is none."""
    origin = store.newest_forecasts([series]).get(series)
    return pd.DataFrame() if origin is None else forecast_at(store, series, origin)


def forecast_at(store: Store, series: Series, origin: datetime) -> pd.DataFrame:
    """Champion rows of one origin, ordered by step; empty if there is none."""
    return of_role(store.read_forecasts(series, origin, just_after(origin)), CHAMPION)


def of_role(forecasts: pd.DataFrame, role: str) -> pd.DataFrame:
    """Rows of ``forecasts`` with one role."""
    rows: pd.DataFrame = forecasts[forecasts["role"] == role]
    return rows
