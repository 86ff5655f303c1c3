"""Comparison of an archive with an exchange, at one request for each month.

An answer holds up to 1000 candles, and a month has 744 hours. So a whole month is compared: in its
own timeframe from one hour on, else in hours derived from the archive's candles. Hours that differ
are compared again in the archive's own timeframe, because an exchange's hours need not equal its
minutes; only a candle that differs itself counts. The comparison does not detect a wrong open or
close within an hour whose range, volume, first and last price are right.
"""

from datetime import datetime

import pandas as pd

from coin_assets.domain.candles.frame import empty_candles
from coin_assets.domain.candles.resampling import resample
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe, next_month
from coin_assets.errors import SymbolUnavailable
from coin_assets.market.base import Estimate, Market, Page
from coin_assets.market.comparing import ReadingComparison, compared
from coin_assets.market.filling import ONE_REQUEST
from coin_assets.market.served import Served, candles_of

_HOUR = Timeframe("1h")
_SAME_SUM = 1e-6  # relative; volumes of an hour are rounded sums
_MOST_WINDOWS = 3  # requests for the hours of a month that differ
_WINDOWS = 4  # a month, if the exchange has no hours

Span = tuple[datetime, datetime]


class Samples:
    """An exchange's candles of one series, for comparison with an archive's.

    Args:
        exchange: the exchange.
        series: symbol and timeframe.
        stop: end of the opens to request.
        now: current time, UTC.
    """

    def __init__(self, exchange: Served, series: Series, stop: datetime, now: datetime) -> None:
        self._exchange = exchange
        self._series = series
        self._stop = stop
        self._now = now
        self._chunk: Span | None = None
        self._pages: list[Page] = []

    def differing(self, candles: pd.DataFrame, start: datetime, end: datetime) -> ReadingComparison:
        """Compare the archive's ``candles`` of ``[start, end)``, which lies in one month.

        Candles that the exchange no longer serves are not compared.

        Raises:
            PartUnread: the exchange could not be read there.
        """
        timeframe = self._series.timeframe
        coarse = reference(timeframe)
        if coarse == timeframe:
            return compared(candles, self._reference(self._series, start, end))
        try:
            fresh = self._reference(self._series.at(coarse), start, end)
        except SymbolUnavailable:
            return self._compared_in(candles, _spread(timeframe, start, end))
        made = resample(candles, timeframe, coarse)
        whole = made.candles[(made.missing == 0).to_numpy()].reset_index(drop=True)
        hours = compared(whole, fresh, _SAME_SUM).differing
        return self._compared_in(candles, _windows(hours, timeframe, end))

    def _compared_in(self, candles: pd.DataFrame, windows: list[Span]) -> ReadingComparison:
        answers = [self._exchange.candles(self._series, *span, self._now) for span in windows]
        fresh = pd.concat(answers, ignore_index=True) if answers else empty_candles()
        return compared(candles, fresh)

    def _reference(self, series: Series, start: datetime, end: datetime) -> pd.DataFrame:
        """The exchange's candles of a month; one request also covers following months if it can."""
        if self._chunk is None or not (self._chunk[0] <= start and end <= self._chunk[1]):
            until = end
            while until < self._stop:
                further = min(next_month(until), self._stop)
                if series.timeframe.count(start, further) > ONE_REQUEST:
                    break
                until = further
            self._pages = self._exchange.answers(series, start, until, self._now)
            if until > end and any(page.error is not None for page in self._pages):
                # A request for many months can fail because of one of them.
                until, self._pages = end, self._exchange.answers(series, start, end, self._now)
            self._chunk = start, until
        return candles_of(self._pages, start, end)


def reference(timeframe: Timeframe) -> Timeframe:
    """Timeframe in which a month is compared."""
    return _HOUR if timeframe.divides(_HOUR) else timeframe


def estimate(exchange: Market, series: Series, start: datetime, end: datetime) -> Estimate:
    """Estimated cost of the comparison of ``[start, end)``."""
    return exchange.estimate(series.at(reference(series.timeframe)), start, end)


def _windows(hours: "pd.Series[pd.Timestamp]", timeframe: Timeframe, end: datetime) -> list[Span]:
    """The first few ranges of one request each that hold the ``hours``, before ``end``."""
    windows: list[Span] = []
    for stamp in hours:
        opened: datetime = stamp.to_pydatetime()
        close = min(_HOUR.close_of(opened), end)
        if windows and timeframe.count(windows[-1][0], close) <= ONE_REQUEST:
            windows[-1] = windows[-1][0], close
        elif len(windows) == _MOST_WINDOWS:
            break
        else:
            windows.append((opened, close))
    return windows


def _spread(timeframe: Timeframe, start: datetime, end: datetime) -> list[Span]:
    """At most four ranges of one request each, at equal distances."""
    step = max(ONE_REQUEST, -(-timeframe.count(start, end) // _WINDOWS))
    windows = []
    at = start
    while at < end:
        windows.append((at, min(timeframe.shift(at, ONE_REQUEST), end)))
        at = timeframe.shift(at, step)
    return windows
