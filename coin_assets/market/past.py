"""Candles of an archive month by month, for `CombinedMarket`.

A refused file is skipped with a warning; its candles come from daily files or the exchange.
"""

from collections.abc import Generator, Iterable
from contextlib import closing
from datetime import datetime

import pandas as pd

from coin_assets.domain.candles.frame import between, empty_candles, merged
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import month_start, next_month
from coin_assets.errors import InvalidCandles
from coin_assets.market.downloads import ArchiveFiles
from coin_assets.market.log_lines import market_logger
from coin_assets.market.vision import KlineFile, read_klines
from coin_assets.market.vision_files import Files, days_within, is_monthly, lacking_days

_LOGGER = market_logger(__name__)


class Past:
    """Candles of one series in the files of an archive."""

    def __init__(self, files: ArchiveFiles, series: Series) -> None:
        self._files = files
        self._series = series
        self._read: dict[str, pd.DataFrame] = {}  # read before `months` reaches them
        self._refusals: dict[datetime, InvalidCandles] = {}

    def refusal_of(self, month: datetime) -> InvalidCandles | None:
        """First refusal of a file of ``month``; None without one."""
        return self._refusals.get(month)

    def of_file(self, file: KlineFile) -> pd.DataFrame:
        """Candles of one file; `months` does not read it again."""
        if file.name not in self._read:
            ((_, outcome),) = self._files.fetch_all([file.name])
            self._read[file.name] = self._frame(file, outcome)
        return self._read[file.name]

    def of_days(self, days: Iterable[KlineFile]) -> pd.DataFrame:
        """Candles of the daily files ``days``, ascending, as far as they exist."""
        asked = list(days)
        there = self._files.existing(file.name for file in asked)
        chosen = [file for file in asked if file.name in there]
        with closing(self._files.fetch_all(file.name for file in chosen)) as outcomes:
            frames = [
                self._frame(file, outcome)
                for file, (_, outcome) in zip(chosen, outcomes, strict=True)
            ]
        return _concatenated(frames)

    def days_of(self, start: datetime, end: datetime) -> pd.DataFrame:
        """Candles of the daily files in ``[start, end)``."""
        return between(self.of_days(days_within(self._series, start, end)), start, end)

    def months(
        self, files: Files, start: datetime, stop: datetime
    ) -> Generator[tuple[datetime, pd.DataFrame]]:
        """Yield each month of ``files`` with its candles in ``[start, stop)``.

        Some files are fetched ahead. Candles missing in a monthly file come from daily files.
        """
        ordered = [file for month in sorted(files) for file in files[month]]
        names = [file.name for file in ordered if file.name not in self._read]
        with closing(self._files.fetch_all(names)) as outcomes:
            for month in sorted(files):
                span = max(start, month), min(stop, next_month(month))
                frames = [
                    self._read.pop(file.name)
                    if file.name in self._read
                    else self._frame(file, next(outcomes)[1])
                    for file in files[month]
                ]
                candles = _concatenated(frames)
                if is_monthly(self._series, files[month]):
                    days = self.of_days(lacking_days(candles, self._series, *span))
                    candles = merged(days, candles)
                yield month, between(candles, *span)

    def _frame(self, file: KlineFile, outcome: bytes | InvalidCandles | None) -> pd.DataFrame:
        try:
            if isinstance(outcome, InvalidCandles):
                raise outcome
            if outcome is None:
                raise InvalidCandles("gone", f"{file.name} was there a moment ago, and is not now.")
            return read_klines(outcome, file, self._series.timeframe)
        except InvalidCandles as refusal:
            self._refusals.setdefault(month_start(file.start), refusal)
            others = "daily files, or" if is_monthly(self._series, [file]) else "monthly file, or"
            _LOGGER.warning(
                "%s/%s is refused and not used: %s The candles of %s to %s come from the %s the "
                "exchange.",
                self._files.base,
                file.name,
                refusal.reason,
                f"{file.start:%Y-%m-%d}",
                f"{file.end:%Y-%m-%d}",
                others,
            )
            return empty_candles()


def _concatenated(frames: list[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(frames, ignore_index=True) if frames else empty_candles()
