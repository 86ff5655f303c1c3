"""Pagination through the candles of an exchange.

An answer covers the range that was sent, which can differ from the wanted one. Exchanges send the
oldest or the newest candles of that range, fewer than requested, or always the newest ones; they
refuse ranges that are too old, or omit them. The pages have no hole with any of them.
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

SMALLEST_WINDOW = 100  # smallest answer that shows the cap of an exchange
_FEW = 10  # candles of a request that only tests for a refusal


Read = Callable[[Series, datetime, int, datetime | None], Answer]


@dataclass
class Habits:
    """Properties of an exchange, learned from its answers.

    Attributes:
        largest: most candles in an answer that did not reach the end of its range.
        limits: by timeframe, the limit to send where ccxt lowers a larger one.
        edges: by series, the time before which no candle is served.
    """

    largest: int = 0
    limits: dict[Timeframe, int] = field(default_factory=dict)
    edges: dict[Series, datetime] = field(default_factory=dict)


@dataclass(frozen=True)
class _Range:
    """Wanted range of opens, ``[start, last)``.

    Attributes:
        clipped_at: start of an earlier answer for this range; a second one that starts there shows
            an edge.
        with_end: whether ``last`` is sent as the end, besides the limit.
    """

    start: datetime
    last: datetime
    clipped_at: datetime | None = None
    with_end: bool = False


class Walk:
    """Pagination of one series.

    Args:
        read: requests candles of a series, from a start, with a limit and an optional end.
        series: symbol and timeframe.
        habits: shared by all walks of an exchange.
        limit: number of candles of a request.
        latest: current time of the exchange; it may serve the running candle.
    """

    def __init__(
        self,
        read: Read,
        series: Series,
        habits: Habits,
        limit: int,
        latest: datetime,
    ) -> None:
        self._read, self._series, self._habits = read, series, habits
        self._most = limit
        self._latest = series.timeframe.floor(latest)

    def pages(self, start: datetime, last: datetime) -> Iterator[Page]:
        """Contiguous pages from ``start`` to ``last``.

        Raises:
            MarketUnavailable: two consecutive windows, or the only one, could not be read.
            RangeRefused, InvalidCandles: the only window, or every range, is refused.
        """
        return self._pages(_Range(start, last))

    def _pages(self, wanted: _Range) -> Iterator[Page]:
        since = wanted.start
        unanswered: Page | None = None  # held back: the whole exchange may be down
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
            pages = [found] if isinstance(found, Page) else self._covered(found, since, wanted)
            for page in pages:
                yield page
                since = page.end

    def _next(self, wanted: _Range, since: datetime) -> Answer | Page:
        """Next answer from ``since`` on, or a page for a range without one."""
        edge = self._habits.edges.get(self._series)
        if edge is not None and since < edge:
            return Page(empty_candles(), since, min(edge, wanted.last), is_unavailable=True)
        limit = self._limit(wanted, since)
        window = min(self._series.timeframe.shift(since, limit), wanted.last)
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
        """Answer whose range begins at ``since``; a limit that moves it is lowered."""
        while True:
            answer = self._read(self._series, since, limit, until)
            asked = answer.asked
            if asked.start is None or asked.start < self._series.timeframe.next(since):
                return answer
            end = asked.end or self._latest
            lowered = max(1, self._series.timeframe.count(asked.start, end))
            if lowered >= limit:
                raise self._unreadable(since, asked.start)
            limit = self._habits.limits[self._series.timeframe] = lowered

    def _limit(self, wanted: _Range, since: datetime) -> int:
        limit = min(self._most, self._habits.limits.get(self._series.timeframe, self._most))
        if wanted.clipped_at is None:
            return limit
        # One more than wanted, because ccxt counts from just before ``since``.
        return min(limit, self._series.timeframe.count(since, wanted.last) + 1)

    def _covered(self, sent: Answer, since: datetime, wanted: _Range) -> Iterator[Page]:
        """Pages of the range that an answer covers."""
        timeframe, answer, last = self._series.timeframe, sent.since(since), wanted.last
        opens = answer.opens()
        if not opens:
            yield Page(empty_candles(), since, min(self._empty_until(sent, since, last), last))
            return
        first, until = opens[0], timeframe.close_of(opens[-1])
        clipped_at = wanted.clipped_at
        if clipped_at is not None and first > clipped_at and not wanted.with_end:
            # The exchange sent the newest candles: repeat the request with an end.
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
        """Pages of ``head``, the range before the first candle of a long answer.

        Args:
            sent: the answer.
            first: its first open.
            until: close of its last candle.
            head: the range before ``first``.
        """
        if head.clipped_at != first:
            # These may be the newest candles of the range: request the part before them alone.
            yield from self._pages(replace(head, clipped_at=first, with_end=False))
        elif until < self._latest and sent.asked.end is not None and not head.with_end:
            yield from self._pages(replace(head, with_end=True))
        else:
            # The answer begins there for any request. If it reaches the newest candle, older ones
            # are not served; otherwise the exchange has none.
            is_edge = until >= self._latest
            if is_edge:
                self._habits.edges[self._series] = first
            yield Page(empty_candles(), head.start, head.last, is_unavailable=is_edge)

    def _unreadable(self, since: datetime, instead: datetime) -> PermanentError:
        return PermanentError(
            f"{self._series} candles from {since:%Y-%m-%d %H:%M} on cannot be requested: ccxt "
            f"requests those of {instead:%Y-%m-%d %H:%M} instead. Choose another exchange."
        )

    def _empty_until(self, sent: Answer, since: datetime, last: datetime) -> datetime:
        """End of the range that an empty answer covers; always after ``since``."""
        timeframe, asked = self._series.timeframe, sent.asked
        if asked.end is not None:
            if asked.end <= since:
                raise self._unreadable(since, asked.end)
            return timeframe.ceil(asked.end)
        if asked.start is None:
            return last  # it sends its newest candles, and the range is older
        if not self._habits.largest:  # the size of its answers is unknown
            self._probe(since)
        window = min(asked.limit or self._most, max(self._habits.largest, SMALLEST_WINDOW))
        return timeframe.shift(since, window)

    def _probe(self, since: datetime) -> None:
        """Request the newest candles, to learn the size of an answer."""
        begin = self._series.timeframe.shift(self._latest, -self._most)
        if since < begin:
            self._habits.largest = self._read(self._series, begin, self._most, None).rows

    def _found_edge(self, since: datetime, error: RangeRefused) -> bool:
        """Whether ``since`` is refused as too old; its edge is then recorded in the habits.

        Raises:
            RangeRefused: the newest candles are refused as well.
        """
        timeframe = self._series.timeframe
        accepted = timeframe.shift(self._latest, -2)
        if accepted <= since or not self._accepts(accepted):
            raise error
        if self._accepts(timeframe.shift(since, -10 * self._most)):
            return False
        edge = oldest_accepted(self._accepts, timeframe, since, accepted)
        self._habits.edges[self._series] = edge
        return True

    def _accepts(self, since: datetime) -> bool:
        try:
            self._read(self._series, since, _FEW, None)
        except RangeRefused:
            return False
        except InvalidCandles:
            return True
        return True
