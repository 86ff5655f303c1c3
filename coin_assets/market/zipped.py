"""Binance Vision zips in a folder, merged by month.

Daily files complete the monthly one. Where a month has both, they are compared candle by candle; a
month whose files differ is refused. If the monthly file is refused, daily files of every day
replace it. A refused file counts with the period of its name, so its month fails with the reason
and no other month does. Daily zips whose rows are part of the monthly zip's text are not parsed,
which takes a third of the time or less.
"""

from collections.abc import Callable, Generator
from datetime import datetime
from pathlib import Path

import pandas as pd

from coin_assets.domain.candles.frame import between, closed_by, empty_candles, merged
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import months_between, next_month
from coin_assets.errors import InvalidCandles
from coin_assets.market.base import Page
from coin_assets.market.comparing import compared
from coin_assets.market.downloads import ArchiveFiles
from coin_assets.market.log_lines import market_logger
from coin_assets.market.vision import KlineFile, daily_files, kline_rows, monthly_file, read_klines
from coin_assets.market.vision_files import days_within, lacking_days

_LOGGER = market_logger(__name__)

EndOf = Callable[[list[Path], Callable[[], pd.DataFrame], datetime], datetime | None]


class ZippedCandles:
    """Candles of the zips in a local folder."""

    def __init__(self, files: ArchiveFiles) -> None:
        self._files = files

    def pages(self, series: Series, start: datetime, stop: datetime) -> Generator[Page]:
        """Closed candles that open in ``[start, stop)``, as one page for each month.

        Raises:
            InvalidCandles: a required file is refused, or monthly and daily files differ.
        """
        for month in months_between(start, stop):
            begin, until = max(start, month), min(stop, next_month(month))
            candles = self._month(series, month, begin, until)
            yield Page(between(candles, begin, until), begin, until)

    def first(self, series: Series, month: datetime, now: datetime) -> datetime | None:
        """Open of the first candle of ``month`` that is closed by ``now``.

        A refused file counts from the first candle of its period.
        """
        monthly, days = self._there(series, month)
        found = None if monthly is None else self._first(series, monthly, now)
        for file in days:
            if found is not None and found <= file.start:
                break
            earlier = self._first(series, file, now)
            if earlier is not None:
                return earlier if found is None else min(earlier, found)
        return found

    def end(self, series: Series, month: datetime, now: datetime, end_of: EndOf) -> datetime | None:
        """Close of the last candle of ``month`` that is closed by ``now``.

        Args:
            series: symbol and timeframe.
            month: start of the month.
            now: UTC.
            end_of: returns the close for one file. Its arguments are the paths of the file and its
                checksum, a function that reads the candles, and the close of the last candle of
                the file's period.
        """
        monthly, days = self._there(series, month)
        found = None if monthly is None else self._end(series, monthly, end_of)
        for file in reversed(days):
            if found is not None and found >= min(file.end, series.timeframe.floor(now)):
                break
            later = self._end(series, file, end_of) if file.start < now else None
            if later is not None:
                return later if found is None else max(later, found)
        return found

    def _month(
        self, series: Series, month: datetime, begin: datetime, until: datetime
    ) -> pd.DataFrame:
        monthly, days = self._there(series, month)
        inside = {file.name for file in days_within(series, begin, until)}
        daily = [file for file in days if file.name in inside]
        if monthly is None:
            return self._concatenated(series, daily)
        try:
            candles = self._klines(series, monthly)
        except InvalidCandles as refusal:
            if not inside or len(daily) < len(inside):
                raise
            _LOGGER.warning(
                "%s is refused, so its daily files are used instead: %s",
                monthly.name,
                refusal.reason,
            )
            return self._concatenated(series, daily)
        lacking = {file.name for file in lacking_days(candles, series, begin, until)}
        rows = self._rows(series, monthly) if days else b""
        parts = []
        for file in days:
            if file.name in lacking:
                part = self._klines(series, file)
                parts.append(part)
            else:
                part = self._for_comparison(series, file, rows)
            if len(part):
                _require_same(candles, part, monthly, file)
        return merged(pd.concat(parts, ignore_index=True), candles) if parts else candles

    def _concatenated(self, series: Series, files: list[KlineFile]) -> pd.DataFrame:
        parts = [self._klines(series, file) for file in files]
        return pd.concat(parts, ignore_index=True) if parts else empty_candles()

    def _for_comparison(self, series: Series, file: KlineFile, rows: bytes) -> pd.DataFrame:
        """Candles of a daily file for comparison; none if its rows are part of ``rows``."""
        try:
            return (
                empty_candles() if self._rows(series, file) in rows else self._klines(series, file)
            )
        except InvalidCandles as refusal:
            _LOGGER.warning(
                "%s is refused, so the monthly file is used without comparing that day: %s",
                file.name,
                refusal.reason,
            )
            return empty_candles()

    def _rows(self, series: Series, file: KlineFile) -> bytes:
        content = self._files.fetch(file.name)
        return b"" if content is None else kline_rows(content, file, series.timeframe)

    def _end(self, series: Series, file: KlineFile, end_of: EndOf) -> datetime | None:
        zipped = Path(self._files.base) / file.name
        both = [zipped, zipped.with_name(f"{zipped.name}.CHECKSUM")]
        last = series.timeframe.ceil(file.end)
        return end_of(both, lambda: self._klines(series, file), last)

    def _first(self, series: Series, file: KlineFile, now: datetime) -> datetime | None:
        try:
            candles = closed_by(self._klines(series, file), series.timeframe, now)
        except InvalidCandles:
            opened = series.timeframe.ceil(file.start)
            return opened if opened < file.end and series.timeframe.is_closed(opened, now) else None
        return None if candles.empty else candles["timestamp"].iloc[0].to_pydatetime()

    def _klines(self, series: Series, file: KlineFile) -> pd.DataFrame:
        content = self._files.fetch(file.name)
        return empty_candles() if content is None else read_klines(content, file, series.timeframe)

    def _there(self, series: Series, month: datetime) -> tuple[KlineFile | None, list[KlineFile]]:
        """Monthly file and daily files, ascending, as far as they exist."""
        monthly, days = monthly_file(series, month), daily_files(series, month)
        there = self._files.existing(file.name for file in (monthly, *days))
        return (monthly if monthly.name in there else None), [
            file for file in days if file.name in there
        ]


def _require_same(
    candles: pd.DataFrame, part: pd.DataFrame, monthly: KlineFile, daily: KlineFile
) -> None:
    found = compared(between(candles, daily.start, daily.end), part)
    if found.count:
        raise InvalidCandles(
            "files_differ",
            f"{found.count} of {len(found.opens)} candles differ between {monthly.name} and "
            f"{daily.name}, so neither is used. Get both again with their checksums; if they still "
            "differ, compare with the exchange and take the wrong file out of the folder.",
            found.offenders("monthly", "daily"),
        )
