"""Checks that stored candles cover a range."""

from datetime import datetime

from coin_assets.domain.candles.gaps import find_gaps
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import describe_months, just_after, months_between, next_month
from coin_assets.errors import CandlesNotYetAvailable, MonthsNotFetched
from coin_assets.store.base import Store


def require_covered(store: Store, series: Series, start: datetime, end: datetime) -> None:
    """Require an answer of the market for every candle that opens in ``[start, end)``.

    Candles may be missing, but each missing one needs an explanation; see `Absence.is_explained`.

    Raises:
        MonthsNotFetched: an answer is missing; the message names the months.
    """
    missing = set(months_between(start, end)) - set(store.fetched_months(series))
    # Candles after the newest stored one are late, not unknown; `require_newest` checks them.
    newest = store.newest_candles([series]).get(series, start)
    for unknown, until in unanswered(store, series, start, min(newest, end)):
        missing |= set(months_between(unknown, just_after(series.timeframe.shift(until, -1))))
    if missing:
        raise MonthsNotFetched(
            f"{series} candles of {describe_months(sorted(missing))} were never fetched, or not to "
            f"their end. Materialise {series.symbol_name}/ohlcv_{series.timeframe} for these "
            "months first, or do without them: "
            f"COIN_HISTORY_START={next_month(max(missing)):%Y-%m-%d}."
        )


def unanswered(
    store: Store, series: Series, start: datetime, end: datetime
) -> list[tuple[datetime, datetime]]:
    """Unanswered ranges in ``[start, end)``: neither stored nor explained by the ledger.

    Only fetched series have a ledger; derived series are written by whole ranges.
    """
    ledger = store.read_ledger(series)
    if ledger.listed is None:
        return []
    first = max(start, ledger.listed)
    # The usual case, from file footers alone.
    if store.count_candles(series, first, end) == series.timeframe.count(first, end):
        return []
    stored = store.read_candles(series, first, end)["timestamp"]
    return ledger.unanswered(find_gaps(stored, series.timeframe, first, end))


def never_asked(
    store: Store, series: Series, start: datetime, end: datetime
) -> list[tuple[datetime, datetime]]:
    """Unknown ranges in ``[start, end)`` of a fetched series: never requested.

    A month may be fetched in part, and a later one after it.
    """
    ledger = store.read_ledger(series)
    if ledger.listed is None:
        return []
    first = max(start, ledger.listed)
    known = sum(series.timeframe.count(each.start, each.end) for each in ledger.within(first, end))
    if store.count_candles(series, first, end) + known >= series.timeframe.count(first, end):
        return []
    stored = store.read_candles(series, first, end)["timestamp"]
    return ledger.unknown(find_gaps(stored, series.timeframe, first, end))


def require_newest(store: Store, series: Series, opened: datetime) -> None:
    """Require that the stored candles reach the one that opens at ``opened``.

    A later candle suffices as well, and so does a verified absence up to it.

    Raises:
        CandlesNotYetAvailable: they end before it.
    """
    newest = store.newest_candles([series]).get(series)
    if newest is not None and newest >= opened:
        return
    if newest is not None:
        covered = store.read_ledger(series).absent_until(series.timeframe.close_of(newest))
        if covered > opened:
            return
    reached = f"end with {newest:%Y-%m-%d %H:%M}" if newest else "have not begun"
    raise CandlesNotYetAvailable(
        f"{series} candle {opened:%Y-%m-%d %H:%M} is due but not stored; stored candles "
        f"{reached}. Materialise {series.symbol_name}/ohlcv_{series.timeframe} again."
    )
