"""Monthly and daily zips of a folder, as a market that has ended.

- Candles that a monthly zip lacks come from the daily zips beside it, wherever they are missing:
  in the pages, for the first candle and for the horizon.
- Where monthly and daily zips differ the month is refused, with both names and the first
  differences; months before it are delivered.
- A damaged daily zip matters only if the monthly zip lacks its candles.
- A refused monthly zip is replaced by daily zips of all its days. Else its month is refused, and
  the first candle and the horizon are those that it should have.

Binance's own zips show each kind: a monthly zip of 7 days (binance/binance-public-data#359), one
that lacks a day (#253), rows with other values than in the daily zips (#475, #178).
"""

import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from coin_assets.domain.candles.frame import between
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe
from coin_assets.errors import InvalidCandles
from coin_assets.market.archive import ArchiveMarket
from coin_assets.market.sandbox import SandboxMarket
from coin_assets.market.vision import KlineFile, daily_files, monthly_file
from coin_assets_tests.market.vision_server import kline_text, put, zipped

BTC_1H = Series("BTC/USDT", Timeframe("1h"))
DAY = timedelta(days=1)
JULY, AUGUST, SEPTEMBER = (datetime(2024, month, 1, tzinfo=UTC) for month in (7, 8, 9))
LATER = datetime(2026, 1, 1, tzinfo=UTC)
Change = Callable[[pd.DataFrame], pd.DataFrame]


def sandbox(series: Series, start: datetime = JULY, end: datetime = SEPTEMBER) -> pd.DataFrame:
    pages = SandboxMarket().pages(series, start, end, LATER)
    return pd.concat([page.candles for page in pages], ignore_index=True)


def save(folder: Path, series: Series, files: Iterable[KlineFile], candles: pd.DataFrame) -> None:
    for file in files:
        put(folder, file.name, zipped(kline_text(between(candles, file.start, file.end), series)))


def read(
    folder: Path, series: Series, start: datetime = JULY, end: datetime = SEPTEMBER
) -> pd.DataFrame:
    pages = list(ArchiveMarket(folder).pages(series, start, end, LATER))
    return pd.concat([page.candles for page in pages], ignore_index=True)


def assert_same(left: pd.DataFrame, right: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(left, right, check_exact=True)


# ------------------------------------------------------------------------------------- completion


def without(*days: int) -> Change:
    """August without these days."""

    def change(candles: pd.DataFrame) -> pd.DataFrame:
        lost = (candles["timestamp"] >= AUGUST) & candles["timestamp"].dt.day.isin(days)
        kept: pd.DataFrame = candles[~lost].reset_index(drop=True)
        return kept

    return change


def without_noons(candles: pd.DataFrame) -> pd.DataFrame:
    opens = candles["timestamp"]
    lost = (opens >= AUGUST) & (opens.dt.hour == 12) & opens.dt.day.isin([3, 17])
    kept: pd.DataFrame = candles[~lost].reset_index(drop=True)
    return kept


SHORT: dict[str, Change] = {
    "the first days": without(1, 2),
    "a day": without(14),
    "the last days": without(*range(8, 32)),
    "both ends": without(1, 31),
    "hours of two days": without_noons,
    "everything": without(*range(1, 32)),
}


@pytest.mark.parametrize("name", ["5m", "1h", "12h", "1d"])
@pytest.mark.parametrize("what", SHORT)
def test_what_a_monthly_zip_lacks_comes_from_the_daily_zips(
    tmp_path: Path, what: str, name: str
) -> None:
    series = BTC_1H.at(Timeframe(name))
    candles = sandbox(series)
    months = [monthly_file(series, month) for month in (JULY, AUGUST)]
    save(tmp_path, series, months, SHORT[what](candles))
    save(tmp_path, series, daily_files(series, AUGUST), candles)
    assert_same(read(tmp_path, series), candles)
    middle = AUGUST + 6 * DAY
    assert_same(read(tmp_path, series, JULY, middle), between(candles, JULY, middle))
    market = ArchiveMarket(tmp_path)
    assert market.horizon(series, LATER) == SEPTEMBER
    assert market.listed(series, LATER) == JULY
    noon = middle + timedelta(hours=12)
    assert market.horizon(series, noon) == series.timeframe.floor(noon)


def test_what_neither_has_stays_a_hole(tmp_path: Path) -> None:
    candles = without(14, 20)(sandbox(BTC_1H))
    save(tmp_path, BTC_1H, [monthly_file(BTC_1H, AUGUST)], without(5)(candles))
    save(tmp_path, BTC_1H, daily_files(BTC_1H, AUGUST)[:16], candles)
    assert_same(read(tmp_path, BTC_1H, AUGUST), between(candles, AUGUST, SEPTEMBER))


@pytest.mark.parametrize("kept", [1, 9, 20])
def test_the_first_candle_may_be_in_a_daily_zip(tmp_path: Path, kept: int) -> None:
    candles = sandbox(BTC_1H)
    save(tmp_path, BTC_1H, [monthly_file(BTC_1H, AUGUST)], without(*range(1, 22))(candles))
    save(tmp_path, BTC_1H, daily_files(BTC_1H, AUGUST)[kept:], candles)
    assert ArchiveMarket(tmp_path).listed(BTC_1H, LATER) == AUGUST + kept * DAY
    save(tmp_path, BTC_1H, daily_files(BTC_1H, JULY)[-3:], candles)
    assert ArchiveMarket(tmp_path).listed(BTC_1H, LATER) == AUGUST - 3 * DAY
    assert ArchiveMarket(tmp_path).listed(BTC_1H, AUGUST - 3 * DAY) is None


@pytest.mark.parametrize("days", [8, 20, 31])
def test_the_horizon_may_be_in_a_daily_zip(tmp_path: Path, days: int) -> None:
    candles = sandbox(BTC_1H)
    save(tmp_path, BTC_1H, [monthly_file(BTC_1H, AUGUST)], without(*range(8, 32))(candles))
    save(tmp_path, BTC_1H, daily_files(BTC_1H, AUGUST)[:days], candles)
    assert ArchiveMarket(tmp_path).horizon(BTC_1H, LATER) == AUGUST + days * DAY
    assert len(read(tmp_path, BTC_1H, AUGUST)) == days * 24


def test_weeks_have_no_daily_zips(tmp_path: Path) -> None:
    series = BTC_1H.at(Timeframe("1w"))
    candles = sandbox(series)
    save(tmp_path, series, [monthly_file(series, month) for month in (JULY, AUGUST)], candles[:-1])
    assert_same(read(tmp_path, series), candles[:-1])


# ------------------------------------------------------------------------------------- comparison


def changed(column: str, factor: float, *rows: int) -> Change:
    """August with other values in these rows of it; -1 is the last."""

    def change(candles: pd.DataFrame) -> pd.DataFrame:
        places = candles.index[candles["timestamp"] >= AUGUST][list(rows)]
        candles = candles.copy()
        candles.loc[places, column] *= factor
        candles["high"] = candles[["open", "high", "low", "close"]].max(axis=1)
        return candles

    return change


DIFFERENT: dict[str, Change] = {
    "the first volume": changed("volume", 0.4, 0),
    "the last volume": changed("volume", 1.001, -1),
    "one close": changed("close", 1.2, 300),
    "one high by little": changed("high", 1.00001, 300),
    "50 closes": changed("close", 1.2, *range(300, 350)),
}


@pytest.mark.parametrize("name", ["5m", "1h"])
@pytest.mark.parametrize("what", DIFFERENT)
def test_a_month_whose_zips_differ_is_refused_with_both_names_and_the_months_before_are_not(
    tmp_path: Path, what: str, name: str
) -> None:
    series = BTC_1H.at(Timeframe(name))
    candles = sandbox(series)
    save(tmp_path, series, [monthly_file(series, month) for month in (JULY, AUGUST)], candles)
    save(tmp_path, series, daily_files(series, AUGUST), DIFFERENT[what](candles))
    pages = ArchiveMarket(tmp_path).pages(series, JULY, SEPTEMBER, LATER)
    assert_same(next(pages).candles, between(candles, JULY, AUGUST))
    with pytest.raises(InvalidCandles, match="Get both again") as refused:
        next(pages)
    assert refused.value.rule == "files_differ"
    assert monthly_file(series, AUGUST).name in str(refused.value)
    assert "daily/klines/BTCUSDT" in str(refused.value)
    assert "monthly close=" in refused.value.offenders[0]
    assert "daily close=" in refused.value.offenders[0]


def test_a_complete_monthly_zip_is_used_beside_a_damaged_daily_one_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    candles = sandbox(BTC_1H)
    day = daily_files(BTC_1H, AUGUST)[4]
    save(tmp_path, BTC_1H, [monthly_file(BTC_1H, AUGUST)], candles)
    put(tmp_path, day.name, b"no zip")
    with caplog.at_level(logging.WARNING):
        assert_same(read(tmp_path, BTC_1H, AUGUST), between(candles, AUGUST, SEPTEMBER))
    (record,) = caplog.records
    assert day.name in record.message
    assert "without comparing that day" in record.message


def test_a_damaged_daily_zip_refuses_the_month_that_needs_it(tmp_path: Path) -> None:
    candles = sandbox(BTC_1H)
    day = daily_files(BTC_1H, AUGUST)[4]
    save(tmp_path, BTC_1H, [monthly_file(BTC_1H, AUGUST)], without(5)(candles))
    put(tmp_path, day.name, b"no zip")
    with pytest.raises(InvalidCandles, match=day.name):
        read(tmp_path, BTC_1H)
    before = AUGUST + 3 * DAY
    assert_same(read(tmp_path, BTC_1H, AUGUST, before), between(candles, AUGUST, before))


def refused_month(folder: Path, month: datetime, days: int = 0) -> str:
    """July and August with the monthly zip of ``month`` damaged; returns its name."""
    candles = sandbox(BTC_1H)
    save(folder, BTC_1H, [monthly_file(BTC_1H, each) for each in (JULY, AUGUST)], candles)
    save(folder, BTC_1H, daily_files(BTC_1H, month)[:days], candles)
    file = monthly_file(BTC_1H, month)
    (folder / file.name).write_bytes(b"damaged")
    return file.name


@pytest.mark.parametrize("month", [JULY, AUGUST])
@pytest.mark.parametrize("days", [0, 30])
def test_a_refused_monthly_zip_refuses_its_month_alone(
    tmp_path: Path, month: datetime, days: int
) -> None:
    name = refused_month(tmp_path, month, days)
    with pytest.raises(InvalidCandles, match=name) as refused:
        read(tmp_path, BTC_1H, month, month + 31 * DAY)
    assert refused.value.rule == "checksum"
    other = JULY if month == AUGUST else AUGUST
    assert len(read(tmp_path, BTC_1H, other, other + 31 * DAY)) == 31 * 24
    market = ArchiveMarket(tmp_path)
    assert market.listed(BTC_1H, LATER) == JULY
    assert market.listed(BTC_1H, JULY + timedelta(minutes=59)) is None
    assert market.horizon(BTC_1H, LATER) == SEPTEMBER
    noon = AUGUST + timedelta(days=6, hours=12)
    assert market.horizon(BTC_1H, noon + timedelta(minutes=5)) == noon


def test_a_refused_monthly_zip_is_replaced_by_daily_zips_of_all_its_days_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    name = refused_month(tmp_path, AUGUST, days=31)
    with caplog.at_level(logging.WARNING):
        assert_same(read(tmp_path, BTC_1H), sandbox(BTC_1H))
    (record,) = caplog.records
    assert name in record.message
    assert "its daily files are used instead" in record.message
    assert ArchiveMarket(tmp_path).horizon(BTC_1H, LATER) == SEPTEMBER


def test_a_refused_weekly_zip_should_reach_to_the_end_of_its_last_week(tmp_path: Path) -> None:
    series = BTC_1H.at(Timeframe("1w"))
    put(tmp_path, monthly_file(series, JULY).name, b"no zip")
    market = ArchiveMarket(tmp_path)
    assert market.horizon(series, LATER) == datetime(2024, 8, 5, tzinfo=UTC)
    assert market.listed(series, LATER) == JULY  # a Monday
