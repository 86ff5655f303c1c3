"""Candles, requests and versions for tests of trainings."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from coin_assets.domain.methods import CHAMPION
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe
from coin_assets.models.registry import ModelRegistry, ModelVersion
from coin_assets.models.training import TrainingRequest, TrainingResult
from coin_assets.store.parquet import ParquetStore

BTC = Series("BTC/USDT", Timeframe.parse("1h"))
AUG, SEP, OCT, NOV, DEC = (datetime(2026, month, 1, tzinfo=UTC) for month in (8, 9, 10, 11, 12))
NOW = datetime(2026, 11, 3, 4, 5, 6, 789, tzinfo=UTC)
HOUR = timedelta(hours=1)


def candles(series: Series, start: datetime, end: datetime, seed: int = 0) -> pd.DataFrame:
    """Gapless candles that open in the range."""
    opens = series.timeframe.opens(start, end)
    close = 100 * np.exp(np.cumsum(0.01 * np.random.default_rng(seed).standard_normal(len(opens))))
    prices = dict.fromkeys(("open", "high", "low", "close"), close)
    return pd.DataFrame({"timestamp": opens, **prices, "volume": 1.0})


def request(
    cutoff: datetime = NOV,
    series: Series = BTC,
    start: datetime = SEP,
    lookback: timedelta | None = None,
) -> TrainingRequest:
    """A request of which only the cutoff, the series or the range matters to a test."""
    text = None if lookback is None else f"{lookback.days}d"
    return TrainingRequest(series, cutoff, start, lookback, text)


def version_of(result: TrainingResult) -> ModelVersion:
    assert result.version is not None
    return result.version


def stored(store: ParquetStore, symbol: str, start: datetime = SEP) -> Series:
    """A series of hours whose candles from ``start`` to November are stored, since September."""
    series = Series(symbol, BTC.timeframe)
    store.write_candles(series, candles(series, start, NOV), SEP, NOV)
    return series


def crowned(registry: ModelRegistry, version: ModelVersion) -> ModelVersion:
    """``version``, appointed champion from its cutoff on."""
    registry.appoint(
        version.series, CHAMPION, version, version.cutoff, reason="", by="", recorded_at=NOW
    )
    return version
