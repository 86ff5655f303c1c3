"""Scoring protocol: spans of origins, and walk-forward training.

Rolling origins (Tashman, Out-of-sample tests of forecasting accuracy, Int. J. Forecasting 16,
2000): at the first instant of each calendar month a model is trained on all candles closed by
then, and it forecasts the origins of that month. Settings are chosen on `TUNING` spans. `TEST`
spans are later and are scored after that; `load` refuses their candles.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.harness import REAL_CANDLES, BenchmarkFailed
from coin_assets.domain.candles.frame import between, closed_by, validated
from coin_assets.domain.candles.resampling import resample
from coin_assets.domain.forecasting.frame import STEPS, Floats, Forecaster
from coin_assets.domain.forecasting.realised import with_realised_variance
from coin_assets.domain.series import Series, safe_name
from coin_assets.domain.timeframes import Timeframe, month_start

HOUR = Timeframe("1h")
_DERIVED = ("4h",)  # no files of their own: joined from hours, as an installation derives them
SYMBOLS = ("BTC/USDT", "ETH/USDT", "XRP/USDT")


class HeldOut(BenchmarkFailed):
    """Tuning requested candles of the test span."""


@dataclass(frozen=True)
class Span:
    """Origins that are scored: every ``every``-th boundary in ``[start, end)``.

    Attributes:
        end: all candles that a forecast is compared with are closed by then.
        every: in candles.
    """

    start: datetime
    end: datetime
    every: int


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# Every 25 hours covers each hour of the day, every 5 candles of 4h each of the six opens.
TEST = {
    "1h": Span(_utc("2024-07-01"), _utc("2025-07-01"), 25),
    "4h": Span(_utc("2024-07-01"), _utc("2025-07-01"), 5),
    "1d": Span(_utc("2022-07-01"), _utc("2025-07-01"), 5),
    "1w": Span(_utc("2022-07-01"), _utc("2025-07-01"), 2),
}
TUNING = {
    "1h": Span(_utc("2022-07-01"), _utc("2024-07-01"), 25),
    "4h": Span(_utc("2021-07-01"), _utc("2024-07-01"), 5),
    "1d": Span(_utc("2019-01-01"), _utc("2022-07-01"), 5),
    "1w": Span(_utc("2019-06-01"), _utc("2022-07-01"), 2),
}


def load(symbol: str, timeframe: str, span: Span, folder: Path = REAL_CANDLES) -> pd.DataFrame:
    """Real candles for tuning, from the listing to the end of ``span``, measured by hours.

    Days and weeks have the column `VARIANCE`, from hours of the same time.

    Raises:
        HeldOut: ``span`` reaches into the test span; no file was read.
        BenchmarkFailed: the file of these candles is missing.
    """
    test = TEST[timeframe]
    if span.end > test.start:
        raise HeldOut(
            f"A span of {timeframe} candles until {span.end:%Y-%m-%d} reaches into the test span, "
            f"which starts on {test.start:%Y-%m-%d}. Tune on candles closed by then."
        )
    return _candles(symbol, timeframe, span, folder)


def load_test(symbol: str, timeframe: str, folder: Path = REAL_CANDLES) -> pd.DataFrame:
    """Real candles for scoring, from the listing to the end of the test span; see `load`.

    Raises:
        BenchmarkFailed: the file of these candles is missing.
    """
    return _candles(symbol, timeframe, TEST[timeframe], folder)


def load_hours(symbol: str, end: datetime, folder: Path = REAL_CANDLES) -> pd.DataFrame:
    """Real hours that open before ``end``, the source of a series that is scored.

    Raises:
        BenchmarkFailed: the file of these candles is missing.
    """
    return _stored(symbol, HOUR, end, folder)


def _candles(symbol: str, timeframe: str, span: Span, folder: Path) -> pd.DataFrame:
    parsed = Timeframe.parse(timeframe)
    end = parsed.floor(span.end)
    candles = _stored(symbol, parsed, end, folder)
    if not HOUR.divides(parsed):
        return candles
    return with_realised_variance(candles, parsed, _stored(symbol, HOUR, end, folder), HOUR)


def _stored(symbol: str, timeframe: Timeframe, end: datetime, folder: Path) -> pd.DataFrame:
    if timeframe.name in _DERIVED:
        return resample(_stored(symbol, HOUR, end, folder), HOUR, timeframe).candles
    path = folder / f"{safe_name(symbol)}_{timeframe}.parquet"
    if not path.exists():
        raise BenchmarkFailed(f"{path} is missing. Forecasts are scored on real candles only.")
    rows = pd.read_parquet(path, filters=[("timestamp", "<", end)])
    return validated(rows, timeframe, path.name)


def scored_origins(candles: pd.DataFrame, timeframe: Timeframe, span: Span) -> pd.DatetimeIndex:
    """Origins of ``span`` that are closes of ``candles`` and have `STEPS` closed candles after."""
    boundaries = timeframe.opens(span.start, timeframe.shift(span.end, 1 - STEPS))
    chosen = boundaries[:: span.every]
    return chosen[chosen.isin(timeframe.close_all(candles["timestamp"]))]


def by_month(origins: pd.DatetimeIndex) -> Iterator[tuple[datetime, pd.DatetimeIndex]]:
    """Calendar months in ascending order, with the origins in each."""
    months = np.array([month_start(origin) for origin in origins], dtype=object)
    for month in sorted(set(months)):
        yield month, origins[months == month]


def walk_forward(
    make: Callable[[Series], Forecaster],
    candles: pd.DataFrame,
    series: Series,
    origins: pd.DatetimeIndex,
) -> Floats:
    """Forecasts by models that are trained each month.

    Args:
        make: returns an unfitted forecaster for ``series``.
        candles: candle frame from the beginning of the history.
        origins: ascending closes of ``candles``.

    Returns:
        Quantiles of the price, shape (origins, `STEPS`, quantiles).

    Raises:
        InsufficientData: too few candles before the first month.
    """
    parts = []
    for month, inside in by_month(origins):
        forecaster = make(series).fit(closed_by(candles, series.timeframe, month))
        # As the published path reads them: the context of the first, up to the last.
        first = series.timeframe.shift(inside[0].to_pydatetime(), -forecaster.context)
        seen = between(candles, first, inside[-1].to_pydatetime())
        parts.append(forecaster.predict_quantiles(seen, inside))
    return np.concatenate(parts)
