"""Exogenous series: information that prices do not hold, such as implied volatility.

A value counts from when it was published, never from the time that it describes. Corrections are
added beside what they correct, so what was known at an earlier time never changes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import numpy as np
import pandas as pd

from coin_assets.domain.candles.frame import TIMESTAMP_DTYPE
from coin_assets.domain.forecasting.frame import Floats
from coin_assets.domain.timeframes import Timeframe
from coin_assets.errors import DataRefused

COLUMNS = ("timestamp", "known_at", "value")
_PREFIX = "x_"


class ExogenousSource(Protocol):
    """Where the values of one exogenous series come from.

    Attributes:
        name: of the series, for example ``implied_volatility``.
    """

    name: str

    def values(self, symbol: str, start: datetime, end: datetime) -> pd.DataFrame:
        """Values that describe times in ``[start, end)``, as `published` frame.

        Empty where the source has none for ``symbol``.
        """
        ...


@dataclass(frozen=True)
class Merged:
    """Stored values after new ones were merged.

    Attributes:
        values: exogenous frame.
        since: earliest time at which what is known differs from before; None if nothing does.
            Forecasts at earlier origins stay the same to the bit.
    """

    values: pd.DataFrame
    since: datetime | None


def published(timestamps: pd.DatetimeIndex, delay: timedelta, values: Floats) -> pd.DataFrame:
    """Exogenous frame of values that were published ``delay`` after the time they describe."""
    columns = {"timestamp": timestamps, "known_at": timestamps + delay, "value": values}
    return validated_values(pd.DataFrame(columns))


def empty_values() -> pd.DataFrame:
    """An exogenous frame without rows."""
    return pd.DataFrame(
        {
            "timestamp": pd.Series(dtype=TIMESTAMP_DTYPE),
            "known_at": pd.Series(dtype=TIMESTAMP_DTYPE),
            "value": pd.Series(dtype=np.float64),
        }
    )


def validated_values(frame: pd.DataFrame) -> pd.DataFrame:
    """``frame`` in the order of its times, if it is an exogenous frame.

    Raises:
        DataRefused: a column is missing or has no time zone, a value is not finite, is known
            before the time that it describes, or is given twice.
    """
    missing = [name for name in COLUMNS if name not in frame.columns]
    if missing:
        raise DataRefused(f"Exogenous columns {missing} are missing; need {list(COLUMNS)}.")
    if frame.empty:
        return empty_values()
    rows = frame[list(COLUMNS)]
    for name in ("timestamp", "known_at"):
        if not isinstance(rows[name].dtype, pd.DatetimeTZDtype):
            raise DataRefused(f"Exogenous {name} has no time zone. Use UTC.")
    rows = rows.astype({"timestamp": TIMESTAMP_DTYPE, "known_at": TIMESTAMP_DTYPE})
    rows = rows.sort_values(["timestamp", "known_at"], kind="stable", ignore_index=True)
    for rule, broken in {
        "values are finite": ~np.isfinite(rows["value"].to_numpy(dtype=np.float64)),
        "a value is known at the time that it describes, or later": (
            rows["known_at"] < rows["timestamp"]
        ).to_numpy(),
        "one value is known of a time at a time": rows.duplicated(
            ["timestamp", "known_at"]
        ).to_numpy(),
    }.items():
        if broken.any():
            row = rows.iloc[int(np.flatnonzero(broken)[0])]
            raise DataRefused(
                f"Exogenous values break the rule that {rule}: {int(broken.sum())} rows, first "
                f"{row['timestamp']}, known at {row['known_at']}. Nothing was stored."
            )
    return rows


def merged(stored: pd.DataFrame, fetched: pd.DataFrame, seen: datetime) -> Merged:
    """Add fetched values to the stored ones.

    A value of a time after all stored ones counts from its publication. One that fills a hole, or
    differs from what is stored, counts from ``seen``: nobody had it before.

    Args:
        stored, fetched: exogenous frames; ``fetched`` has one value a time.
        seen: when ``fetched`` was fetched.
    """
    newest = stored["timestamp"].max() if len(stored) else None
    current = stored.drop_duplicates("timestamp", keep="last").set_index("timestamp")["value"]
    known = current.reindex(fetched["timestamp"]).to_numpy(dtype=np.float64)
    changed = known != fetched["value"].to_numpy(dtype=np.float64)  # NaN is a time without a value
    added = fetched[changed].copy()
    if newest is not None and len(added):
        late = (added["timestamp"] <= newest) & (added["known_at"] < pd.Timestamp(seen))
        added.loc[late, "known_at"] = pd.Timestamp(seen)
    if not len(added):
        return Merged(stored, None)
    both = pd.concat([stored, added], ignore_index=True) if len(stored) else added
    values = validated_values(both)
    return Merged(values, added["known_at"].min().to_pydatetime())


def known_values(values: pd.DataFrame, times: pd.DatetimeIndex, longest_age: timedelta) -> Floats:
    """The newest value that was known at each of ``times``.

    The value describes the latest time of which any value was known by then. Of several values of
    that time the one known last counts.

    Args:
        values: exogenous frame.
        times: in any order.
        longest_age: a value that describes an earlier time than this before one of ``times`` is
            unknown there.

    Returns:
        Shape (times,); NaN where nothing is known.
    """
    found = np.full(len(times), np.nan)
    if not len(values) or not len(times):
        return found
    ordered = values.sort_values(["known_at", "timestamp"], kind="stable")
    described = ordered["timestamp"].to_numpy()
    latest = np.maximum.accumulate(described)
    is_news = described == latest  # older times that become known later change nothing
    known_at, value = (ordered[name].to_numpy()[is_news] for name in ("known_at", "value"))
    described = described[is_news]
    wanted = pd.DatetimeIndex(times).tz_convert("UTC").as_unit("us").to_numpy()
    place = np.searchsorted(known_at, wanted, side="right") - 1
    is_known = place >= 0
    age = wanted[is_known] - described[place[is_known]]
    rows = np.flatnonzero(is_known)[age <= np.timedelta64(longest_age)]
    found[rows] = value[place[rows]]
    return found


def joined(
    candles: pd.DataFrame,
    timeframe: Timeframe,
    series: Mapping[str, pd.DataFrame],
    longest_age: timedelta,
) -> pd.DataFrame:
    """Candle frame with a column of each exogenous series; see `column_of`.

    A row has what was known at the close of its candle, so a forecast that reads rows up to its
    origin sees nothing that was published later.

    Args:
        candles: candle frame.
        timeframe: of the candles.
        series: name -> exogenous frame.
        longest_age: see `known_values`.
    """
    closes = timeframe.close_all(candles["timestamp"])
    columns = {
        column_of(name): known_values(values, closes, longest_age)
        for name, values in series.items()
    }
    return candles.assign(**columns)


def column_of(name: str) -> str:
    """Column of an exogenous series in a candle frame."""
    return f"{_PREFIX}{name}"
