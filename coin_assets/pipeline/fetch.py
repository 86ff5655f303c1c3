"""Fetches candles from the market into the store, page by page, with the gap ledger.

A fetch may be killed at any moment: each page is stored before the next one is requested, so the
next fetch continues there and ends with the same bytes. An error in one page leaves the pages after
it; the fetch raises it at its end.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from coin_assets.domain.candles.absences import REFUSED
from coin_assets.domain.candles.frame import by_month, empty_candles
from coin_assets.domain.candles.gap_ledger import Range
from coin_assets.domain.candles.gaps import find_gaps
from coin_assets.domain.timeframes import months_between, next_month
from coin_assets.errors import CandlesNotYetAvailable, CoinAssetsError
from coin_assets.market.base import Market
from coin_assets.pipeline.fetch_pages import PageFetcher, error_of
from coin_assets.pipeline.fetch_progress import FetchProgress
from coin_assets.pipeline.fetch_ranges import expected_range, missing_ranges, oldest_candle
from coin_assets.pipeline.fetch_request import FetchRequest
from coin_assets.pipeline.month_report import MonthReport, month_report, newest_due
from coin_assets.pipeline.plausible_pages import PlausiblePages
from coin_assets.store.base import Store


def fetch_candles(
    store: Store,
    market: Market,
    request: FetchRequest,
    clock: Callable[[], datetime],
    log: Callable[[str], None] = lambda _line: None,
) -> list[MonthReport]:
    """Fetch the missing candles of a window; a complete past window is fetched again whole.

    Args:
        clock: returns the time of a request.
        log: receives lines on the progress of a long fetch.

    Returns:
        A report for each month of the window.

    Raises:
        CandlesNotYetAvailable: the market does not have the newest due candle yet.
        ImplausibleCandles: the market's prices are held back from some candle on.
        CoinAssetsError: as `Market.pages`, or the first `Page.error`; the ledger then has which
            candles failed and why. All other candles of the window are stored.
    """
    fetcher = PageFetcher(store, market, request.series, clock)
    listed, limit = _listing(fetcher, request)
    expected = expected_range(request, listed, limit)
    changed: Counter[datetime] = Counter()
    errors: list[CoinAssetsError] = []
    if expected is not None:
        ranges = missing_ranges(store, request, expected, clock())
        pages = PlausiblePages(store, request.series, clock, request.accepts_implausible, log)
        errors = _fetch_ranges(fetcher, pages, ranges, limit, changed, log)
    _mark_fetched(store, request, expected)
    for error in errors[1:]:
        log(f"{request.series}: {error}")
    if errors:
        raise errors[0]
    reports = stored_reports(store, request, expected, changed)
    _require_newest_due(store, market, request, limit)
    return reports


def _fetch_ranges(
    fetcher: PageFetcher,
    plausible: PlausiblePages,
    ranges: list[Range],
    limit: datetime,
    changed: Counter[datetime],
    log: Callable[[str], None],
) -> list[CoinAssetsError]:
    """Fetch and commit the pages of ``ranges``; adds to ``changed``, returns errors of pages.

    It ends at an implausible step that is held back: no later candle is stored before it.
    """
    series, errors = fetcher.series, list[CoinAssetsError]()
    total = sum(series.timeframe.count(*each) for each in ranges)
    progress = FetchProgress(str(series), total, log)
    for start, end in ranges:
        known = fetcher.store.read_candles(series, start, end)
        plausible.begin(end, limit)
        for page in fetcher.pages(start, end, limit):
            if error := error_of(page):
                errors.append(error)
                fetcher.record_failed_page(page, error)
            else:
                sifted, step = plausible.sifted(page, known)
                changed.update(fetcher.commit(sifted, known))
                if step is not None:
                    return [*errors, step]
            progress.advance(series.timeframe.count(page.start, page.end), page.end)
    return errors


def stored_reports(
    store: Store, request: FetchRequest, expected: Range | None, changed: Mapping[datetime, int]
) -> list[MonthReport]:
    """Reports on the stored candles of the window, a month each.

    Args:
        expected: opens that the window should hold, as `expected_range` returns them.
        changed: rows that a fetch changed, by month.
    """
    series, ledger = request.series, store.read_ledger(request.series)
    stored = store.read_candles(series, request.start, request.end)
    return [
        replace(
            month_report(series, month, candles, expected, ledger),
            rows_changed=changed.get(month, 0),
        )
        for month, candles in by_month(stored, months_between(request.start, request.end))
    ]


def _listing(fetcher: PageFetcher, request: FetchRequest) -> tuple[datetime | None, datetime]:
    """Open of the market's oldest candle, recorded in the ledger, and the horizon of the market."""
    store, market, limit = fetcher.store, fetcher.market, request.closed_by
    try:
        limit = min(limit, market.horizon(request.series, limit))
        listed = oldest_candle(store, market, request, limit)
    except CoinAssetsError as error:
        start, until = request.window(limit)
        if start < until:
            fetcher.record_failure((start, until), error)
        raise
    if listed is not None:
        edge = market.edge(request.series)
        store.update_ledger(
            request.series,
            lambda ledger: (
                ledger.listed_at(listed)
                if edge is None
                else ledger.listed_at(listed).served_from(edge)
            ),
        )
    return listed, limit


def _mark_fetched(store: Store, request: FetchRequest, expected: Range | None) -> None:
    """Mark the months of the window as fetched, including those without a candle.

    Months with unexplained missing candles are left out: they are still to be fetched.
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


def _require_newest_due(
    store: Store, market: Market, request: FetchRequest, limit: datetime
) -> None:
    """Require the newest due candle, unless the market sends a later one, valid or not.

    A candle that the market skipped is absent; the last one may be late.

    Raises:
        CandlesNotYetAvailable: there is no later candle.
        CoinAssetsError: the later candles could not be read.
    """
    series, ledger = request.series, store.read_ledger(request.series)
    start = request.window(limit)[0]
    due = newest_due(series.timeframe, max(start, ledger.listed or start), request.end, limit)
    newest = store.newest_candles([series]).get(series)
    if due is None or (newest is not None and newest >= due) or ledger.absent_until(due) > due:
        return
    later = series.timeframe.next(due)
    unread: CoinAssetsError | None = None
    for page in market.pages(series, later, limit, limit):
        error = error_of(page)
        if error is None and (len(page.candles) or page.refused):
            return
        unread = unread or error
    if unread is not None:
        raise unread
    broken = [each.reason for each in ledger.within(due, later) if each.state == REFUSED]
    raise CandlesNotYetAvailable(
        f"{series} candle {due:%Y-%m-%d %H:%M} closed at {series.timeframe.close_of(due):%H:%M} "
        f"but the market {f'sends it broken ({broken[0]})' if broken else 'does not have it yet'}, "
        "and no later one. All candles that it has are stored; the next run requests it again."
    )
