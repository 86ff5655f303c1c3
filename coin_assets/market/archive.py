"""Archive market: a finished market of candle files or Binance Vision zips in a folder.

`coin_assets.market.candle_files` defines the content of ``BTC_USDT_1h.parquet`` and
``BTC_USDT_1h.csv``, `coin_assets.market.vision` the zips below ``data/spot/``, and
`coin_assets.market.zipped` how zips of one month are merged. A file is accepted whole or refused.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pandas as pd

from coin_assets.domain.candles.frame import between, closed_by
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import EPOCH, months_between
from coin_assets.errors import InvalidCandles, SymbolUnavailable
from coin_assets.files.cache import FileCache, Identity, identity_of
from coin_assets.market.base import Estimate, Meter, Page, Usage
from coin_assets.market.candle_files import read_candle_file
from coin_assets.market.downloads import ArchiveFiles, made_ahead
from coin_assets.market.vision import DAILY, MONTHLY, folder_of, has_name
from coin_assets.market.zipped import ZippedCandles

_DATED = re.compile(r"-([0-9]{4})-(0[1-9]|1[0-2])(?:-[0-9]{2})?\.zip$")


@dataclass(frozen=True)
class _Reach:
    """End of the closed candles of a file, valid for every ``now`` in ``[since, until)``.

    Attributes:
        end: close of the last candle; None if there is none.
        since, until: None is unbounded.
        is_refused: whether the file is refused; the other attributes are then unused.
    """

    end: datetime | None = None
    since: datetime | None = None
    until: datetime | None = None
    is_refused: bool = False

    def holds(self, now: datetime) -> bool:
        return (self.since is None or self.since <= now) and (
            self.until is None or now < self.until
        )


# File caches of the process: sensors create a new market every few seconds.
_REACHES: FileCache[_Reach] = FileCache(10_000)
_MONTHS: FileCache[frozenset[datetime]] = FileCache(10_000)


class ArchiveMarket:
    """`Market` over the files of ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = ArchiveFiles(str(folder))
        self._zips = ZippedCandles(self._files)
        self._read: dict[Path, tuple[Identity, pd.DataFrame]] = {}
        self._meter = Meter()

    def pages(
        self, series: Series, start: datetime, end: datetime, now: datetime
    ) -> Iterator[Page]:
        """One page for a flat file; for zips one page for each month."""
        stop = min(end, series.timeframe.floor(now))
        path = self._flat_file(series)
        if path is not None:
            candles = self._candles(path, series)  # raises for a bad file, whatever the range
            if start < stop:
                yield Page(between(candles, start, stop), start, stop)
            return
        with closing(made_ahead(self._zips.pages(series, start, stop))) as pages:
            yield from pages

    def listed(
        self,
        series: Series,
        now: datetime,
        since: datetime | None = None,  # noqa: ARG002
    ) -> datetime | None:
        """Open of the first candle in the files."""
        path = self._flat_file(series)
        if path is not None:
            found = closed_by(self._candles(path, series), series.timeframe, now)
            return None if found.empty else found["timestamp"].iloc[0].to_pydatetime()
        months = sorted(self._zipped_months(series))
        firsts = (self._zips.first(series, month, now) for month in months)
        return next((first for first in firsts if first is not None), None)

    def edge(self, series: Series) -> datetime | None:  # noqa: ARG002 (protocol)
        """None: files have no limited history."""
        return None

    def estimate(self, series: Series, start: datetime, end: datetime) -> Estimate:  # noqa: ARG002
        """One file for each month, no time; daily zips beside monthly ones do not count."""
        return Estimate(len(months_between(start, end)), 0.0)

    def horizon(self, series: Series, now: datetime) -> datetime:
        """Close of the last candle in the files.

        A refused file counts up to the last candle of its period, a symbol without a file up to
        ``now``: the task that reads these candles fails with the reason.
        """
        try:
            for end in self._ends(series, now):
                if end is not None:
                    return min(now, end)
        except SymbolUnavailable:
            return now
        return min(now, EPOCH)  # before any candle, and valid in time arithmetic

    def usage(self) -> Usage:
        """Files read, including checksums."""
        return self._meter.usage + self._files.usage()

    def close(self) -> None:
        """See `Market.close`."""
        self._read.clear()
        self._files.close()

    def _ends(self, series: Series, now: datetime) -> Iterator[datetime | None]:
        """Ends of the closed candles, month by month, newest first."""
        path = self._flat_file(series)
        if path is not None:
            yield _end([path], series, now, partial(self._candles, path, series), now)
            return
        for month in sorted(self._zipped_months(series), reverse=True):
            yield self._zips.end(
                series, month, now, lambda files, read, last: _end(files, series, now, read, last)
            )

    def _candles(self, path: Path, series: Series) -> pd.DataFrame:
        identity = identity_of(path.stat())
        known = self._read.get(path)
        if known is None or known[0] != identity:
            self._meter.count(requests=1)
            known = identity, read_candle_file(path, series.timeframe)
            self._read[path] = known
        return known[1]

    def _flat_file(self, series: Series) -> Path | None:
        """The flat file of ``series``; None if there are zips instead.

        Raises:
            SymbolUnavailable: there is no file, or more than one.
        """
        stem = f"{series.symbol_name}_{series.timeframe}"
        candidates = [self._folder / f"{stem}.{suffix}" for suffix in ("parquet", "csv")]
        flat = [path for path in candidates if path.is_file()]
        folders = [folder for folder in self._zip_folders(series) if _months_in(folder)]
        found = [*flat, *sorted(folders)[:1]]
        if len(found) > 1:
            raise SymbolUnavailable(
                f"Both {found[0]} and {found[1]} exist and could disagree. Remove one of them."
            )
        if not found:
            raise SymbolUnavailable(
                f"{candidates[0]} does not exist (nor {candidates[1].name}, nor Binance Vision "
                f"zips in data/spot/), so the archive has no {series} candles. Add the file, or "
                f"take {series.symbol} out of COIN_SYMBOLS."
            )
        return flat[0] if flat else None

    def _zip_folders(self, series: Series) -> list[Path]:
        if not has_name(series.symbol):
            return []
        return [self._folder / folder_of(series, period) for period in (MONTHLY, DAILY)]

    def _zipped_months(self, series: Series) -> set[datetime]:
        return {month for folder in self._zip_folders(series) for month in _months_in(folder)}


def _months_in(folder: Path) -> frozenset[datetime]:
    """Months for which ``folder`` has zips."""
    try:
        return _MONTHS.of(str(folder), _list_months)
    except (FileNotFoundError, NotADirectoryError):
        return frozenset()


def _list_months(folder: str) -> frozenset[datetime]:
    """``BTCUSDT-1h-2024-10-28.zip`` is of October 2024, as is ``BTCUSDT-1h-2024-10.zip``."""
    found = {
        match.groups() for path in Path(folder).iterdir() if (match := _DATED.search(path.name))
    }
    return frozenset(datetime(int(year), int(month), 1, tzinfo=UTC) for year, month in found)


def _end(
    files: list[Path],
    series: Series,
    now: datetime,
    read: Callable[[], pd.DataFrame],
    expected: datetime,
) -> datetime | None:
    """End of the candles that are closed at ``now``; read from the files unless cached.

    Args:
        files: sources of the candles; the first one is the candle file.
        read: returns the candles of the files.
        expected: end of the candles if the files are refused.
    """
    name = str(files[0])
    try:
        identities = tuple(identity_of(path.stat()) for path in files)
    except FileNotFoundError:
        reach = _reach(read, series, now)
    else:
        known = _REACHES.get(name, identities)
        reach = known if known is not None and known.holds(now) else _reach(read, series, now)
        if reach is not known:
            _REACHES.put(name, identities, reach)
    return min(expected, series.timeframe.floor(now)) if reach.is_refused else reach.end


def _reach(read: Callable[[], pd.DataFrame], series: Series, now: datetime) -> _Reach:
    try:
        candles = read()
    except InvalidCandles:
        return _Reach(is_refused=True)
    closed = len(closed_by(candles, series.timeframe, now))
    opens = candles["timestamp"].iloc[max(closed - 1, 0) : closed + 1]
    closes = [series.timeframe.close_of(opened.to_pydatetime()) for opened in opens]
    end = closes[0] if closed else None
    return _Reach(end, end, closes[-1] if closed < len(candles) else None)
