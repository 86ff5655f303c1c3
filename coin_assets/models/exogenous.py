"""Exogenous values as models are trained on them and forecast from them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

import numpy as np
import pandas as pd

from coin_assets.domain.forecasting.exogenous import column_of, joined
from coin_assets.domain.forecasting.trainable import minimum_candles
from coin_assets.domain.methods import EXOGENOUS, METHODS
from coin_assets.domain.series import Series
from coin_assets.errors import ConfigurationError, InsufficientData
from coin_assets.store.exogenous import ExogenousTables


@dataclass(frozen=True)
class ExogenousInputs:
    """Exogenous series that versions are trained on.

    Attributes:
        names: those that are collected, members of `EXOGENOUS`.
    """

    tables: ExogenousTables
    names: tuple[str, ...]

    def usable(self, series: Series, cutoff: datetime) -> tuple[str, ...]:
        """Names of the series with as much history at ``cutoff`` as a model needs candles."""
        return tuple(name for name in self.names if self._why_not(series, name, cutoff) is None)

    def why_none(self, series: Series, cutoff: datetime) -> str | None:
        """The reason why no version can be trained at ``cutoff``; None if one can."""
        reasons = [self._why_not(series, name, cutoff) for name in self.names]
        if None in reasons:
            return None
        return "; ".join(map(str, reasons)) or "no exogenous series is collected"

    def _why_not(self, series: Series, name: str, cutoff: datetime) -> str | None:
        progress = self.tables.progress(series.symbol, name)
        if progress is None or not progress.is_complete:
            return f"the history of {name} is not fetched yet"
        extent = self.tables.extent(series.symbol, name)
        if extent is None:
            return f"{name} has no values of {series.symbol}"
        timeframe = series.timeframe
        needed = timeframe.shift(timeframe.floor(cutoff), -minimum_candles(timeframe))
        if extent.first > needed:
            return (
                f"{name} of {series.symbol} begins {extent.first:%Y-%m-%d %H:%M}; a forecast of "
                f"{timeframe} needs it from {needed:%Y-%m-%d %H:%M} on"
            )
        return None


def why_not_trained(
    inputs: ExogenousInputs | None, series: Series, method: str, cutoff: datetime
) -> str | None:
    """The reason why exogenous series keep ``method`` from being trained; None if none does."""
    if not METHODS[method].reads_exogenous:
        return None
    return "none is collected" if inputs is None else inputs.why_none(series, cutoff)


def training_columns(
    inputs: ExogenousInputs | None,
    series: Series,
    method: str,
    candles: pd.DataFrame,
    cutoff: datetime,
) -> pd.DataFrame:
    """``candles`` with the columns that a training of ``method`` reads.

    Raises:
        InsufficientData: see `why_not_trained`.
        CorruptArtefact: stored values are damaged.
    """
    reason = why_not_trained(inputs, series, method, cutoff)
    if reason is not None:
        raise InsufficientData(f"{method} needs an exogenous series: {reason}.")
    if inputs is None or not METHODS[method].reads_exogenous:
        return candles
    return with_exogenous(inputs.tables, series, candles, inputs.usable(series, cutoff))


def with_exogenous(
    tables: ExogenousTables | None, series: Series, candles: pd.DataFrame, names: Iterable[str]
) -> pd.DataFrame:
    """``candles`` with a column of each of ``names``: what was known at each close.

    Raises:
        ConfigurationError: there are names, and no tables.
        CorruptArtefact: stored values are damaged.
    """
    wanted = tuple(names)
    if not wanted or candles.empty:
        return candles
    if tables is None:
        raise ConfigurationError(f"Forecasts of {series} read {wanted}, and no values were given.")
    closes = series.timeframe.close_all(candles["timestamp"])
    known = {name: tables.read_for(series.symbol, name, closes) for name in wanted}
    return joined(candles, series.timeframe, known)


def names_in(candles: pd.DataFrame) -> tuple[str, ...]:
    """Exogenous series that have a column in ``candles``."""
    return tuple(name for name in EXOGENOUS if column_of(name) in candles)


def exogenous_facts(candles: pd.DataFrame) -> dict[str, Any]:
    """Known values of each exogenous series in ``candles``, with their number and a hash."""
    facts = {}
    for name in names_in(candles):
        values = np.ascontiguousarray(candles[column_of(name)], dtype="<f8")
        rows = int(np.isfinite(values).sum())
        facts[name] = {"rows": rows, "hash": sha256(values.tobytes()).hexdigest()}
    return {"exogenous": facts} if facts else {}
