"""Fitness of the newest candles and forecast of a series for publication."""

import pandas as pd

from coin_assets.domain.candles.frame import validated
from coin_assets.domain.forecasting.sanity import RECENT_CANDLES, forecast_problems
from coin_assets.domain.series import Series
from coin_assets.errors import ForecastRefused
from coin_assets.store.base import Store


def require_valid(series: Series, candles: pd.DataFrame) -> None:
    """Refuse stored candles that an earlier release took and the contract now forbids.

    Raises:
        InvalidCandles: the rule and the first offenders.
    """
    validated(candles, series.timeframe, f"{series} candles in the store")


def unfitness(store: Store, series: Series, forecast: pd.DataFrame) -> tuple[str, ...]:
    """Why a forecast of one origin must not be published; empty if it may be."""
    if forecast.empty:
        return ()
    origin = forecast["as_of"].iloc[0].to_pydatetime()
    start = series.timeframe.shift(origin, -RECENT_CANDLES - 1)
    return forecast_problems(forecast, store.read_candles(series, start, origin), series.timeframe)


def require_fit(store: Store, series: Series, forecast: pd.DataFrame) -> None:
    """Refuse a forecast that would mislead its readers.

    Raises:
        ForecastRefused: with each reason.
    """
    if problems := unfitness(store, series, forecast):
        raise ForecastRefused(
            f"{series} forecast of {forecast['as_of'].iloc[0]:%Y-%m-%d %H:%M} is not published: "
            f"{'; '.join(problems)}. What was published before stays; a new candle, or a better "
            "model, gives a new forecast."
        )
