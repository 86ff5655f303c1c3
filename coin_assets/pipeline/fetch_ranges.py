"""Which candles to request: missing ones, retried gaps, and a few to read again."""

from datetime import datetime

from coin_assets.domain.candles.gap_ledger import Range
from coin_assets.domain.candles.gaps import find_gaps
from coin_assets.domain.candles.refusals import IMPLAUSIBLE
from coin_assets.domain.series import Series
from coin_assets.market.base import Market
from coin_assets.pipeline.fetch_request import FetchRequest
from coin_assets.store.base import Store

# Exchanges send 1000 candles a page, so ranges that one page covers are joined.
_PAGE_CANDLES = 1000


def oldest_candle(
    store: Store, market: Market, request: FetchRequest, limit: datetime
) -> datetime | None:
    """Open of the market's oldest candle; None if it has none.

    The market is requested only if the window may begin before the oldest candle in the ledger.
    """
    start, until = request.window(limit)
    ledger = store.read_ledger(request.series)
    known = ledger.listed
    # The edge of what a market serves only moves forward, so nothing older than a known one comes.
    if start >= until or (known is not None and (known <= start or ledger.edge is not None)):
        return known
    found = market.listed(request.series, limit, request.first_expected)
    return min(filter(None, (found, known)), default=None)


def expected_range(request: FetchRequest, listed: datetime | None, limit: datetime) -> Range | None:
    """Opens that the window should hold by ``limit``; None if it should hold none.

    Args:
        listed: as `oldest_candle` returns it.
    """
    start, until = request.window(limit)
    begin = start if listed is None else max(start, listed)
    return (begin, until) if listed is not None and begin < until else None


def missing_ranges(
    store: Store, request: FetchRequest, expected: Range, now: datetime
) -> list[Range]:
    """Ranges to request, ascending.

    They hold the candles that are missing without an explanation, those after the newest stored
    candle (an exchange may publish them late), gaps whose retry is due, settled refusals whose
    recheck is due, and the last stored candles before these. A past window without missing candles
    is requested whole.
    """
    series, until = request.series, expected[1]
    unanswered, due = lacking(store, request, expected, now)
    if not (unanswered or due) and request.end <= request.closed_by:
        return [expected]
    last = max((start for start, _ in unanswered), default=until)
    again = max(series.timeframe.shift(last, -request.reread), request.first_expected), last
    known = store.read_candles(series, *again)["timestamp"]
    reread = [(known.iloc[0].to_pydatetime(), last)] if len(known) else []
    rechecks = store.read_ledger(series).rechecks(*expected, now)
    wanted = [*unanswered, *_late(store, series, expected), *due, *rechecks, *reread]
    inside = [(start, min(end, until)) for start, end in wanted]
    return _joined(series, [each for each in inside if series.timeframe.count(*each)])


def lacking(
    store: Store, request: FetchRequest, expected: Range, now: datetime
) -> tuple[list[Range], list[Range]]:
    """Unanswered ranges, and those due for a retry; see `coin_assets.domain.candles.gap_ledger`."""
    series, ledger = request.series, store.read_ledger(request.series)
    stored = store.read_candles(series, *expected)["timestamp"]
    gaps = find_gaps(stored, series.timeframe, *expected)
    due = ledger.due(*expected, now)
    if request.accepts_implausible:
        held = [each for each in ledger.within(*expected) if each.rule == IMPLAUSIBLE]
        due = sorted({*due, *((each.start, each.end) for each in held)})
    return ledger.unanswered(gaps), due


def _late(store: Store, series: Series, expected: Range) -> list[Range]:
    """Candles after the newest stored one, up to where they are expected."""
    newest = store.newest_candles([series]).get(series)
    if newest is None:
        return []
    return [(max(series.timeframe.close_of(newest), expected[0]), expected[1])]


def _joined(series: Series, ranges: list[Range]) -> list[Range]:
    """Sorted ranges; those that the pages of the range before cover are merged into it."""
    joined: list[Range] = []
    for start, end in sorted(ranges):
        if joined and start <= _covered_until(series, *joined[-1]):
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined


def _covered_until(series: Series, start: datetime, end: datetime) -> datetime:
    """Close of the last full page that the requests for a range return."""
    requests = -(-series.timeframe.count(start, end) // _PAGE_CANDLES)
    return series.timeframe.shift(start, requests * _PAGE_CANDLES)
