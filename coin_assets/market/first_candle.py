"""Search for the first candle of an archive."""

from contextlib import closing
from datetime import datetime, timedelta

from coin_assets.domain.candles.frame import EARLIEST, closed_by
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe, month_start, next_month
from coin_assets.market.downloads import ArchiveFiles
from coin_assets.market.past import Past
from coin_assets.market.vision import KlineFile, daily_files, monthly_file
from coin_assets.market.vision_files import Files, available_files

_MONTH, _DAY = Timeframe("1M"), timedelta(days=1)
_MONTHS_AT_ONCE = 36


def files_before(series: Series, opened: datetime) -> list[KlineFile]:
    """Possible files that end at ``opened`` or shortly before.

    An archive that has none of them has no older candles.
    """
    months = [monthly_file(series, _MONTH.shift(opened, -back)) for back in (1, 2)]
    day = month_start(opened - _DAY)
    days = [file for file in daily_files(series, day) if opened - _DAY < file.end <= opened]
    return [*months, *days]


def first_candle(files: ArchiveFiles, series: Series, now: datetime) -> datetime | None:
    """Open of the archive's oldest candle that is closed by ``now``.

    A month with a refused file counts from its start. In a remote archive, three years without a
    file end the search.
    """
    months = _months_before(files, series, next_month(now))
    past = Past(files, series)
    ordered: Files = {month: months[month] for month in sorted(months)}
    for month, chosen in ordered.items():
        with closing(past.months({month: chosen}, month, next_month(month))) as read:
            for _, candles in read:
                found = closed_by(candles, series.timeframe, now)
                opened = series.timeframe.ceil(month)
                if past.refusal_of(month) is not None and series.timeframe.is_closed(opened, now):
                    return opened
                if len(found):
                    first: datetime = found["timestamp"].iloc[0].to_pydatetime()
                    return first
    return None


def _months_before(files: ArchiveFiles, series: Series, end: datetime) -> Files:
    months: Files = {}
    while end > EARLIEST:
        start = _MONTH.shift(end, -_MONTHS_AT_ONCE)
        found = available_files(files, series, start, end)
        if not found and not files.local:
            break
        months |= found
        end = start
    return months
