"""Pulling candles from the market into the store, page by page, with the gap ledger.

A pull may be killed at any moment. Each page is stored before the next is asked for, so the next
pull goes on where this one was, and the result is the same bytes. What is wrong with one page
leaves the pages after it; the pull raises it at its end.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from coin_assets.domain.candles.absences import REFUSED, Absence
from coin_assets.domain.candles.frame import between, empty_candles, merged
from coin_assets.domain.candles.gap_ledger import Ledger, Range
from coin_assets.domain.candles.gaps import find_gaps
from coin_assets.domain.candles.revisions import revisions_between
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import EPOCH, Timeframe, months_between, next_month
from coin_assets.errors import (
    CandlesNotYetAvailable,
    CoinAssetsError,
    InvalidCandles,
    RangeRefused,
    TemporaryError,
    shortened,
)
from coin_assets.market.base import Market, Page
from coin_assets.pipeline.fetch_progress import FetchProgress
from coin_assets.pipeline.month_report import MonthReport, month_report, newest_due
from coin_assets.store.base import Store

# What one request brings anyway is not asked for by another: exchanges send 1000 candles a page.
_ONE_REQUEST = 1000
_ERROR_LENGTH = 600
# Rules that say something of the market as a whole, not of the range that was asked for.
_WHOLE_MARKET = ("seam",)
_MONTH = Timeframe("1M")


@dataclass(frozen=True)
class FetchRequest:
    """What to pull, and as of when.

    Attributes:
        start, end: window of whole months, half-open.
        first_expected: nothing before this is asked for (history start, retention).
        closed_by: candles that close up to here are final.
        reread: stored candles before the newest ones that are read again.
    """

    series: Series
    start: datetime
    end: datetime
    first_expected: datetime
    closed_by: datetime
    reread: int


def fetch_candles(
    store: Store,
    market: Market,
    request: FetchRequest,
    clock: Callable[[], datetime],
    say: Callable[[str], None] = lambda _line: None,
) -> list[MonthReport]:
    """Fetch what a window lacks; read it again whole if it lacks nothing and is over.

    Args:
        clock: tells when the market was asked.
        say: hears how a long pull is getting on.

    Raises:
        CandlesNotYetAvailable: the market does not have the newest due candle yet.
        CoinAssetsError: as `Market.pages`, or the first `Page.error`; the ledger then has which
            candles failed and why. What else the market has of the window is stored.
    """
    series = request.series
    listed, limit = _extremes(store, market, request, clock)
    expected = expected_range(request, listed, limit)
    changed: Counter[datetime] = Counter()
    errors: list[CoinAssetsError] = []
    if expected is not None:
        ranges = missing_ranges(store, request, expected, clock())
        total = sum(series.timeframe.count(*each) for each in ranges)
        progress = FetchProgress(str(series), total, say)
        for start, end in ranges:
            known = store.read_candles(series, start, end)
            for page in _pages(store, market, series, start, end, limit, clock):
                if error := _error_of(page):
                    errors.append(error)
                    is_permanent = not isinstance(error, TemporaryError)
                    span = page.start, page.end
                    _record_failure(store, series, *span, error, clock(), is_permanent=is_permanent)
                else:
                    changed.update(_commit(store, market, series, page, known, clock()))
                progress.advance(series.timeframe.count(page.start, page.end), page.end)
    _mark_looked_at(store, request, expected)
    for error in errors[1:]:
        say(f"{series}: {error}")
    if errors:
        raise errors[0]
    reports = stored_reports(store, request, expected, changed)
    _require_newest_due(store, market, request, limit)
    return reports


def _error_of(page: Page) -> CoinAssetsError | None:
    """Why nothing of a page is stored; also if no candle of a whole answer can be believed."""
    if page.error is not None or len(page.candles) or len(page.refused) < 2:
        return page.error
    shown = tuple(refusal.value for refusal in page.refused[:3])
    rules = ", ".join(sorted({refusal.rule for refusal in page.refused}))
    return InvalidCandles(
        page.refused[0].rule,
        f"all {len(page.refused)} candles that the market sends of {page.start:%Y-%m-%d %H:%M} to "
        f"{page.end:%Y-%m-%d %H:%M} break the candle contract ({rules}), so that none of them is "
        "refused alone. The market is asked again later.",
        shown,
    )


def _mark_looked_at(store: Store, request: FetchRequest, expected: Range | None) -> None:
    """Mark the months of the window as fetched, those without a candle too.

    Months with candles that nothing explains are left out: they are still to be fetched.
    """
    series = request.series
    months = set(months_between(request.start, request.end)) - set(store.fetched_months(series))
    if months and expected is not None:
        stored = store.read_candles(series, *expected)["timestamp"]
        gaps = find_gaps(stored, series.timeframe, *expected)
        for start, end in store.read_ledger(series).unanswered(gaps):
            months -= set(months_between(start, end))
    for month in sorted(months):
        store.merge_candles(series, empty_candles(), month, next_month(month))


def stored_reports(
    store: Store, request: FetchRequest, expected: Range | None, changed: Mapping[datetime, int]
) -> list[MonthReport]:
    """What the months of the window hold; ``changed`` tells the rows that a pull changed."""
    series, ledger = request.series, store.read_ledger(request.series)
    stored = store.read_candles(series, request.start, request.end)
    return [
        month_report(
            series,
            month,
            between(stored, month, next_month(month)),
            changed.get(month, 0),
            expected,
            ledger,
        )
        for month in months_between(request.start, request.end)
    ]


def oldest_candle(
    store: Store, market: Market, request: FetchRequest, limit: datetime
) -> datetime | None:
    """Open of the market's oldest candle, as far as the window needs to know it; None if it has
    none. The market is asked only if the window may begin before it."""
    start, until = _window(request, limit)
    ledger = store.read_ledger(request.series)
    known = ledger.listed
    # An edge only moves on: where one was met, nothing older comes any more.
    if start >= until or (known is not None and (known <= start or ledger.edge is not None)):
        return known
    found = market.listed(request.series, limit, request.first_expected)
    return min(filter(None, (found, known)), default=None)


def expected_range(request: FetchRequest, listed: datetime | None, limit: datetime) -> Range | None:
    """Opens that the window should hold by ``limit``; None if it should hold none.

    Args:
        listed: as `oldest_candle` says.
    """
    start, until = _window(request, limit)
    begin = start if listed is None else max(start, listed)
    return (begin, until) if listed is not None and begin < until else None


def _window(request: FetchRequest, limit: datetime) -> Range:
    start = max(request.start, request.first_expected)
    return start, min(request.end, request.series.timeframe.floor(limit))


def missing_ranges(
    store: Store, request: FetchRequest, expected: Range, now: datetime
) -> list[Range]:
    """What to ask for, in ascending order.

    Candles that nothing explains, those after the newest stored one (that the market had none,
    however often it answered so, may mean that it was late), gaps that are due, settled refusals
    that were not asked for lately, and the last few stored candles before; of a past window that
    lacks nothing, everything.
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


def _late(store: Store, series: Series, expected: Range) -> list[Range]:
    """Candles after the newest stored one, up to where they are expected."""
    newest = store.newest_candles([series]).get(series)
    if newest is None:
        return []
    return [(max(series.timeframe.close_of(newest), expected[0]), expected[1])]


def lacking(
    store: Store, request: FetchRequest, expected: Range, now: datetime
) -> tuple[list[Range], list[Range]]:
    """Candles that were never answered for, and absences that should be asked for again."""
    series, ledger = request.series, store.read_ledger(request.series)
    stored = store.read_candles(series, *expected)["timestamp"]
    gaps = find_gaps(stored, series.timeframe, *expected)
    return ledger.unanswered(gaps), ledger.due(*expected, now)


def _extremes(
    store: Store, market: Market, request: FetchRequest, clock: Callable[[], datetime]
) -> tuple[datetime | None, datetime]:
    """Open of the market's oldest candle, which the ledger notes, and how far it should reach."""
    limit = request.closed_by
    try:
        limit = min(limit, market.horizon(request.series, limit))
        listed = oldest_candle(store, market, request, limit)
    except CoinAssetsError as error:
        start, until = _window(request, limit)
        if start < until:
            _record_failure(store, request.series, start, until, error, clock())
        raise
    if listed is not None:
        _record_extremes(store, market, request.series, listed)
    return listed, limit


def _record_extremes(store: Store, market: Market, series: Series, listed: datetime) -> None:
    edge = market.edge(series)
    if edge is None:
        store.update_ledger(series, lambda ledger: ledger.listed_at(listed))
    else:
        store.update_ledger(series, lambda ledger: ledger.listed_at(listed).served_from(edge))


def _joined(series: Series, ranges: list[Range]) -> list[Range]:
    joined: list[Range] = []
    for start, end in sorted(ranges):
        if joined and start <= _brought_until(series, *joined[-1]):
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined


def _brought_until(series: Series, start: datetime, end: datetime) -> datetime:
    """How far the requests for a range reach if the market sends full pages."""
    requests = -(-series.timeframe.count(start, end) // _ONE_REQUEST)
    return series.timeframe.shift(start, requests * _ONE_REQUEST)


def _at_opens(series: Series, start: datetime, end: datetime) -> Range:
    """The range of the same candles that begins and ends at opens, as the ledger needs it."""
    return series.timeframe.ceil(start), series.timeframe.ceil(end)


def _pages(
    store: Store,
    market: Market,
    series: Series,
    start: datetime,
    end: datetime,
    limit: datetime,
    clock: Callable[[], datetime],
) -> Iterator[Page]:
    """Pages of one range; what could not be had goes into the ledger as failed.

    What is refused costs its month at most: the pages go on with the month after it.
    """
    reached = start
    while reached < end:
        try:
            for page in market.pages(series, reached, end, limit):
                yield page
                reached = page.end
        except (InvalidCandles, RangeRefused) as error:
            until = min(next_month(reached), end)
            if isinstance(error, InvalidCandles) and error.rule in _WHOLE_MARKET:
                _record_failure(store, series, reached, end, error, clock())
                raise
            yield Page(empty_candles(), reached, until, error=error)
            reached = until
        except CoinAssetsError as error:
            _record_failure(store, series, reached, end, error, clock())
            raise
        else:
            return


def _record_failure(
    store: Store,
    series: Series,
    start: datetime,
    end: datetime,
    error: CoinAssetsError,
    at: datetime,
    *,
    is_permanent: bool = False,
) -> None:
    text = shortened(str(error), _ERROR_LENGTH)
    gaps = find_gaps(
        store.read_candles(series, start, end)["timestamp"], series.timeframe, start, end
    )
    asked = _at_opens(series, start, end)
    store.update_ledger(
        series, lambda ledger: ledger.failed(*asked, gaps, text, at, is_permanent=is_permanent)
    )


def _commit(
    store: Store, market: Market, series: Series, page: Page, known: pd.DataFrame, at: datetime
) -> dict[datetime, int]:
    """Store a page; returns how many candles are new or changed, by month.

    Revisions first, the candles last: killed in between, nobody has answered for those that are
    not stored, so the page is asked for again, and no change goes by unnoticed.
    """
    stored = between(known, page.start, page.end) if len(known) else known
    absences = store.read_ledger(series).within(page.start, page.end)
    late = _passed(store, series, absences)
    changed = page.candles["timestamp"]
    if len(stored) or late:
        revisions = revisions_between(stored, page.candles, at, late)
        added = changed[~changed.isin(stored["timestamp"])]
        changed = pd.concat([added, revisions["timestamp"]]).drop_duplicates()
        if len(revisions):
            store.record_revisions(series, revisions)
    opens = merged(stored, page.candles)["timestamp"] if len(stored) else page.candles["timestamp"]
    gaps = find_gaps(opens, series.timeframe, page.start, page.end)
    if gaps or absences:
        asked = _at_opens(series, page.start, page.end)
        edge = market.edge(series) if page.is_unavailable else None

        def note(ledger: Ledger) -> Ledger:
            told = ledger.answered(*asked, gaps, at, page.refused)
            if not page.is_unavailable:
                return told
            return told.no_longer_served(*asked) if edge is None else told.served_from(edge)

        store.update_ledger(series, note)
    store.merge_candles(series, page.candles, page.start, page.end)
    return _by_month(changed)


def _by_month(opens: "pd.Series[pd.Timestamp]") -> dict[datetime, int]:
    months = _MONTH.ordinals(opens)
    first = int(months.min()) if len(months) else 0
    counts = enumerate(np.bincount(months - first))
    return {_MONTH.shift(EPOCH, first + month): int(count) for month, count in counts if count}


def _passed(store: Store, series: Series, absences: Iterable[Absence]) -> list[Range]:
    """Absences with a stored candle after them: what comes there comes late."""
    answered = [absence for absence in absences if absence.is_explained]
    newest = store.newest_candles([series]).get(series) if answered else None
    if newest is None:
        return []
    return [(absence.start, absence.end) for absence in answered if absence.end <= newest]


def _require_newest_due(
    store: Store, market: Market, request: FetchRequest, limit: datetime
) -> None:
    """Require the newest due candle, unless the market sends a later one, broken or not.

    A candle that the market skipped is absent; one that comes last may be late.

    Raises:
        CandlesNotYetAvailable: there is no later candle.
        CoinAssetsError: whether there is one could not be read.
    """
    series, ledger, start = (
        request.series,
        store.read_ledger(request.series),
        _window(request, limit)[0],
    )
    due = newest_due(series.timeframe, max(start, ledger.listed or start), request.end, limit)
    newest = store.newest_candles([series]).get(series)
    if due is None or (newest is not None and newest >= due) or ledger.absent_until(due) > due:
        return
    later = series.timeframe.next(due)
    unread: CoinAssetsError | None = None
    for page in market.pages(series, later, limit, limit):
        error = _error_of(page)
        if error is None and (len(page.candles) or page.refused):
            return
        unread = unread or error
    if unread is not None:
        raise unread
    broken = [each.reason for each in ledger.within(due, later) if each.state == REFUSED]
    raise CandlesNotYetAvailable(
        f"{series} candle {due:%Y-%m-%d %H:%M} closed at {series.timeframe.close_of(due):%H:%M} "
        f"but the market {f'sends it broken ({broken[0]})' if broken else 'does not have it yet'}, "
        "and no later one. What it has was stored; it is asked again by the next run."
    )
