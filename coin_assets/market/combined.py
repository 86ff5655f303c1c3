"""Exchange market with an archive for long ranges.

Long ranges are read from the archive's files, and missing candles from the exchange. Short ranges,
as in every update, are read from the exchange alone, as far as it still serves them. Archive and
exchange must agree where they overlap, and each month of the archive is compared with the exchange.
"""

import logging
from collections.abc import Iterator
from contextlib import closing
from copy import copy
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby

import pandas as pd

from coin_assets.domain.candles.frame import between, empty_candles, merged
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import month_label, month_start, months_between, next_month
from coin_assets.errors import InvalidCandles, SymbolUnavailable, TemporaryError
from coin_assets.market import samples
from coin_assets.market.base import Estimate, Market, Page, RemoteMarket, TwinMarket, Usage
from coin_assets.market.downloads import THREADS, ArchiveFiles, made_ahead
from coin_assets.market.filling import ONE_REQUEST, Span, filled_pages
from coin_assets.market.first_candle import files_before, first_candle
from coin_assets.market.log_lines import market_logger
from coin_assets.market.overlap_check import require_agreement
from coin_assets.market.pace import Halt
from coin_assets.market.past import Past
from coin_assets.market.samples import Samples
from coin_assets.market.served import PartUnread, Served, joined
from coin_assets.market.server_clock import ServerTime, time_of
from coin_assets.market.vision import has_name
from coin_assets.market.vision_files import Files, available_files, is_monthly

_LOGGER = market_logger(__name__)
_OVERLAP = 24
_LAG = timedelta(days=2)  # of the archive's days behind the clock
_REQUESTS_A_FILE, _SECONDS_A_REQUEST = 3, 0.05


class CombinedMarket:
    """`Market` over ``exchange``, with the files of ``archive`` for long ranges."""

    def __init__(self, archive: ArchiveFiles, exchange: Market) -> None:
        self._archive = archive
        self._exchange = exchange
        self._served = Served(exchange)
        # First opens in the archive; about 400 requests each.
        self._firsts: dict[Series, datetime] = {}

    def twin(self, halt: Halt) -> "CombinedMarket | None":
        """See `TwinMarket.twin`."""
        exchange = self._exchange.twin(halt) if isinstance(self._exchange, TwinMarket) else None
        if exchange is None:
            return None
        made = copy(self)
        made._archive, made._exchange = self._archive.twin(halt), exchange
        made._served = Served(exchange)
        return made

    def pages(
        self, series: Series, start: datetime, end: datetime, now: datetime
    ) -> Iterator[Page]:
        """One page for each month with files, and the exchange's pages for other months.

        Raises:
            InvalidCandles: also if archive and exchange disagree on the newest archived candles.
        """
        stop = min(end, series.timeframe.floor(now))
        if not self._is_short(series, start, stop):
            yield from self._long(series, start, stop, now)
            return
        for page in self._served.pages(series, start, end, now):
            if page.is_unavailable and has_name(series.symbol):
                yield from self._long(series, page.start, page.end, now)
            else:
                yield page

    def listed(
        self, series: Series, now: datetime, since: datetime | None = None
    ) -> datetime | None:
        """The earlier one of the first candles of exchange and archive."""
        found = self._exchange.listed(series, now, since)
        is_all = found is None or (since is not None and found <= since)
        if found is None or is_all or not has_name(series.symbol):
            return found
        first = self._firsts.get(series)
        if first is None and self._reaches_back(series, found, now):
            first = first_candle(self._archive, series, now)
        if first is None or not series.timeframe.is_closed(first, now):
            return found
        self._firsts[series] = first
        return min(first, found)

    def edge(self, series: Series) -> datetime | None:
        """The exchange's edge, for symbols that no archive can have."""
        return None if has_name(series.symbol) else self._exchange.edge(series)

    def probe(self, series: Series) -> None:
        """See `RemoteMarket.probe`; the archive is not requested."""
        if isinstance(self._exchange, RemoteMarket):
            self._exchange.probe(series)

    def server_time(self) -> ServerTime | None:
        """The exchange's time; the archive has no clock."""
        return time_of(self._exchange)

    def horizon(self, series: Series, now: datetime) -> datetime:
        """The exchange's horizon."""
        return self._exchange.horizon(series, now)

    def estimate(self, series: Series, start: datetime, end: datetime) -> Estimate:
        """Files of a long range, and the exchange's samples, overlap and tail."""
        if self._is_short(series, start, end):
            return self._exchange.estimate(series, start, end)
        requests = _REQUESTS_A_FILE * len(months_between(start, end))
        seconds = 0.0 if self._archive.local else requests * _SECONDS_A_REQUEST / THREADS
        tail = max(start, min(end - _LAG, series.timeframe.shift(end, -_OVERLAP)))
        return (
            Estimate(requests, seconds)
            + samples.estimate(self._exchange, series, start, tail)
            + self._exchange.estimate(series, tail, end)
        )

    def usage(self) -> Usage:
        """Sum over archive and exchange."""
        return self._archive.usage() + self._exchange.usage()

    def close(self) -> None:
        """Release the connections of archive and exchange."""
        self._archive.close()
        self._exchange.close()

    def _is_short(self, series: Series, start: datetime, end: datetime) -> bool:
        return series.timeframe.count(start, end) <= ONE_REQUEST or not has_name(series.symbol)

    def _reaches_back(self, series: Series, opened: datetime, now: datetime) -> bool:
        """Whether the archive can have candles before the exchange's first one."""
        if self._archive.local:
            return True  # a search costs nothing
        if self._archive.existing(file.name for file in files_before(series, opened)):
            return True
        try:
            before = series.timeframe.shift(opened, -1)
            return not self._served.reaches(series, before, opened, now)
        except SymbolUnavailable:  # some exchanges answer so before their first candle
            return False

    def _long(
        self, series: Series, start: datetime, stop: datetime, now: datetime
    ) -> Iterator[Page]:
        files = available_files(self._archive, series, start, stop)
        if not files:
            yield from self._served.pages(series, start, stop, now)
            return
        past = Past(self._archive, series)
        agreed = self._agreed(series, past, files, (start, stop), now)
        fresh = Samples(self._served, series, stop, now)
        with closing(made_ahead(past.months(files, start, stop))) as read:
            for archived, group in groupby(months_between(start, stop), files.__contains__):
                months = list(group)
                if not archived:
                    span = max(start, months[0]), min(stop, next_month(months[-1]))
                    yield from self._served.pages(series, *span, now)
                    continue
                for month in months:
                    span = max(start, month), min(stop, next_month(month))
                    candles = merged(next(read)[1], between(agreed, *span))
                    try:
                        trusted = self._trusted(series, past, fresh, candles, span, files)
                    except PartUnread as unread:  # this month is unconfirmed; the others continue
                        yield Page(empty_candles(), *span, error=unread.error)
                        continue
                    if trusted is None:
                        pages = self._served.pages(series, *span, now)
                    else:
                        pages = filled_pages(self._served, series, trusted, span, now)
                    yield from _explained(pages, past.refusal_of(month))

    def _trusted(
        self,
        series: Series,
        past: Past,
        fresh: Samples,
        candles: pd.DataFrame,
        span: Span,
        files: Files,
    ) -> pd.DataFrame | None:
        """Candles of a month that the exchange confirms.

        These are ``candles``, else those of the daily files; None if the exchange confirms neither
        and has to deliver the month itself.
        """
        found = fresh.differing(candles, *span)
        if not found.count:
            return candles
        month = month_start(span[0])
        chosen, days, instead = files[month], None, "the exchange"
        if is_monthly(series, chosen):
            days = past.days_of(*span)
            if days.empty or fresh.differing(days, *span).count:
                days = None
            else:
                instead = "the daily files, and the exchange for what they lack"
        _LOGGER.warning(
            "%s %s: %d of %d candles of %s/%s that were compared differ from the exchange, so the "
            "month is taken from %s. Get the file again, or delete it. First: %s",
            series,
            month_label(month),
            found.count,
            len(found.opens),
            self._archive.base,
            chosen[0].name if is_monthly(series, chosen) else f"{chosen[0].name} and later days",
            instead,
            "; ".join(found.offenders("archive", "exchange")),
        )
        return days

    def _agreed(
        self, series: Series, past: Past, files: Files, span: Span, now: datetime
    ) -> pd.DataFrame:
        """The exchange's reading of the last archived candles of ``span``.

        It is empty if the exchange no longer serves them, sends only broken ones, or refuses the
        request.

        Raises:
            InvalidCandles: archive and exchange disagree.
            TemporaryError: the exchange cannot be read at present.
        """
        archived = empty_candles()
        for file in [file for month in sorted(files) for file in files[month]][::-1]:
            archived = merged(archived, between(past.of_file(file), *span))
            if len(archived) >= _OVERLAP:
                break
        if archived.empty:
            return archived
        opens = archived["timestamp"].tail(_OVERLAP)
        overlap = (
            opens.iloc[0].to_pydatetime(),
            series.timeframe.close_of(opens.iloc[-1].to_pydatetime()),
        )
        pages = self._served.answers(series, *overlap, now)
        for page in pages:
            if isinstance(page.error, TemporaryError):
                raise page.error
        fresh = joined(pages)
        if fresh.empty and (reason := _why_none(pages)):
            is_usual = any(page.is_unavailable for page in pages)
            _LOGGER.log(
                logging.INFO if is_usual else logging.WARNING,
                "%s: the exchange %s %s to %s, where the archive %s ends, so the two were not "
                "compared there.",
                series,
                reason,
                *(f"{each:%Y-%m-%dT%H:%M}" for each in overlap),
                self._archive.base,
            )
            return fresh
        self._require_agreement(series, past, archived, fresh, overlap)
        return fresh

    def _require_agreement(
        self, series: Series, past: Past, archived: pd.DataFrame, fresh: pd.DataFrame, overlap: Span
    ) -> None:
        """Run `require_agreement`; if the monthly file fails, with the daily files."""
        base = self._archive.base
        try:
            require_agreement(archived, fresh, overlap, series, base)
        except InvalidCandles:
            days = past.days_of(*overlap)
            if days.empty:
                raise
            require_agreement(days, fresh, overlap, series, base)


def _why_none(pages: list[Page]) -> str | None:
    """Reason why an exchange sent no candles; None if it has none."""
    if any(page.is_unavailable for page in pages):
        return "no longer serves"
    for page in pages:
        if page.error is not None:
            return f"does not answer ({page.error}) for"
        if page.refused:
            return f"sends broken candles ({page.refused[0].value}) of"
    return None


def _explained(pages: Iterator[Page], refusal: InvalidCandles | None) -> Iterator[Page]:
    """``pages`` of a month, with the ``refusal`` of the archive's file as error.

    It is the error of ranges that the exchange no longer serves: a better file would have them.
    """
    for page in pages:
        if refusal is not None and page.is_unavailable:
            yield replace(page, is_unavailable=False, error=refusal)
        else:
            yield page
