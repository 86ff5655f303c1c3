"""Exogenous series: information that prices do not hold, such as implied volatility.

A value counts from when it was published, never from the time that it describes. What this
installation receives later than that counts from when it received it. Corrections are added beside
what they correct, so what was known at an earlier time never changes, and no stored forecast has to
be recomputed for them.
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

# Column -> (type, meaning).
EXOGENOUS_SCHEMA = {
    "timestamp": ("timestamp[us, UTC]", "time that the value describes"),
    "known_at": ("timestamp[us, UTC]", "time from which it counts as known"),
    "value": ("float64", "the value"),
}
COLUMNS = tuple(EXOGENOUS_SCHEMA)
# A value that describes an earlier time than this before an origin is unknown there.
LONGEST_AGE = timedelta(days=1)
# From the receipt of values to their being stored; forecasts of the time between do not see them.
STORING = timedelta(minutes=1)
_PREFIX = "x_"


class ExogenousSource(Protocol):
    """Where the values of one exogenous series come from.

    Attributes:
        name: one of `EXOGENOUS`.
        kept: how far back the source serves values; None is without limit.
    """

    name: str
    kept: timedelta | None

    def values(self, symbol: str, start: datetime, end: datetime) -> pd.DataFrame:
        """Values that describe times in ``[start, end)``, as `published` frame.

        Empty where the source has none for ``symbol``.
        """
        ...


@dataclass(frozen=True)
class Progress:
    """What the source of a series was asked for.

    Attributes:
        begun: when the series was first fetched. Values that describe earlier times are its
            history; they count from their publication.
        asked: values that describe earlier times were asked for.
    """

    begun: datetime
    asked: datetime

    @property
    def is_complete(self) -> bool:
        """Whether the history is stored."""
        return self.asked >= self.begun


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


def received(fetched: pd.DataFrame, progress: Progress, seen: datetime) -> pd.DataFrame:
    """Fetched values with the times from which they count as known.

    Args:
        fetched: exogenous frame with one value a time, known at its publication.
        progress: before the values were fetched.
        seen: when they arrived.
    """
    described, published_at = fetched["timestamp"], fetched["known_at"]
    arrived = pd.Timestamp(seen + STORING)
    is_history = (described >= progress.asked) & (described < progress.begun)
    known_at = published_at.where(is_history | (published_at >= arrived), arrived)
    return validated_values(fetched.assign(known_at=known_at))


def with_news(stored: pd.DataFrame, new: pd.DataFrame, seen: datetime) -> pd.DataFrame:
    """Stored values, and those of ``new`` that differ from what is known of their times.

    A correction of what counts already counts from its receipt, even if a history is fetched again
    because its record was lost. One of what does not count yet replaces it.

    Args:
        stored, new: exogenous frames; ``new`` has one value a time, from `received`.
        seen: when ``new`` arrived.
    """
    current = stored.drop_duplicates("timestamp", keep="last").set_index("timestamp")["value"]
    known = current.reindex(new["timestamp"]).to_numpy(dtype=np.float64)
    # NaN, a time without a value, differs from each value.
    news = new[known != new["value"].to_numpy(dtype=np.float64)]
    if news.empty:
        return stored
    arrived = pd.Timestamp(seen + STORING)
    is_correction = news["timestamp"].isin(stored["timestamp"])
    known_at = news["known_at"].mask(is_correction & (news["known_at"] < arrived), arrived)
    news = news.assign(known_at=known_at)
    both = pd.concat([stored, news], ignore_index=True) if len(stored) else news
    return validated_values(both.drop_duplicates(["timestamp", "known_at"], keep="last"))


def known_values(
    values: pd.DataFrame, times: pd.DatetimeIndex, longest_age: timedelta = LONGEST_AGE
) -> Floats:
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
    longest_age: timedelta = LONGEST_AGE,
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
