"""Derivation of coarser candles from finer ones."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from coin_assets.domain.candles.frame import COLUMNS, empty_candles
from coin_assets.domain.timeframes import Timeframe


@dataclass(frozen=True)
class Resampled:
    """Derived candles, with the number of missing source candles of each.

    Attributes:
        candles: candle frame of the target timeframe, a row for each bucket with a source candle.
        missing: (n,) int64, expected minus existing source candles; 0 for a complete bucket.
    """

    candles: pd.DataFrame
    missing: "pd.Series[int]"

    @property
    def partial(self) -> int:
        """Number of buckets that lack at least one source candle."""
        return int((self.missing > 0).sum())


def resample(candles: pd.DataFrame, source: Timeframe, target: Timeframe) -> Resampled:
    """Aggregate candles into ``target`` buckets, closed or not.

    Buckets with missing source candles are kept, as exchanges keep them; buckets without any source
    candle are left out.

    Args:
        candles: valid candle frame of timeframe ``source``.
        source: must divide ``target``.
        target: timeframe of the result.

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
    """Derived candles that open in ``[start, end)``.

    A derived candle exists only if the source is covered up to its close.

    Args:
        candles: valid source candles, at least those of the requested buckets.
        source, target: timeframes; ``source`` must divide ``target``.
        start, end: half-open range of opens of ``target``, UTC.
        covered_until: time up to which ``candles`` holds every source candle of the market.

    Raises:
        ValueError: ``source`` does not divide ``target``.
    """
    whole = resample(candles, source, target)
    opens = whole.candles["timestamp"]
    closes = pd.Series(target.close_all(opens)) if len(opens) else opens
    keep = ((opens >= start) & (opens < end) & (closes <= covered_until)).to_numpy()
    return Resampled(
        whole.candles[keep].reset_index(drop=True), whole.missing[keep].reset_index(drop=True)
    )
