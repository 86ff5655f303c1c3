"""Runs of months, and ranges of times: what one request covers."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
import pandas as pd

from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import as_micros, next_month
from coin_assets.store.base import CandleRange
from coin_assets.store.influxdb.lines import series_tags

_MONTHS_AT_ONCE = 12
_SERIES_AT_ONCE = 500  # of one request, which names each of them
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


def grouped_ranges(
    ranges: Iterable[CandleRange],
) -> Iterator[dict[tuple[datetime, datetime], list[dict[str, str]]]]:
    """Tags of the series by range, for one request each; empty ranges are left out."""
    wanted = [each for each in ranges if each.start < each.end]
    for first in range(0, len(wanted), _SERIES_AT_ONCE):
        group: dict[tuple[datetime, datetime], list[dict[str, str]]] = {}
        for series, start, end in wanted[first : first + _SERIES_AT_ONCE]:
            group.setdefault((start, end), []).append(series_tags(series))
        yield group


def each_series_once(ranges: Iterable[CandleRange]) -> list[list[CandleRange]]:
    """``ranges`` in as few parts as have each series once: rows do not name the range."""
    parts: list[dict[Series, CandleRange]] = []
    for each in ranges:
        free = next((part for part in parts if each.series not in part), None)
        if free is None:
            parts.append(free := {})
        free[each.series] = each
    return [[*part.values()] for part in parts]
