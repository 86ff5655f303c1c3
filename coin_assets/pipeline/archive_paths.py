"""Sample paths of archived forecasts, from what the archive holds alone."""

import hashlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import chain

import numpy as np
import pandas as pd
import pyarrow as pa

from coin_assets.domain.candles.frame import empty_candles
from coin_assets.domain.forecasting.paths import (
    Trajectories,
    first_needed,
    sample_paths,
    trajectories,
)
from coin_assets.domain.methods import CHAMPION
from coin_assets.domain.publishing.archive import CANDLES, FORECASTS, PATHS, ArchivePlace
from coin_assets.domain.series import Series
from coin_assets.domain.series_policy import SeriesPolicy
from coin_assets.domain.timeframes import months_between, next_month
from coin_assets.publish.archive import ArchiveFolder
from coin_assets.publish.archive_tables import Forecasts, candle_table

_VERSION = 1  # another one has all paths made again
_AT_ONCE = 64  # forecasts whose paths are in memory


def update_paths(folder: ArchiveFolder, policy: SeriesPolicy, count: int) -> int:
    """Make the paths of months whose forecasts, or the past that they follow, changed.

    The past is that of the champion's archived forecasts, for both roles. Without paths to be made,
    the list names no file of paths: those that were made before may be of forecasts that were
    recomputed since.

    Args:
        count: number of paths of each forecast; 0 for none.

    Returns:
        Number of files written.
    """
    series = policy.series
    forecasts = {place.month for place in folder.places(FORECASTS, series)}
    for place in folder.places(PATHS, series):
        if not count or place.month not in forecasts:
            folder.forget(place)
    if not count:
        return 0
    return sum(_update_month(folder, policy, month, count) for month in sorted(forecasts))


def _update_month(folder: ArchiveFolder, policy: SeriesPolicy, month: datetime, count: int) -> bool:
    series, past = policy.series, _past_months(policy, month, count)
    place = ArchivePlace(PATHS, series, month)
    used = [
        folder.known(ArchivePlace(kind, series, each))
        for each in past
        for kind in (CANDLES, FORECASTS)
    ]
    text = f"{_VERSION} {count} {' '.join(file.sha256 if file else '-' for file in used)}"
    source, known = hashlib.sha256(text.encode()).hexdigest(), folder.known(place)
    if known is not None and known.source == source:
        return False
    tables = _tables(folder, series, past, count)
    first = next(tables, None)
    if first is None:
        folder.forget(place)
        return False
    return folder.put(place, chain([first], tables), source)


def _past_months(policy: SeriesPolicy, month: datetime, count: int) -> list[datetime]:
    """Months of what the paths of ``month``, the last one, follow."""
    timeframe = policy.series.timeframe
    origin = int(timeframe.ordinals(pd.DatetimeIndex([month]))[0])
    oldest = timeframe.shift(month, first_needed(origin, count) - origin)
    return months_between(max(oldest, policy.history_start), next_month(month))


def _tables(
    folder: ArchiveFolder, series: Series, past: list[datetime], count: int
) -> Iterator[pa.Table]:
    """Paths of the newest month of ``past``, some forecasts at a time."""
    forecasts = _forecasts(folder, series, past[-1:])
    if forecasts is None:
        return
    followed = _past(folder, series, past)
    origins = series.timeframe.ordinals(forecasts.heads["origin_time"])
    for first in range(0, len(origins), _AT_ONCE):
        part = slice(first, first + _AT_ONCE)
        chosen = forecasts.at(part)
        paths = sample_paths(chosen.quantiles, origins[part], followed, count)
        known = np.isfinite(paths).all(axis=(1, 2))
        if known.any():
            yield chosen.at(known).path_table(paths[known])


def _past(folder: ArchiveFolder, series: Series, months: list[datetime]) -> Trajectories:
    forecasts = _forecasts(folder, series, months)
    assert forecasts is not None  # noqa: S101 (those of the last month are there)
    champions = forecasts.at((forecasts.heads["role"] == CHAMPION).to_numpy())
    found = _found(folder, CANDLES, series, months)
    candles = pa.concat_tables([candle_table(empty_candles()), *found]).to_pandas()
    return trajectories(
        series.timeframe.ordinals(champions.heads["origin_time"]),
        champions.quantiles,
        series.timeframe.ordinals(candles["timestamp"]),
        candles["close"].to_numpy(),
    )


def _forecasts(folder: ArchiveFolder, series: Series, months: list[datetime]) -> Forecasts | None:
    tables = list(_found(folder, FORECASTS, series, months))
    return Forecasts.of_archived(series, tables) if tables else None


def _found(
    folder: ArchiveFolder, kind: str, series: Series, months: Iterable[datetime]
) -> Iterator[pa.Table]:
    for month in months:
        table = folder.table(ArchivePlace(kind, series, month))
        if table is not None:
            yield table
