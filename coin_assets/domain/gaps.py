"""Which candles a range lacks."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from coin_assets.domain.timeframes import Timeframe, as_micros


@dataclass(frozen=True)
class Gap:
    """Consecutive missing candles: opens in ``[start, end)``, ``count`` of them."""

    start: datetime
    end: datetime
    count: int


def find_gaps(
    opens: "pd.Series[pd.Timestamp]", timeframe: Timeframe, start: datetime, end: datetime
) -> list[Gap]:
    """Gaps among sorted ``opens`` against every candle expected in ``[start, end)``."""
    expected = timeframe.opens(start, end)
    absent = np.flatnonzero(~np.isin(as_micros(expected), as_micros(opens)))
    if not len(absent):
        return []
    runs = np.split(absent, np.flatnonzero(np.diff(absent) > 1) + 1)
    spans = [(expected[run[[0, -1]]].to_pydatetime(), len(run)) for run in runs]
    return [Gap(first, timeframe.next(last), count) for (first, last), count in spans]
