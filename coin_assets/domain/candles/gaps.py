"""Gaps: missing candles of a range."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from coin_assets.domain.timeframes import Timeframe


@dataclass(frozen=True)
class Gap:
    """Consecutive missing candles: opens in ``[start, end)``, ``count`` of them."""

    start: datetime
    end: datetime
    count: int


def find_gaps(
    opens: "pd.Series[pd.Timestamp]", timeframe: Timeframe, start: datetime, end: datetime
) -> list[Gap]:
    """Gaps in ``[start, end)``, ascending.

    Args:
        opens: (n,) opens of the existing candles, ascending; others than of the range are ignored.
        timeframe: of the candles.
        start, end: half-open range of expected opens, UTC.
    """
    expected = timeframe.count(start, end)
    if not expected:
        return []
    first = timeframe.ceil(start)
    place = timeframe.ordinals(opens) - timeframe.ordinals(pd.DatetimeIndex([first]))[0]
    present = np.zeros(expected, dtype=bool)
    present[place[(place >= 0) & (place < expected)]] = True
    absent = np.flatnonzero(~present)
    if not len(absent):
        return []
    runs = np.split(absent, np.flatnonzero(np.diff(absent) > 1) + 1)
    return [
        Gap(timeframe.shift(first, int(run[0])), timeframe.shift(first, int(run[-1]) + 1), len(run))
        for run in runs
    ]
