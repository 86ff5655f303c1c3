"""Runs of months, and ranges of times: what one request covers."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
import pandas as pd

from coin_assets.domain.timeframes import as_micros, next_month

_MONTHS_AT_ONCE = 12
_SECOND = timedelta(seconds=1)


def month_runs(months: list[datetime]) -> Iterator[tuple[datetime, datetime]]:
    """First and last month of each run of consecutive months, at most a year each."""
    run: list[datetime] = []
    for month in months:
        if run and (next_month(run[-1]) != month or len(run) == _MONTHS_AT_ONCE):
            yield run[0], run[-1]
            run = []
        run.append(month)
    if run:
        yield run[0], run[-1]


def ranges_of(
    gone: "pd.Series[pd.Timestamp]", kept: "pd.Series[pd.Timestamp]"
) -> Iterator[tuple[datetime, datetime]]:
    """Fewest half-open ranges that contain all of ``gone`` and none of ``kept``."""
    if gone.empty:
        return
    times = gone.sort_values().reset_index(drop=True)
    before = np.searchsorted(np.sort(as_micros(kept)), as_micros(times))
    breaks = [0, *(np.flatnonzero(np.diff(before)) + 1).tolist(), len(times)]
    for first, after in pairwise(breaks):
        yield times[first].to_pydatetime(), times[after - 1].to_pydatetime() + _SECOND
