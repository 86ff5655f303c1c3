"""Candles with their realised variance, as models are trained on them and forecast from them."""

import pandas as pd

from coin_assets.domain.forecasting.realised import (
    parts_of,
    parts_timeframe,
    with_realised_variance,
)
from coin_assets.domain.series import Series
from coin_assets.domain.series_policy import VarianceSource
from coin_assets.domain.timeframes import months_between, next_month
from coin_assets.store.base import Store


def measured(
    store: Store, series: Series, candles: pd.DataFrame, source: VarianceSource | None
) -> pd.DataFrame:
    """``candles`` with the variance that the stored candles of ``source`` measure.

    Only source candles within ``candles`` are read, so nothing that closes after them is seen.

    Args:
        store: provides the source candles.
        series: owner of ``candles``.
        candles: candle frame without gaps at its start.
        source: None leaves ``candles`` as they are: their own ranges measure them.

    Raises:
        CorruptArtefact: a stored source candle is damaged.
    """
    if source is None or candles.empty:
        return candles
    timeframe, finer = series.timeframe, source.series.timeframe
    opens = candles["timestamp"]
    start = max(opens.iloc[0].to_pydatetime(), timeframe.ceil(source.first))
    end = timeframe.close_of(opens.iloc[-1].to_pydatetime())
    joined = parts_timeframe(finer)
    if joined == finer or start >= end:
        parts = store.read_candles(source.series, start, end)
    else:
        # Month by month, so that years of minutes are never in memory together.
        windows = [
            (max(start, month), min(next_month(month), end)) for month in months_between(start, end)
        ]
        parts = pd.concat(
            [parts_of(store.read_candles(source.series, *window), finer) for window in windows],
            ignore_index=True,
        )
    return with_realised_variance(candles, timeframe, parts, joined)
