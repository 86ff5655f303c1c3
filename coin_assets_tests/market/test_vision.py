"""Binance Vision's kline zips.

- Files are looked for where Vision publishes them; nothing but digits, capitals and letters without
  case of a symbol reaches a path.
- A zip gives the exchange's own candles, with or without header row, in milliseconds, microseconds
  or both; every other unit and every damaged or misplaced file is refused with its name.
- A folder of such zips is a market: one page a month, from the monthly file or else the daily ones.
"""

import io
import shutil
import time
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from coin_assets.domain.candles.frame import between, empty_candles
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe, as_micros, months_between, next_month
from coin_assets.errors import InvalidCandles, SymbolUnavailable
from coin_assets.files.cache import FileCache
from coin_assets.market.archive import ArchiveMarket
from coin_assets.market.sandbox import SandboxMarket
from coin_assets.market.vision import (
    KlineFile,
    daily_files,
    has_name,
    monthly_file,
    read_klines,
)
from coin_assets_tests.market.vision_server import HEADER, kline_text, make_tree, put, zipped
from coin_assets_tests.realdata import REAL_DATA, real_candles, requires_real_data

BTC_1H = Series("BTC/USDT", Timeframe("1h"))
DAY = datetime(2024, 10, 28, tzinfo=UTC)
NEXT_DAY = DAY + timedelta(days=1)
FILE = KlineFile("BTCUSDT-1h-2024-10-28.zip", DAY, NEXT_DAY)
LATER = datetime(2026, 1, 1, tzinfo=UTC)
ROW = "1730073600000,2,3,1,2,5,1730077199999,9,9,9,9,0\n"


def sandbox(start: datetime, end: datetime, series: Series = BTC_1H) -> pd.DataFrame:
    pages = SandboxMarket().pages(series, start, end, LATER)
    return pd.concat([page.candles for page in pages], ignore_index=True)


def read(text: str, file: KlineFile = FILE, timeframe: str = "1h") -> pd.DataFrame:
    return read_klines(zipped(text), file, Timeframe(timeframe))


def assert_same(left: pd.DataFrame, right: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(left, right, check_exact=True)


# ---------------------------------------------------------------------------------------- layout


def test_files_lie_where_vision_publishes_them() -> None:
    folder = "data/spot/{}/klines/BTCUSDT/1h/BTCUSDT-1h-{}.zip"
    assert monthly_file(BTC_1H, DAY.replace(day=1)).name == folder.format("monthly", "2024-10")
    days = daily_files(BTC_1H, DAY.replace(day=1))
    assert days[27] == KlineFile(folder.format("daily", "2024-10-28"), DAY, NEXT_DAY)
    assert len(days) == 31
    months = monthly_file(BTC_1H.at(Timeframe("1M")), DAY.replace(day=1))
    assert months.name.endswith("/1mo/BTCUSDT-1mo-2024-10.zip")
    assert daily_files(BTC_1H.at(Timeframe("1w")), DAY.replace(day=1)) == []
    other = monthly_file(Series("币安人生/USDT", Timeframe("1h")), DAY.replace(day=1))
    assert other.name == "data/spot/monthly/klines/币安人生USDT/1h/币安人生USDT-1h-2024-10.zip"


@pytest.mark.parametrize(
    "symbol",
    [
        "../USDT",
        "BTC/US.DT",
        "币 安/USDT",
        "$PAC/USDT",
        "btc/usdt",
        "BTC",
        "BTC/USDT:USDT",
        "A/B/C",
        "BTC/USDT\n",
    ],
)
def test_a_symbol_that_is_no_plain_name_never_reaches_a_path(symbol: str) -> None:
    assert not has_name(symbol)
    with pytest.raises(SymbolUnavailable):
        monthly_file(Series(symbol, Timeframe("1h")), DAY)


# --------------------------------------------------------------------------------------- reading


@requires_real_data
def test_a_real_spot_zip_gives_the_candles_of_the_exchange() -> None:
    content = (REAL_DATA / "raw" / "spot-klines-BTCUSDT-1h-2024-10-28.zip").read_bytes()
    candles = read_klines(content, FILE, Timeframe("1h"))
    assert_same(candles, between(real_candles("BTC/USDT", "1h"), DAY, NEXT_DAY))


@requires_real_data
def test_a_real_futures_zip_is_read_with_its_header_row() -> None:
    content = (REAL_DATA / "raw" / "futures-um-klines-BTCUSDT-1h-2024-10-28.zip").read_bytes()
    candles = read_klines(content, FILE, Timeframe("1h"))
    assert len(candles) == 24
    first = candles.iloc[0].tolist()
    assert first == [pd.Timestamp(DAY), 67992.70, 68094.60, 67804.70, 67835.20, 5179.117]


@pytest.mark.parametrize("header", ["", HEADER])
@pytest.mark.parametrize("switch", [0, 5, 24])
def test_milliseconds_and_microseconds_are_told_apart_row_by_row(header: str, switch: int) -> None:
    candles = sandbox(DAY, NEXT_DAY)
    rows = kline_text(candles, BTC_1H).splitlines(keepends=True)
    rows[switch:] = [row.replace(",", "000,", 1) for row in rows[switch:]]
    assert_same(read(header + "".join(rows)), candles)


@pytest.mark.parametrize("text", ["", HEADER, HEADER.strip(), "\n"])
def test_a_file_without_rows_has_no_candles(text: str) -> None:
    assert_same(read(text), empty_candles())


HOUR_BEFORE = ROW.replace("1730073600000", "1730070000000")

REFUSED = {
    "seconds": ("implausible_times", ROW.replace("1730073600000", "1730073600")),
    "nanoseconds": ("implausible_times", ROW.replace("1730073600000", "1730073600000000000")),
    "zero": ("implausible_times", ROW.replace("1730073600000", "0")),
    "seconds among milliseconds": (
        "mixed_units",
        ROW + ROW.replace("1730073600000", "1730077200"),
    ),
    "the day before": ("outside_file", HOUR_BEFORE + ROW),
    "the day after": ("outside_file", ROW + ROW.replace("1730073600000", "1730160000000")),
    "half an hour": ("unaligned", ROW.replace("1730073600000", "1730075400000")),
    "twice": ("duplicates", ROW + ROW),
    "high below low": ("ohlc", ROW.replace(",2,3,1,2,", ",2,1,3,2,")),
    "no price": ("not_finite", ROW.replace(",2,3,1,2,", ",,3,1,2,")),
    "words": ("unreadable", ROW.replace(",2,3,1,2,", ",two,3,1,2,")),
    "text for a time": ("columns", ROW.replace("1730073600000", "noon")),
    "rows of different lengths": ("unreadable", ROW + "1730077200000,1\n"),
    "too few columns": ("unreadable", "1730073600000,2,3,1,2\n"),
    "another header": ("columns", "timestamp,close\n1730073600000,2\n"),
    "a page of the server": ("columns", "<html><body>No such key</body></html>\n"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_klines_of_its_day_is_refused_with_rule_and_name(what: str) -> None:
    rule, text = REFUSED[what]
    with pytest.raises(InvalidCandles) as refused:
        read(text)
    assert refused.value.rule == rule
    assert FILE.name in str(refused.value)


def two_members() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.csv", ROW)
        archive.writestr("b.csv", ROW)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no zip",
        zipped(ROW * 50)[:-30],
        zipped(ROW, "klines.txt"),
        two_members(),
        zipped(kline_text(sandbox(DAY, NEXT_DAY), BTC_1H))[:200] + b"\xff" * 400,
    ],
)
def test_a_damaged_zip_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidCandles, match=r"\[unreadable\] BTCUSDT-1h-2024-10-28.zip"):
        read_klines(content, FILE, Timeframe("1h"))


def test_flipped_bytes_inside_a_zip_never_give_candles() -> None:
    whole = zipped(kline_text(sandbox(DAY, NEXT_DAY), BTC_1H))
    right = read_klines(whole, FILE, Timeframe("1h"))
    for position in range(0, len(whole), 7):
        content = bytearray(whole)
        content[position] ^= 0xFF
        try:
            candles = read_klines(bytes(content), FILE, Timeframe("1h"))
        except InvalidCandles:
            continue
        assert_same(candles, right)  # the byte was none of the data's, such as the file's date


# ------------------------------------------------------------------------- a folder as a market

START, MONTHS_END, DAYS_END = (
    datetime(2024, 11, 20, tzinfo=UTC),
    datetime(2025, 2, 1, tzinfo=UTC),
    datetime(2025, 2, 6, tzinfo=UTC),
)
CANDLES = sandbox(START, DAYS_END)


@pytest.fixture
def market(tmp_path: Path) -> ArchiveMarket:
    make_tree(tmp_path, BTC_1H, CANDLES, MONTHS_END, DAYS_END)
    return ArchiveMarket(tmp_path)


def test_a_folder_of_zips_gives_a_page_a_month(market: ArchiveMarket) -> None:
    start, end = datetime(2024, 10, 7, 5, tzinfo=UTC), datetime(2025, 4, 3, tzinfo=UTC)
    pages = list(market.pages(BTC_1H, start, end, LATER))
    assert [page.start for page in pages] == [start, *months_between(start, end)[1:]]
    assert [page.end for page in pages] == [*months_between(start, end)[1:], end]
    for page in pages:
        assert_same(page.candles, between(CANDLES, page.start, page.end))


def test_listing_and_horizon_are_the_first_and_the_last_candle(market: ArchiveMarket) -> None:
    assert market.listed(BTC_1H, LATER) == START
    assert market.horizon(BTC_1H, LATER) == DAYS_END
    noon = START + timedelta(hours=12, minutes=1)
    assert market.horizon(BTC_1H, noon) == noon - timedelta(minutes=1)
    assert market.listed(BTC_1H, START) is None
    assert market.horizon(BTC_1H, START) < START


def test_the_remembered_end_of_zips_is_given_up_with_any_change(
    market: ArchiveMarket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coin_assets.market.archive._REACHES", FileCache(100, settled=0.02))
    last, before = daily_files(BTC_1H, MONTHS_END)[4::-1][:2]

    def horizon() -> tuple[datetime, int]:
        time.sleep(0.03)
        asked = ArchiveMarket(tmp_path)
        return asked.horizon(BTC_1H, LATER), asked.usage().requests

    assert [horizon() for _ in range(3)] == [(DAYS_END, 2), (DAYS_END, 0), (DAYS_END, 0)]
    checksum = tmp_path / f"{last.name}.CHECKSUM"
    said = checksum.read_text()
    checksum.write_text("?")  # a refused file counts up to where it should end
    assert [horizon() for _ in range(2)] == [(DAYS_END, 1), (DAYS_END, 0)]
    checksum.unlink()
    assert horizon() == (DAYS_END, 0)
    checksum.write_text(said)
    assert horizon() == (DAYS_END, 2)
    (tmp_path / last.name).unlink()
    checksum.unlink()
    assert horizon() == (before.end, 2)
    assert market.horizon(BTC_1H, LATER) == before.end
    make_tree(tmp_path, BTC_1H, CANDLES, MONTHS_END, DAYS_END)
    assert horizon() == (DAYS_END, 2)


def test_a_missing_day_is_a_hole(market: ArchiveMarket, tmp_path: Path) -> None:
    day = daily_files(BTC_1H, MONTHS_END)[2]
    (tmp_path / day.name).unlink()
    (page,) = market.pages(BTC_1H, MONTHS_END, DAYS_END, LATER)
    both = [between(CANDLES, MONTHS_END, day.start), between(CANDLES, day.end, DAYS_END)]
    assert_same(page.candles, pd.concat(both, ignore_index=True))


def test_the_monthly_file_counts_where_there_are_both(
    market: ArchiveMarket, tmp_path: Path
) -> None:
    put(tmp_path, daily_files(BTC_1H, datetime(2025, 1, 1, tzinfo=UTC))[0].name, b"not looked at")
    (page,) = market.pages(BTC_1H, datetime(2025, 1, 1, tzinfo=UTC), MONTHS_END, LATER)
    assert len(page.candles) == 31 * 24


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_a_flat_file_and_zips_of_one_key_are_refused(
    market: ArchiveMarket, tmp_path: Path, suffix: str
) -> None:
    flat = tmp_path / f"BTC_USDT_1h.{suffix}"
    flat.write_bytes(b"")
    with pytest.raises(SymbolUnavailable, match="Remove one") as raised:
        market.listed(BTC_1H, LATER)
    assert str(flat) in str(raised.value)
    assert "data/spot/" in str(raised.value)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda path: path.write_bytes(path.read_bytes() + b"\x00"), "checksum"),
        (lambda path: path.with_name(f"{path.name}.CHECKSUM").unlink(), "checksum_missing"),
        (lambda path: path.with_name(f"{path.name}.CHECKSUM").write_text("?"), "checksum"),
        (
            lambda path: path.with_name(f"{path.name}.CHECKSUM").write_text(
                f"{'0' * 64}  BTCUSDT-1h-2024-12.zip"
            ),
            "checksum",
        ),
    ],
)
def test_a_file_that_is_not_what_its_checksum_says_is_refused(
    market: ArchiveMarket, tmp_path: Path, change: Callable[[Path], object], rule: str
) -> None:
    file = monthly_file(BTC_1H, datetime(2024, 12, 1, tzinfo=UTC))
    change(tmp_path / file.name)
    with pytest.raises(InvalidCandles) as refused:
        list(market.pages(BTC_1H, START, DAYS_END, LATER))
    assert refused.value.rule == rule
    assert file.name in str(refused.value)


def test_weeks_and_months_come_from_monthly_files(tmp_path: Path) -> None:
    for name in ("1w", "1M"):
        series = BTC_1H.at(Timeframe(name))
        start = series.timeframe.floor(START)
        candles = sandbox(start, MONTHS_END, series)
        make_tree(tmp_path, series, candles, next_month(MONTHS_END), MONTHS_END)
        market = ArchiveMarket(tmp_path)
        pages = list(market.pages(series, start, MONTHS_END, LATER))
        assert_same(pd.concat([page.candles for page in pages], ignore_index=True), candles)
        assert market.listed(series, LATER) == start


@requires_real_data
def test_the_real_zips_are_a_market(tmp_path: Path) -> None:
    (day,) = [file for file in daily_files(BTC_1H, DAY.replace(day=1)) if file.start == DAY]
    source = REAL_DATA / "raw" / "spot-klines-BTCUSDT-1h-2024-10-28.zip"
    shutil.copyfile(source, put(tmp_path, day.name, source.read_bytes()))
    market = ArchiveMarket(tmp_path)
    (page,) = market.pages(BTC_1H, DAY, NEXT_DAY, LATER)
    assert_same(page.candles, between(real_candles("BTC/USDT", "1h"), DAY, NEXT_DAY))
    assert market.horizon(BTC_1H, LATER) == NEXT_DAY
    assert as_micros(page.candles["timestamp"])[0] == DAY.timestamp() * 1_000_000
