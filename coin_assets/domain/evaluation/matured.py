"""Matured forecasts with their outcomes.

A forecast has matured when its last candle has closed in data time. All stored forecasts are
scored, also those that were never published.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from coin_assets.domain.candles.grid import Mask, candle_rows
from coin_assets.domain.forecasting.frame import LIVE, QUANTILE_COLUMNS, STEPS, Floats
from coin_assets.domain.forecasting.naive import naive_quantiles
from coin_assets.domain.timeframes import Timeframe
from coin_assets.errors import DataRefused

VOLATILITY_RETURNS = 24


@dataclass(frozen=True, eq=False)
class Matured:
    """Matured forecasts of one role, and the closes that followed.

    Attributes:
        origins: shape (n,), ascending.
        versions: model version of each forecast, shape (n,).
        live: whether the forecast was made before its first candle closed, shape (n,).
        quantiles: prices, shape (n, `STEPS`, quantiles).
        actual: closes, shape (n, `STEPS`), at least one of each origin; NaN where the candle is
            missing.
        last: close at the origin, shape (n,); NaN where that candle is missing.
        volatility: root mean square of the one-step log returns of the `VOLATILITY_RETURNS`
            candles up to the origin, shape (n,); NaN where there is no return.
    """

    origins: pd.DatetimeIndex
    versions: npt.NDArray[np.object_]
    live: Mask
    quantiles: Floats
    actual: Floats
    last: Floats
    volatility: Floats

    def __len__(self) -> int:
        return len(self.origins)

    def at(self, mask: Mask) -> Self:
        """The forecasts where ``mask``, of shape (n,), is true."""
        return replace(
            self,
            origins=self.origins[mask],
            versions=self.versions[mask],
            live=self.live[mask],
            quantiles=self.quantiles[mask],
            actual=self.actual[mask],
            last=self.last[mask],
            volatility=self.volatility[mask],
        )


def matured(
    forecasts: pd.DataFrame,
    candles: pd.DataFrame,
    timeframe: Timeframe,
    role: str,
    as_of: datetime,
) -> Matured:
    """Stored forecasts whose `STEPS` candles have closed by ``as_of``.

    Origins without any of these candles are left out.

    Args:
        forecasts: forecast frame; rows of other roles are ignored.
        candles: candle frame; gaps are allowed.
        timeframe: of both.
        role: one of `ROLES`.
        as_of: data time, the close of the newest candle.

    Raises:
        DataRefused: an origin lacks a step, or has one twice.
    """
    rows = forecasts[forecasts["role"] == role].sort_values(["as_of", "step"], kind="stable")
    count, rest = divmod(len(rows), STEPS)
    if rest or (rows["step"].to_numpy() != np.tile(np.arange(1, STEPS + 1), count)).any():
        raise DataRefused(
            f"The {role} {timeframe} forecasts lack or repeat one of the steps 1..{STEPS} at an "
            "origin. Delete them from the store and materialise their months again."
        )
    first = rows.iloc[::STEPS]
    origins = pd.DatetimeIndex(first["as_of"])
    ordinals = timeframe.ordinals(candles["timestamp"])
    close = np.append(np.ascontiguousarray(candles["close"], dtype=np.float64), np.nan)  # row -1
    opened = timeframe.ordinals(origins)
    quantiles = rows[QUANTILE_COLUMNS].to_numpy(dtype=np.float64)
    actual = close[candle_rows(ordinals, opened[:, None] + np.arange(STEPS))]
    before = close[candle_rows(ordinals, opened[:, None] - 1 - np.arange(VOLATILITY_RETURNS + 1))]
    now = timeframe.ordinals(pd.DatetimeIndex([as_of]))[0]
    found = Matured(
        origins=origins,
        versions=first["model_version"].to_numpy(dtype=object),
        live=(first["kind"] == LIVE).to_numpy(dtype=bool),
        quantiles=quantiles.reshape(count, STEPS, len(QUANTILE_COLUMNS)),
        actual=actual,
        last=before[:, 0],
        volatility=_root_mean_square(np.diff(np.log(before), axis=1)),
    )
    return found.at((opened + STEPS <= now) & np.isfinite(actual).any(axis=1))


def naive_of(forecast: Matured, candles: pd.DataFrame, timeframe: Timeframe) -> Matured:
    """Naive forecasts of the origins of ``forecast``.

    Args:
        forecast: matured forecasts.
        candles: candle frame; see `naive_quantiles`.
        timeframe: of both.

    Raises:
        InsufficientData: an origin has none; see `naive_quantiles`.
    """
    return replace(forecast, quantiles=naive_quantiles(candles, forecast.origins, timeframe))


def _root_mean_square(values: Floats) -> Floats:
    """Root mean square of the finite values of each row; NaN where there is none."""
    known = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        squares = np.where(known, values**2, 0.0).sum(axis=1) / known.sum(axis=1)
    return np.asarray(np.sqrt(squares), dtype=np.float64)
