"""A market whose distribution is known, so that the better forecaster is known.

Log closes are independent and normal, so the quantiles of every future close are known, and chance
averages out within days. Forecasts are stored as if roles had made them: `TRUE` ones, and ones too
`WIDE`.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pandas as pd

from coin_assets.domain.evaluation.windows import window_of
from coin_assets.domain.forecasting.frame import LIVE, QUANTILES, STEPS, Forecaster, forecast_frame
from coin_assets.domain.forecasting.har import HarForecaster
from coin_assets.domain.forecasting.har_exogenous import HarExogenousForecaster
from coin_assets.domain.forecasting.naive import NAIVE_WINDOW
from coin_assets.domain.forecasting.naive_forecaster import NaiveForecaster
from coin_assets.domain.methods import (
    CHALLENGER,
    CHALLENGER_EXOGENOUS,
    CHALLENGER_NAIVE,
    CHAMPION,
)
from coin_assets.domain.timeframes import next_month
from coin_assets.models.evaluations import EvaluationBook
from coin_assets.models.registry import ModelRegistry
from coin_assets.pipeline.evaluate import EvaluationReport, evaluate_series
from coin_assets.store.parquet import ParquetStore
from coin_assets_tests.platform import series, utc

START = utc("2024-01-01")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# The first origin with forecasts; before it the naive forecast learns.
FIRST = START + NAIVE_WINDOW * HOUR
TRUE, WIDE = 1.0, 1.6
SERIES = series("1h")
_VERSIONS = {CHAMPION: "1", CHALLENGER: "2", CHALLENGER_NAIVE: "4", CHALLENGER_EXOGENOUS: "5"}
_FURTHER: dict[str, Callable[[], Forecaster]] = {
    CHALLENGER_NAIVE: lambda: NaiveForecaster("1h"),
    CHALLENGER_EXOGENOUS: lambda: HarExogenousForecaster("1h", longest=64, level_window=64),
}
_LENGTH = 1400
_LEVEL, _SPREAD = 100.0, 0.01


class KnownMarket:
    """1h candles, models and forecasts of both roles in a home.

    Args:
        widths: spread of the forecasts of champion, challenger, and of challengers of the methods
            naive and har_exogenous if there are a third and a fourth; 1 is right.
        kind: of all forecasts.
    """

    def __init__(
        self, home: Path, widths: tuple[float, ...] = (WIDE, TRUE), kind: str = LIVE
    ) -> None:
        self.store, self.registry = ParquetStore(home), ModelRegistry(home)
        self.evaluations = EvaluationBook(home)
        self.widths, self.kind = dict(zip(_VERSIONS, widths, strict=False)), kind
        self._candles = _candles()
        self._appoint()

    def until(self, now: datetime) -> None:
        """Store the candles and forecasts up to ``now``, which is an origin."""
        candles = self._candles[self._candles["timestamp"] < now]
        self.store.write_candles(SERIES, candles, START, next_month(now))
        made = [self.forecasts(role, _VERSIONS[role]) for role in self.widths]
        both = pd.concat(made, ignore_index=True)
        self.store.add_forecasts(SERIES, both[both["as_of"] <= now])

    def forecasts(self, role: str, version: str) -> pd.DataFrame:
        """Of every origin from `FIRST` on, as wide as those of the role are."""
        origins = pd.DatetimeIndex(
            pd.date_range(FIRST, self._candles["timestamp"].iloc[-1], freq="h")
        )
        normal = np.array([NormalDist().inv_cdf(level) for level in QUANTILES])
        quantiles = _LEVEL * np.exp(self.widths[role] * _SPREAD * normal)
        repeated = np.broadcast_to(quantiles, (len(origins), STEPS, len(QUANTILES)))
        return forecast_frame(origins, repeated, version, [self.kind] * len(origins), role)

    def evaluate(self, now: datetime) -> EvaluationReport:
        """Evaluate at ``now``."""
        self.until(now)
        return evaluate_series(self.store, self.registry, self.evaluations, SERIES)

    def _appoint(self) -> None:
        """Versions 1 and 2, champion and challenger since `FIRST`, and a version 3.

        Of the naive method a version 4, and of har_exogenous a version 5 that knows no exogenous
        value, both challengers since `FIRST`.
        """
        for cutoff in (FIRST - 2 * HOUR, FIRST - HOUR, FIRST):
            self.registry.add(SERIES, _model(self._candles, cutoff), cutoff, {"lookback": None})
        for role, version in zip(
            (CHAMPION, CHALLENGER), self.registry.versions(SERIES), strict=False
        ):
            self.registry.appoint(
                SERIES, role, version, FIRST, reason="", by="test", recorded_at=FIRST
            )
        seen = self._candles[self._candles["timestamp"] < FIRST]
        for role, method in _FURTHER.items():
            if role in self.widths:
                made = self.registry.add(SERIES, method().fit(seen), FIRST, {"lookback": None})
                self.registry.appoint(
                    SERIES, role, made, FIRST, reason="", by="test", recorded_at=FIRST
                )


def enough() -> datetime:
    """Data time at which a better challenger meets all criteria but the number of passes."""
    return FIRST + 21 * DAY


def whole_trial() -> datetime:
    """Data time at which the first live forecast is one trial period old."""
    start, end = window_of(SERIES.timeframe, FIRST)
    return FIRST + (end - start)


def _candles() -> pd.DataFrame:
    noise = _SPREAD * np.random.default_rng(5).standard_normal(_LENGTH)
    prices = dict.fromkeys(("open", "high", "low", "close"), _LEVEL * np.exp(noise))
    opens = pd.DatetimeIndex(pd.date_range(START, periods=_LENGTH, freq="h"))
    return pd.DataFrame({"timestamp": opens, **prices, "volume": 1.0})


def _model(candles: pd.DataFrame, cutoff: datetime) -> HarForecaster:
    return HarForecaster("1h", longest=64, level_window=64).fit(
        candles[candles["timestamp"] < cutoff]
    )
