"""An exchange whose past comes from an archive.

Long ranges are read from the archive's files, and what these lack from the exchange; short ones,
as every update asks for them, from the exchange alone. The two must agree where they meet.
"""

from collections.abc import Generator, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from itertools import groupby

import pandas as pd

from coin_assets.domain.candles import between, empty_candles, merged
from coin_assets.domain.gaps import find_gaps
from coin_assets.domain.keys import Key
from coin_assets.domain.timeframes import months_between, next_month
from coin_assets.market.base import Estimate, Market, Page, Usage
from coin_assets.market.downloads import THREADS, ArchiveFiles, made_ahead
from coin_assets.market.seam import require_agreement
from coin_assets.market.vision import KlineFile, has_name, read_klines
from coin_assets.market.vision_files import available_files

# Up to here an exchange needs one request, or a few, and a month's file would be mostly waste.
_SHORT = 1000
_OVERLAP = 24
_LAG = timedelta(days=2)  # of the archive's days behind the clock
_REQUESTS_A_FILE, _SECONDS_A_REQUEST = 3, 0.05

Span = tuple[datetime, datetime]
Files = dict[datetime, list[KlineFile]]


class CombinedMarket:
    """`Market` over ``exchange``, with the files of ``archive`` for what is long past."""

    def __init__(self, archive: ArchiveFiles, exchange: Market) -> None:
        self._archive = archive
        self._exchange = exchange

    def pages(self, key: Key, start: datetime, end: datetime, now: datetime) -> Iterator[Page]:
        """A page for every month with files; between them the exchange's own pages.

        Raises:
            InvalidCandles: also if archive and exchange disagree on the newest archived candles.
        """
        stop = min(end, key.timeframe.floor(now))
        files = self._files(key, start, stop)
        if not files:
            yield from self._exchange.pages(key, start, end, now)
            return
        known: dict[str, pd.DataFrame] = {}
        agreed = self._agreed(key, files, (start, stop), now, known)
        with closing(made_ahead(self._frames(key, files, known))) as frames:
            for archived, group in groupby(months_between(start, stop), files.__contains__):
                months = list(group)
                if archived:
                    for month in months:
                        span = max(start, month), min(stop, next_month(month))
                        parts = [next(frames) for _ in files[month]]
                        candles = between(pd.concat(parts, ignore_index=True), *span)
                        candles = merged(candles, between(agreed, *span))
                        yield from self._completed(key, candles, span, now)
                else:
                    span = max(start, months[0]), min(stop, next_month(months[-1]))
                    yield from self._exchange.pages(key, *span, now)

    def listed(self, key: Key, now: datetime) -> datetime | None:
        """As the exchange says."""
        return self._exchange.listed(key, now)

    def horizon(self, key: Key, now: datetime) -> datetime:
        """As the exchange says."""
        return self._exchange.horizon(key, now)

    def estimate(self, key: Key, start: datetime, end: datetime) -> Estimate:
        """Files for whole months of a long range, the exchange for the overlap and the tail."""
        if self._is_short(key, start, end):
            return self._exchange.estimate(key, start, end)
        requests = _REQUESTS_A_FILE * len(months_between(start, end))
        seconds = 0.0 if self._archive.local else requests * _SECONDS_A_REQUEST / THREADS
        tail = min(end - _LAG, key.timeframe.shift(end, -_OVERLAP))
        return Estimate(requests, seconds) + self._exchange.estimate(key, max(start, tail), end)

    def usage(self) -> Usage:
        """The archive's and the exchange's together."""
        return self._archive.usage() + self._exchange.usage()

    def close(self) -> None:
        self._archive.close()
        self._exchange.close()

    def _is_short(self, key: Key, start: datetime, end: datetime) -> bool:
        return key.timeframe.count(start, end) <= _SHORT or not has_name(key.symbol)

    def _files(self, key: Key, start: datetime, stop: datetime) -> Files:
        if self._is_short(key, start, stop):
            return {}
        return available_files(self._archive, key, start, stop)

    def _agreed(
        self, key: Key, files: Files, span: Span, now: datetime, known: dict[str, pd.DataFrame]
    ) -> pd.DataFrame:
        """The exchange's reading of the last archived candles of ``span``.

        Args:
            known: is given the frames of the files that were read for it.

        Raises:
            InvalidCandles: the archive's reading is another one.
        """
        archived = empty_candles()
        for file in [file for month in sorted(files) for file in files[month]][::-1]:
            known[file.name] = self._frame(key, file, self._archive.fetch(file.name))
            archived = merged(archived, between(known[file.name], *span))
            if len(archived) >= _OVERLAP:
                break
        if archived.empty:
            return archived
        opens = archived["timestamp"].tail(_OVERLAP)
        overlap = (
            opens.iloc[0].to_pydatetime(),
            key.timeframe.close_of(opens.iloc[-1].to_pydatetime()),
        )
        fresh = self._asked(key, overlap, now)
        require_agreement(archived, fresh, overlap, key, self._archive.base)
        return fresh

    def _frames(
        self, key: Key, files: Files, known: dict[str, pd.DataFrame]
    ) -> Generator[pd.DataFrame]:
        """The frame of every file, in order; files ahead are downloaded meanwhile."""
        ordered = [file for month in sorted(files) for file in files[month]]
        names = [file.name for file in ordered if file.name not in known]
        with closing(self._archive.fetch_all(names)) as contents:
            for file in ordered:
                if file.name in known:
                    yield known.pop(file.name)
                else:
                    yield self._frame(key, file, next(contents)[1])

    def _frame(self, key: Key, file: KlineFile, content: bytes | None) -> pd.DataFrame:
        # A file that was there a moment ago and is gone leaves a hole; the exchange fills it.
        return empty_candles() if content is None else read_klines(content, file, key.timeframe)

    def _completed(
        self, key: Key, candles: pd.DataFrame, span: Span, now: datetime
    ) -> Iterator[Page]:
        """A page of ``candles``, and the exchange's pages after them if the archive stops early."""
        start, stop = span
        until = start
        if len(candles):
            until = key.timeframe.close_of(candles["timestamp"].iloc[-1].to_pydatetime())
        if key.timeframe.count(until, stop) <= _SHORT:
            until = stop
        if start < until:
            yield Page(self._filled(key, candles, (start, until), now), start, until)
        if until < stop:
            yield from self._exchange.pages(key, until, stop, now)

    def _filled(self, key: Key, candles: pd.DataFrame, span: Span, now: datetime) -> pd.DataFrame:
        """With what the exchange has in the holes of ``candles``: an archive may lack a day."""
        holes: list[Span] = []
        for gap in find_gaps(candles["timestamp"], key.timeframe, *span):
            if holes and key.timeframe.count(holes[-1][0], gap.end) <= _SHORT:
                holes[-1] = holes[-1][0], gap.end
            else:
                holes.append((gap.start, gap.end))
        if not holes:
            return candles
        answers = [self._asked(key, hole, now) for hole in holes]
        # Holes that are close together are asked for in one go: the archive's candles in between
        # stay as they are.
        return merged(pd.concat(answers, ignore_index=True), candles)

    def _asked(self, key: Key, span: Span, now: datetime) -> pd.DataFrame:
        pages = [page.candles for page in self._exchange.pages(key, *span, now)]
        return pd.concat(pages, ignore_index=True) if pages else empty_candles()
