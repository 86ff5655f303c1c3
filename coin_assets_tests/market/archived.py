"""An exchange and an archive of its past, for tests of what the two make together."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pandas as pd

from coin_assets.domain.candles.frame import between
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe, next_month
from coin_assets.market.combined import CombinedMarket
from coin_assets.market.downloads import ArchiveFiles
from coin_assets.market.vision import daily_files, monthly_file
from coin_assets_tests.market.patchy import PatchyMarket
from coin_assets_tests.market.vision_server import kline_text, make_tree, put, zipped

HOUR = Series("BTC/USDT", Timeframe("1h"))
MONTHS = [datetime(2024, month, 1, tzinfo=UTC) for month in (9, 10, 11)]
START, MIDDLE, LAST = MONTHS
END = datetime(2024, 12, 1, tzinfo=UTC)
NOW = datetime(2024, 12, 3, 7, 20, tzinfo=UTC)
Change = Callable[[pd.DataFrame], pd.DataFrame]


@cache
def exchange_candles(series: Series, start: datetime = START) -> pd.DataFrame:
    pages = PatchyMarket().pages(series, start, NOW, NOW)
    return pd.concat([page.candles for page in pages], ignore_index=True)


def archived(
    folder: Path, series: Series, days_of: list[datetime] | None = None, start: datetime = START
) -> ArchiveFiles:
    """An archive of the exchange's candles, with daily files beside the monthly ones of some
    months."""
    candles = exchange_candles(series, start)
    make_tree(folder, series, candles, END, END)
    for month in days_of or []:
        save_days(folder, series, month, candles)
    return ArchiveFiles(str(folder))


def save_days(folder: Path, series: Series, month: datetime, candles: pd.DataFrame) -> None:
    for file in daily_files(series, month):
        put(folder, file.name, zipped(kline_text(between(candles, file.start, file.end), series)))


def save_month(
    folder: Path, series: Series, month: datetime, change: Change, start: datetime = START
) -> str:
    """Replace a monthly file by one of changed candles; returns its name."""
    candles = change(between(exchange_candles(series, start), month, next_month(month)))
    file = monthly_file(series, month)
    put(folder, file.name, zipped(kline_text(candles, series)))
    return file.name


def require_exchange_candles(
    market: CombinedMarket, series: Series, start: datetime = START
) -> None:
    pages = list(market.pages(series, start, NOW, NOW))
    found = pd.concat([page.candles for page in pages], ignore_index=True)
    pd.testing.assert_frame_equal(found, exchange_candles(series, start), check_exact=True)
