"""Existing Binance Vision files of an archive; a remote one is queried name by name."""

from collections.abc import Iterator
from datetime import datetime

import pandas as pd

from coin_assets.domain.candles.gaps import find_gaps
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe, month_start, months_between, next_month
from coin_assets.market.downloads import ArchiveFiles
from coin_assets.market.vision import KlineFile, daily_files, monthly_file

Files = dict[datetime, list[KlineFile]]

_MONTH, _DAY = Timeframe("1M"), Timeframe("1d")
# Monthly files are published some days after the month, so the newest months may have daily ones.
_MONTHS_OF_DAYS = 2
_MONTHS_BEFORE = 4


def available_files(files: ArchiveFiles, series: Series, start: datetime, end: datetime) -> Files:
    """Files with opens in ``[start, end)``: the monthly file of each month, else its daily files.

    In a remote archive all daily files are queried for the two newest months without a monthly file
    and for months between monthly files. In other months the first, middle and last day are
    queried, and all days if one of these exists.
    """
    monthly = {month: monthly_file(series, month) for month in months_between(start, end)}
    names = [file.name for file in monthly.values()]
    there = files.existing(names, _likely(series, start, end))
    lacking = [month for month, file in monthly.items() if file.name not in there]
    days = {month: days_within(series, max(month, start), _end(month, end)) for month in lacking}
    if not files.local:
        days = _worth_asking(files, days, [month for month in monthly if month not in lacking])
    there |= files.existing(file.name for month in days.values() for file in month)
    found = {
        month: [file for file in (monthly[month], *days.get(month, [])) if file.name in there]
        for month in monthly
    }
    return {month: chosen for month, chosen in found.items() if chosen}


def days_within(series: Series, start: datetime, end: datetime) -> list[KlineFile]:
    """Daily files with opens in ``[start, end)``, ascending."""
    months = months_between(start, end)
    days = [file for month in months for file in daily_files(series, month)]
    return [file for file in days if file.start < end and start < file.end]


def lacking_days(
    candles: pd.DataFrame, series: Series, start: datetime, end: datetime
) -> list[KlineFile]:
    """Daily files of the days in ``[start, end)`` that lack a candle."""
    gaps = find_gaps(candles["timestamp"], series.timeframe, start, end)
    if not gaps:
        return []
    return [
        file
        for file in days_within(series, start, end)
        if any(gap.start < file.end and file.start < gap.end for gap in gaps)
    ]


def is_monthly(series: Series, chosen: list[KlineFile]) -> bool:
    """Whether ``chosen`` is the monthly file of its month."""
    return bool(chosen) and chosen[0] == monthly_file(series, month_start(chosen[0].start))


def _end(month: datetime, end: datetime) -> datetime:
    return min(next_month(month), end)


def _worth_asking(files: ArchiveFiles, days: Files, monthly: list[datetime]) -> Files:
    """Months of ``days`` whose daily files a remote archive may have."""
    between = {month for month in days if monthly and monthly[0] < month < monthly[-1]}
    whole = between | set(sorted(days)[-_MONTHS_OF_DAYS:])
    probes = {
        month: {asked[place].name for place in (0, len(asked) // 2, -1)}
        for month, asked in days.items()
        if asked and month not in whole
    }
    there = files.existing(name for names in probes.values() for name in sorted(names))
    whole |= {month for month, names in probes.items() if names & there}
    return {month: asked for month, asked in days.items() if month in whole}


def _likely(series: Series, start: datetime, end: datetime) -> Iterator[str]:
    """Files that a readable archive is likely to have; see `ArchiveFiles.existing`."""
    newest = max(start, _MONTH.last_open_before(end))
    yield from (file.name for file in days_within(series, newest, max(end, newest)))
    for asked, before in ((series, start), (Series("BTC/USDT", series.timeframe), end)):
        for back in range(1, _MONTHS_BEFORE + 1):
            yield monthly_file(asked, _MONTH.shift(before, -back)).name
