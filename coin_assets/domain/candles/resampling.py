"""Deriving coarser candles from finer ones."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from coin_assets.domain.candles.frame import COLUMNS, empty_candles
from coin_assets.domain.timeframes import Timeframe


@dataclass(frozen=True)
class Resampled:
    """Derived candles with the number of source candles each bucket lacks.

    Attributes:
        candles: candle frame of the target timeframe, one row a bucket that has any source candle.
        missing: int64 per row, expected minus present source candles; 0 for a complete bucket.
    """

    candles: pd.DataFrame
    missing: "pd.Series[int]"

    @property
    def partial(self) -> int:
        """Number of buckets that lack at least one source candle."""
        return int((self.missing > 0).sum())


def resample(candles: pd.DataFrame, source: Timeframe, target: Timeframe) -> Resampled:
    """Aggregate valid ``source`` candles into ``target`` buckets, closed or not.

    Buckets with holes are kept, as exchanges keep them; buckets without a candle do not exist.

    Raises:
        ValueError: ``source`` does not divide ``target``.
    """
    if not source.divides(target):
        raise ValueError(f"{target} buckets are not made of whole {source} candles")
    if candles.empty:
        return Resampled(empty_candles(), pd.Series(dtype="int64"))
    buckets = target.ordinals(candles["timestamp"])
    first = np.flatnonzero(np.r_[True, buckets[1:] != buckets[:-1]])
    last = np.r_[first[1:], len(buckets)] - 1
    opens = target.floor_all(candles["timestamp"].iloc[first])
    column = {name: candles[name].to_numpy() for name in COLUMNS[1:]}
    derived = pd.DataFrame(
        {
            "timestamp": opens,
            "open": column["open"][first],
            "high": np.maximum.reduceat(column["high"], first),
            "low": np.minimum.reduceat(column["low"], first),
            "close": column["close"][last],
            "volume": np.add.reduceat(column["volume"], first),
        }
    )
    expected = source.ordinals(target.close_all(opens)) - source.ordinals(opens)
    return Resampled(derived, pd.Series(expected - (last - first + 1), dtype="int64"))


def derive(
    candles: pd.DataFrame,
    source: Timeframe,
    target: Timeframe,
    start: datetime,
    end: datetime,
    covered_until: datetime,
) -> Resampled:
    """Derived candles that open in ``[start, end)`` and may exist.

    A derived candle exists only when the source is covered through its close.

    Args:
        candles: valid source candles, at least those of the buckets asked for.
        covered_until: every source candle that the market has before this time is in ``candles``.
    """
    whole = resample(candles, source, target)
    opens = whole.candles["timestamp"]
    closes = pd.Series(target.close_all(opens)) if len(opens) else opens
    keep = ((opens >= start) & (opens < end) & (closes <= covered_until)).to_numpy()
    return Resampled(
        whole.candles[keep].reset_index(drop=True), whole.missing[keep].reset_index(drop=True)
    )
