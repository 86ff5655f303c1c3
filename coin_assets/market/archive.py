"""A finished market: candles in a folder, as files of their own or as Binance Vision keeps them.

What ``BTC_USDT_1h.parquet`` or ``BTC_USDT_1h.csv`` may hold says `coin_assets.market.candle_files`,
which zips lie below ``data/spot/`` says `coin_assets.market.vision`. No file is accepted in part.
"""

import re
from collections.abc import Generator, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from coin_assets.domain.candles import between, closed_by, empty_candles
from coin_assets.domain.keys import Key
from coin_assets.domain.timeframes import EPOCH, months_between, next_month
from coin_assets.errors import SymbolUnavailable
from coin_assets.market.base import Estimate, Page
from coin_assets.market.candle_files import read_candle_file
from coin_assets.market.downloads import ArchiveFiles, made_ahead
from coin_assets.market.vision import (
    DAILY,
    MONTHLY,
    KlineFile,
    available_files,
    folder_of,
    has_name,
    read_klines,
)

_DATED = re.compile(r"-([0-9]{4})-(0[1-9]|1[0-2])(?:-[0-9]{2})?\.zip$")


class ArchiveMarket:
    """`Market` over the files of ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = ArchiveFiles(str(folder))
        self._read: dict[Path, tuple[int, pd.DataFrame]] = {}

    def pages(self, key: Key, start: datetime, end: datetime, now: datetime) -> Iterator[Page]:
        """One page a file; of zips, one a month."""
        stop = min(end, key.timeframe.floor(now))
        path = self._flat_file(key)
        if path is not None:
            candles = self._candles(path, key)  # whatever is asked for, a bad file is no file
            if start < stop:
                yield Page(between(candles, start, stop), start, stop)
            return
        with closing(made_ahead(self._months(key, start, stop))) as pages:
            yield from pages

    def listed(self, key: Key, now: datetime) -> datetime | None:
        """Open of the first candle in the files."""
        for candles in self._parts(key):
            found = closed_by(candles, key.timeframe, now)
            if len(found):
                first: datetime = found["timestamp"].iloc[0].to_pydatetime()
                return first
        return None

    def estimate(self, key: Key, start: datetime, end: datetime) -> Estimate:  # noqa: ARG002
        """A file a month at most, read in no time."""
        return Estimate(len(months_between(start, end)), 0.0)

    def horizon(self, key: Key, now: datetime) -> datetime:
        """Close of the last candle in the files: this market has ended."""
        for candles in self._parts(key, newest_first=True):
            found = closed_by(candles, key.timeframe, now)
            if len(found):
                last = found["timestamp"].iloc[-1].to_pydatetime()
                return min(now, key.timeframe.close_of(last))
        return min(now, EPOCH)  # before any candle, yet time arithmetic still works there

    def close(self) -> None:
        self._read.clear()
        self._files.close()

    def _parts(self, key: Key, newest_first: bool = False) -> Iterator[pd.DataFrame]:
        """Candles of file after file."""
        path = self._flat_file(key)
        if path is not None:
            yield self._candles(path, key)
            return
        months = [_month_of(zipped) for zipped in self._zips(key)]
        files = available_files(self._files, key, min(months), next_month(max(months)))
        for month in sorted(files, reverse=newest_first):
            for file in sorted(files[month], key=lambda each: each.start, reverse=newest_first):
                yield self._klines(key, [file])

    def _months(self, key: Key, start: datetime, stop: datetime) -> Generator[Page]:
        files = available_files(self._files, key, start, stop)
        for month in months_between(start, stop):
            candles = self._klines(key, files.get(month, []))
            begin, until = max(start, month), min(stop, next_month(month))
            yield Page(between(candles, begin, until), begin, until)

    def _candles(self, path: Path, key: Key) -> pd.DataFrame:
        changed = path.stat().st_mtime_ns
        known = self._read.get(path)
        if known is None or known[0] != changed:
            known = changed, read_candle_file(path, key.timeframe)
            self._read[path] = known
        return known[1]

    def _klines(self, key: Key, files: list[KlineFile]) -> pd.DataFrame:
        contents = [(file, self._files.fetch(file.name)) for file in files]
        parts = [
            read_klines(content, file, key.timeframe)
            for file, content in contents
            if content is not None
        ]
        return pd.concat(parts, ignore_index=True) if parts else empty_candles()

    def _flat_file(self, key: Key) -> Path | None:
        """The one file of ``key``; None if there are zips instead.

        Raises:
            SymbolUnavailable: there is nothing, or more than one thing.
        """
        stem = f"{key.symbol_name}_{key.timeframe}"
        candidates = [self._folder / f"{stem}.{suffix}" for suffix in ("parquet", "csv")]
        flat = [path for path in candidates if path.is_file()]
        zips = self._zips(key)
        found = [*flat, *(sorted(path.parent for path in zips)[:1])]
        if len(found) > 1:
            raise SymbolUnavailable(
                f"Both {found[0]} and {found[1]} exist and could disagree. Remove one of them."
            )
        if not found:
            raise SymbolUnavailable(
                f"{candidates[0]} does not exist (nor {candidates[1].name}, nor Binance Vision "
                f"zips in data/spot/), so the archive has no {key} candles. Add the file, or take "
                f"{key.symbol} out of COIN_SYMBOLS."
            )
        return flat[0] if flat else None

    def _zips(self, key: Key) -> list[Path]:
        if not has_name(key.symbol):
            return []
        folders = [self._folder / folder_of(key, period) for period in (MONTHLY, DAILY)]
        zips = [path for folder in folders for path in folder.glob("*.zip")]
        return [path for path in zips if _DATED.search(path.name)]


def _month_of(zipped: Path) -> datetime:
    """``BTCUSDT-1h-2024-10-28.zip`` is of October 2024, as is ``BTCUSDT-1h-2024-10.zip``."""
    year, month = _DATED.findall(zipped.name)[0]
    return datetime(int(year), int(month), 1, tzinfo=UTC)
