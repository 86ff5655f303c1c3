"""Walking through the candles of an exchange: which range each answer speaks for.

An answer speaks for the range that was asked for, never for the range that was wanted. Exchanges
send the oldest or the newest candles of that range, fewer than asked for, or always the newest
ones; they refuse what is too old, or leave it out. The walk leaves no hole with any of them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

import pandas as pd

from coin_assets.domain.candles import between, empty_candles
from coin_assets.domain.keys import Key
from coin_assets.domain.refusals import Refusal
from coin_assets.domain.timeframes import Timeframe
from coin_assets.errors import InvalidCandles, MarketUnavailable, PermanentError, RangeRefused
from coin_assets.market.base import Page
from coin_assets.market.ccxt_requests import Asked

SMALLEST_WINDOW = 100  # fewer candles than this in an answer say nothing about its cap
_FEW = 10  # candles to ask for where only the refusal counts


@dataclass(frozen=True)
class Answer:
    """One answer of an exchange.

    Attributes:
        candles: valid candles, ascending; they may open before and after the range wanted.
        refused: candles that break the contract, ascending.
        asked: the range of the request as it was sent.
    """

    candles: pd.DataFrame
    refused: tuple[Refusal, ...]
    asked: Asked

    def opens(self) -> list[datetime]:
        """First and last open of what was sent, valid or not; empty if nothing was."""
        opens = [refusal.start for refusal in self.refused]
        if len(self.candles):
            stamps = self.candles["timestamp"]
            opens += [stamps.iloc[row].to_pydatetime() for row in (0, -1)]
        return sorted(opens)[:: max(1, len(opens) - 1)] if opens else []

    @property
    def rows(self) -> int:
        return len(self.candles) + len(self.refused)

    def since(self, time: datetime) -> "Answer":
        """Without what opens before ``time``."""
        stamps = self.candles["timestamp"]
        refused = tuple(refusal for refusal in self.refused if refusal.start >= time)
        candles = self.candles[stamps >= time].reset_index(drop=True)
        return Answer(candles, refused, self.asked)


Read = Callable[[Key, datetime, int, datetime | None], Answer]


@dataclass
class Habits:
    """What the answers of an exchange have shown so far.

    Attributes:
        largest: most candles in an answer that did not reach the end of its range.
        limits: by timeframe, candles to ask for where ccxt answers for fewer than it is asked.
        edges: time before which nothing of a series is served.
    """

    largest: int = 0
    limits: dict[Timeframe, int] = field(default_factory=dict)
    edges: dict[Key, datetime] = field(default_factory=dict)


class Walk:
    """The pages of one series.

    Args:
        read: asks the exchange for candles of a series from a time on, so many at most, and up to
            an end if one is given.
        limit: candles to ask for at once.
        latest: now by the exchange's clock; the running candle may be served.
    """

    def __init__(
        self,
        read: Read,
        key: Key,
        habits: Habits,
        limit: int,
        latest: datetime,
    ) -> None:
        self._read, self._key, self._habits = read, key, habits
        self._most = limit
        self._latest = key.timeframe.floor(latest)

    def pages(
        self,
        start: datetime,
        last: datetime,
        clipped_at: datetime | None = None,
        *,
        with_end: bool = False,
    ) -> Iterator[Page]:
        """Contiguous pages from ``start`` to ``last``.

        Args:
            clipped_at: an answer for this range began there; one that does again shows an edge.
            with_end: whether ``last`` is sent as the end, beside the limit.

        Raises:
            MarketUnavailable: two windows in a row, or the only one, could not be read.
            RangeRefused, InvalidCandles: of the only one; or the exchange refuses all ranges.
        """
        since, failed = start, None
        while since < last:
            edge = self._habits.edges.get(self._key)
            if edge is not None and since < edge:
                until = min(edge, last)
                yield Page(empty_candles(), since, until, is_unavailable=True)
                since = until
                continue
            limit = self._limit(since, last if clipped_at is not None else None)
            window = min(self._key.timeframe.shift(since, limit), last)
            try:
                answer = self._answer(since, limit, last if with_end else None)
            except MarketUnavailable as error:
                if failed is not None or window >= last:
                    raise failed.error if failed is not None and failed.error else error from error
                failed = Page(empty_candles(), since, window, error=error)
                since = window
                continue
            except RangeRefused as error:
                if since == start and self._found_edge(since, error):
                    continue
                if since == start and window >= last:
                    raise
                yield from _both(failed, Page(empty_candles(), since, window, error=error))
                failed, since = None, window
                continue
            except InvalidCandles as error:
                if since == start and window >= last:
                    raise
                yield from _both(failed, Page(empty_candles(), since, window, error=error))
                failed, since = None, window
                continue
            if failed is not None:
                yield failed
                failed = None
            for page in self._spoken_for(answer, since, last, clipped_at, with_end=with_end):
                yield page
                since = page.end

    def _answer(self, since: datetime, limit: int, until: datetime | None) -> Answer:
        """An answer whose range begins at ``since``; ccxt may move it where it lowers the limit."""
        while True:
            answer = self._read(self._key, since, limit, until)
            asked = answer.asked
            if asked.start is None or asked.start < self._key.timeframe.next(since):
                return answer
            end = asked.end or self._latest
            lowered = max(1, self._key.timeframe.count(asked.start, end))
            if lowered >= limit:
                raise self._unreadable(since, asked.start)
            limit = self._habits.limits[self._key.timeframe] = lowered

    def _limit(self, since: datetime, last: datetime | None) -> int:
        limit = min(self._most, self._habits.limits.get(self._key.timeframe, self._most))
        # One more than wanted: ccxt counts from just before ``since``, so one may get lost.
        return limit if last is None else min(limit, self._key.timeframe.count(since, last) + 1)

    def _spoken_for(
        self,
        sent: Answer,
        since: datetime,
        last: datetime,
        clipped_at: datetime | None,
        *,
        with_end: bool,
    ) -> Iterator[Page]:
        """The pages that an answer gives, in the range that it speaks for."""
        timeframe, answer = self._key.timeframe, sent.since(since)
        opens = answer.opens()
        if not opens:
            yield Page(empty_candles(), since, min(self._empty_until(sent, since, last), last))
            return
        first, until = opens[0], timeframe.close_of(opens[-1])
        if clipped_at is not None and first > clipped_at and not with_end:
            # The newest candles of a range that the lower limit did not shorten.
            yield from self.pages(since, last, clipped_at, with_end=True)
            return
        if timeframe.count(since, first) and sent.rows >= SMALLEST_WINDOW:
            head = min(first, last)
            if clipped_at != first:
                # The newest candles of the range, perhaps: what comes before is asked for alone.
                yield from self.pages(since, head, clipped_at=first)
            elif until < self._latest and sent.asked.end is not None and not with_end:
                yield from self.pages(since, head, clipped_at=first, with_end=True)
            else:
                # Whatever is asked for, the answer begins there. If it reaches the newest candle,
                # older ones are not served; else the exchange has none of them.
                is_edge = until >= self._latest
                if is_edge:
                    self._habits.edges[self._key] = first
                yield Page(empty_candles(), since, head, is_unavailable=is_edge)
            since = head
        if until < last:
            self._habits.largest = max(self._habits.largest, answer.rows)
        until = min(until, last)
        if since < until:
            refused = tuple(each for each in answer.refused if since <= each.start < until)
            yield Page(between(answer.candles, since, until), since, until, refused)

    def _unreadable(self, since: datetime, instead: datetime) -> PermanentError:
        return PermanentError(
            f"{self._key} candles from {since:%Y-%m-%d %H:%M} on cannot be asked for: ccxt asks "
            f"for those of {instead:%Y-%m-%d %H:%M} instead. Choose another exchange."
        )

    def _empty_until(self, sent: Answer, since: datetime, last: datetime) -> datetime:
        """How far an empty answer speaks; always beyond ``since``."""
        timeframe, asked = self._key.timeframe, sent.asked
        if asked.end is not None:
            if asked.end <= since:
                raise self._unreadable(since, asked.end)
            return _ceil(timeframe, asked.end)
        if asked.start is None:
            return last  # it sends its newest candles, and all of these are older
        if not self._habits.largest:  # nothing has shown yet how far it looks
            self._probe(since)
        window = min(asked.limit or self._most, max(self._habits.largest, SMALLEST_WINDOW))
        return timeframe.shift(since, window)

    def _probe(self, since: datetime) -> None:
        """Ask for the newest candles, which shows how many an answer holds."""
        begin = self._key.timeframe.shift(self._latest, -self._most)
        if since < begin:
            self._habits.largest = self._read(self._key, begin, self._most, None).rows

    def _found_edge(self, since: datetime, error: RangeRefused) -> bool:
        """Whether ``since`` is refused for being too old; the edge then is among the habits.

        Raises:
            RangeRefused: the newest candles are refused as well.
        """
        timeframe = self._key.timeframe
        accepted = timeframe.shift(self._latest, -2)
        if accepted <= since or not self._accepts(accepted):
            raise error
        older = timeframe.shift(since, -10 * self._most)
        if self._accepts(older):
            return False
        refused = since
        while timeframe.count(refused, accepted) > 1:
            middle = timeframe.shift(refused, timeframe.count(refused, accepted) // 2)
            if self._accepts(middle):
                accepted = middle
            else:
                refused = middle
        self._habits.edges[self._key] = accepted
        return True

    def _accepts(self, since: datetime) -> bool:
        try:
            self._read(self._key, since, _FEW, None)
        except RangeRefused:
            return False
        except InvalidCandles:
            return True
        return True


def _both(before: Page | None, page: Page) -> Iterator[Page]:
    if before is not None:
        yield before
    yield page


def _ceil(timeframe: Timeframe, time: datetime) -> datetime:
    return time if timeframe.is_open_time(time) else timeframe.next(time)
