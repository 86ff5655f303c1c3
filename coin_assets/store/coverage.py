"""Refusing to work on candles that were never fetched."""

from datetime import datetime

from coin_assets.domain.keys import Key
from coin_assets.domain.timeframes import describe_months, months_between, next_month
from coin_assets.errors import CandlesNotYetAvailable, MonthsNotFetched
from coin_assets.store.base import Store


def require_months(store: Store, key: Key, start: datetime, end: datetime) -> None:
    """Check that every month that ``[start, end)`` touches was fetched.

    Raises:
        MonthsNotFetched: some were not; the message names them.
    """
    missing = set(months_between(start, end)) - set(store.fetched_months(key))
    if missing:
        raise MonthsNotFetched(
            f"{key} candles of {describe_months(sorted(missing))} were never fetched. Materialise "
            f"{key.symbol_name}/ohlcv_{key.timeframe} for these months first, or do without them: "
            f"COIN_HISTORY_START={next_month(max(missing)):%Y-%m-%d}."
        )


def require_newest(store: Store, key: Key, opened: datetime) -> None:
    """Check that the stored candles reach the one that opens at ``opened``.

    A later candle proves as well that the market has passed it.

    Raises:
        CandlesNotYetAvailable: they do not.
    """
    newest = store.newest_candles([key]).get(key)
    if newest is None or newest < opened:
        reached = f"end with {newest:%Y-%m-%d %H:%M}" if newest else "have not begun"
        raise CandlesNotYetAvailable(
            f"{key} candle {opened:%Y-%m-%d %H:%M} is due but not stored; stored candles "
            f"{reached}. Materialise {key.symbol_name}/ohlcv_{key.timeframe} again."
        )
