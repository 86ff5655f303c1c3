"""Walking through the candles of an exchange: which range each answer speaks for.

An answer speaks for the range that was asked for, never for the range that was wanted. Exchanges
send the oldest or the newest candles of that range, fewer than asked for, or always the newest
ones; they refuse what is too old, or leave it out. The walk leaves no hole with any of them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from coin_assets.domain.candles.frame import between, empty_candles
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe
from coin_assets.errors import InvalidCandles, MarketUnavailable, PermanentError, RangeRefused
from coin_assets.market.base import Page
from coin_assets.market.ccxt_answers import Answer
from coin_assets.market.ccxt_edge import oldest_accepted

SMALLEST_WINDOW = 100  # fewer candles than this in an answer say nothing about its cap
_FEW = 10  # candles to ask for where only the refusal counts


Read = Callable[[Series, datetime, int, datetime | None], Answer]


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
    edges: dict[Series, datetime] = field(default_factory=dict)


@dataclass(frozen=True)
class _Range:
    """What a walk wants: candles that open in ``[start, last)``.

    Attributes:
        clipped_at: an answer for this range began there; one that does again shows an edge.
        with_end: whether ``last`` is sent as the end, beside the limit.
    """

    start: datetime
    last: datetime
    clipped_at: datetime | None = None
    with_end: bool = False


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
        series: Series,
        habits: Habits,
        limit: int,
        latest: datetime,
    ) -> None:
        self._read, self._key, self._habits = read, series, habits
        self._most = limit
        self._latest = series.timeframe.floor(latest)

    def pages(self, start: datetime, last: datetime) -> Iterator[Page]:
        """Contiguous pages from ``start`` to ``last``.

        Raises:
            MarketUnavailable: two windows in a row, or the only one, could not be read.
            RangeRefused, InvalidCandles: of the only one; or the exchange refuses all ranges.
        """
        return self._pages(_Range(start, last))

    def _pages(self, wanted: _Range) -> Iterator[Page]:
        since = wanted.start
        unanswered: Page | None = None  # a window that may be the exchange's failure as a whole
        while since < wanted.last:
            found = self._next(wanted, since)
            if isinstance(found, Page) and isinstance(found.error, MarketUnavailable):
                if unanswered is None and found.end < wanted.last:
                    unanswered, since = found, found.end
                    continue
                raise (unanswered and unanswered.error) or found.error
            if unanswered is not None:
                yield unanswered
                unanswered = None
            pages = [found] if isinstance(found, Page) else self._spoken_for(found, since, wanted)
            for page in pages:
                yield page
                since = page.end

    def _next(self, wanted: _Range, since: datetime) -> Answer | Page:
        """What there is from ``since`` on: an answer, or a page of what has none."""
        edge = self._habits.edges.get(self._key)
        if edge is not None and since < edge:
            return Page(empty_candles(), since, min(edge, wanted.last), is_unavailable=True)
        limit = self._limit(wanted, since)
        window = min(self._key.timeframe.shift(since, limit), wanted.last)
        is_first = since == wanted.start
        try:
            return self._answer(since, limit, wanted.last if wanted.with_end else None)
        except MarketUnavailable as error:
            return Page(empty_candles(), since, window, error=error)
        except (RangeRefused, InvalidCandles) as error:
            if is_first and isinstance(error, RangeRefused) and self._found_edge(since, error):
                return self._next(wanted, since)
            if is_first and window >= wanted.last:
                raise
            return Page(empty_candles(), since, window, error=error)

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

    def _limit(self, wanted: _Range, since: datetime) -> int:
        limit = min(self._most, self._habits.limits.get(self._key.timeframe, self._most))
        if wanted.clipped_at is None:
            return limit
        # One more than wanted: ccxt counts from just before ``since``, so one may get lost.
        return min(limit, self._key.timeframe.count(since, wanted.last) + 1)

    def _spoken_for(self, sent: Answer, since: datetime, wanted: _Range) -> Iterator[Page]:
        """The pages that an answer gives, in the range that it speaks for."""
        timeframe, answer, last = self._key.timeframe, sent.since(since), wanted.last
        opens = answer.opens()
        if not opens:
            yield Page(empty_candles(), since, min(self._empty_until(sent, since, last), last))
            return
        first, until = opens[0], timeframe.close_of(opens[-1])
        clipped_at = wanted.clipped_at
        if clipped_at is not None and first > clipped_at and not wanted.with_end:
            # The newest candles of a range that the lower limit did not shorten.
            yield from self._pages(replace(wanted, start=since, with_end=True))
            return
        if timeframe.count(since, first) and sent.rows >= SMALLEST_WINDOW:
            head = replace(wanted, start=since, last=min(first, last))
            yield from self._before(sent, first, until, head)
            since = head.last
        if until < last:
            self._habits.largest = max(self._habits.largest, answer.rows)
        until = min(until, last)
        if since < until:
            refused = tuple(each for each in answer.refused if since <= each.start < until)
            yield Page(between(answer.candles, since, until), since, until, refused)

    def _before(
        self, sent: Answer, first: datetime, until: datetime, head: _Range
    ) -> Iterator[Page]:
        """Pages of ``head``, which lies before ``first``, with which a long answer begins.

        Args:
            until: close of the last candle of the answer.
        """
        if head.clipped_at != first:
            # The newest candles of the range, perhaps: what comes before is asked for alone.
            yield from self._pages(replace(head, clipped_at=first, with_end=False))
        elif until < self._latest and sent.asked.end is not None and not head.with_end:
            yield from self._pages(replace(head, with_end=True))
        else:
            # Whatever is asked for, the answer begins there. If it reaches the newest candle,
            # older ones are not served; else the exchange has none of them.
            is_edge = until >= self._latest
            if is_edge:
                self._habits.edges[self._key] = first
            yield Page(empty_candles(), head.start, head.last, is_unavailable=is_edge)

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
            return timeframe.ceil(asked.end)
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
        if self._accepts(timeframe.shift(since, -10 * self._most)):
            return False
        edge = oldest_accepted(self._accepts, timeframe, since, accepted)
        self._habits.edges[self._key] = edge
        return True

    def _accepts(self, since: datetime) -> bool:
        try:
            self._read(self._key, since, _FEW, None)
        except RangeRefused:
            return False
        except InvalidCandles:
            return True
        return True
