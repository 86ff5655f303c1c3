"""A folder of candle files as a market that has ended.

- ``BTC_USDT_1h.parquet`` or ``.csv`` holds the candles of one key; both kinds of file give the same
  candles. A missing or doubled file is an error that names it, the symbol and the remedy.
- A file is accepted or refused as a whole, with the rule it breaks, whatever range is asked for.
- The horizon is the close of the last closed candle: never after now, and before any time that can
  be asked for while there is none. What is not closed is not returned. Of a file that is missing or
  refused it is now: one broken file must not stop the sensor, which asks for all symbols at once.
- A file that changed is read again, one that did not is not; where it ends is known from then on
  to all markets of the process.
"""

import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coin_assets.domain.candles.frame import TIMESTAMP_DTYPE, VALUES, between, empty_candles
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import EPOCH, NAMES, Timeframe
from coin_assets.errors import DataRefused, InvalidCandles, PermanentError, SymbolUnavailable
from coin_assets.files.cache import FileCache
from coin_assets.market import archive
from coin_assets.market.archive import ArchiveMarket
from coin_assets.market.base import Market, Usage
from coin_assets.market.candle_files import read_candle_file
from coin_assets.market.factory import open_market
from coin_assets.market.sandbox import SandboxMarket
from coin_assets_tests.realdata import REAL_DATA, bad_file, real_candles, requires_real_data

START = datetime(2024, 2, 29, 20, tzinfo=UTC)  # so that a day of hours crosses a month
LATER = datetime(2026, 1, 1, tzinfo=UTC)
EVER = datetime(2000, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
BTC_1H = Series("BTC/USDT", Timeframe("1h"))
SUFFIXES = ["parquet", "csv"]
ROWS = 24


def sandbox_candles(series: Series = BTC_1H, rows: int = ROWS) -> pd.DataFrame:
    start = series.timeframe.floor(START)
    end = series.timeframe.shift(start, rows)
    pages = SandboxMarket().pages(series, start, end, LATER)
    return pd.concat([page.candles for page in pages], ignore_index=True)


def save(
    folder: Path, candles: pd.DataFrame, suffix: str = "parquet", series: Series = BTC_1H
) -> Path:
    path = folder / f"{series.symbol_name}_{series.timeframe}.{suffix}"
    if suffix == "parquet":
        candles.to_parquet(path, index=False)
    else:
        candles.to_csv(path, index=False)
    return path


def read(
    market: Market,
    series: Series = BTC_1H,
    start: datetime = EVER,
    end: datetime = LATER,
    now: datetime = LATER,
) -> pd.DataFrame:
    pages = list(market.pages(series, start, end, now))
    stop = min(end, series.timeframe.floor(now))
    assert [(page.start, page.end) for page in pages] == ([(start, stop)] if start < stop else [])
    return pages[0].candles if pages else empty_candles()


def assert_same(left: pd.DataFrame, right: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(left, right, check_exact=True)


# ------------------------------------------------------------------------------ what is accepted


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", NAMES)
def test_a_file_gives_its_candles_to_the_last_bit(tmp_path: Path, name: str, suffix: str) -> None:
    series = Series("BTC/USDT", Timeframe(name))
    candles = sandbox_candles(series)
    candles[VALUES] = candles[VALUES] / 3.0  # so that decimals need all their digits
    save(tmp_path, candles, suffix, series)
    assert_same(read(ArchiveMarket(tmp_path), series), candles)


@pytest.mark.parametrize(
    ("symbol", "stem"),
    [("BTC/USDT", "BTC_USDT_1h"), ("1000SHIB/USDT", "1000SHIB_USDT_1h"), ("A-B/C", "A_B_C_1h")],
)
def test_a_symbol_is_found_under_its_safe_name(tmp_path: Path, symbol: str, stem: str) -> None:
    sandbox_candles().to_parquet(tmp_path / f"{stem}.parquet")
    assert len(read(ArchiveMarket(tmp_path), Series(symbol, Timeframe("1h")))) == ROWS


def rewritten(
    change: Callable[["pd.Series[pd.Timestamp]"], "pd.Series[Any]"],
) -> pd.DataFrame:
    candles = sandbox_candles()
    return candles.assign(timestamp=change(candles["timestamp"]))


ACCEPTED = {
    "other column order": sandbox_candles()[
        ["close", "high", "low", "open", "volume", "timestamp"]
    ],
    "extra columns": sandbox_candles().assign(trades=7, note="x"),
    "local times with their zone": rewritten(lambda stamps: stamps.dt.tz_convert("+09:00")),
    "nanoseconds": rewritten(lambda stamps: stamps.dt.as_unit("ns")),
    "epoch milliseconds": rewritten(lambda stamps: stamps.astype("int64") // 1000),
    "epoch microseconds": rewritten(lambda stamps: stamps.astype("int64")),
    "capital column names": sandbox_candles().rename(columns=str.capitalize),
    "another name of the open time": sandbox_candles().rename(columns={"timestamp": "Open time"}),
    "iso text with Z": rewritten(lambda stamps: stamps.dt.strftime("%Y-%m-%dT%H:%M:%SZ")),
}


@pytest.mark.parametrize(
    ("what", "suffix"),
    [(what, suffix) for what in ACCEPTED for suffix in SUFFIXES if "text" not in what]
    + [("iso text with Z", "csv")],
)
def test_harmless_differences_are_brought_into_the_canonical_form(
    tmp_path: Path, what: str, suffix: str
) -> None:
    save(tmp_path, ACCEPTED[what], suffix)
    candles = read(ArchiveMarket(tmp_path))
    assert_same(candles, sandbox_candles())
    assert str(candles["timestamp"].dtype) == TIMESTAMP_DTYPE


@pytest.mark.parametrize(
    ("start", "end", "rows"),
    [
        (START, START + 24 * HOUR, slice(0, 24)),
        (START + HOUR, START + 3 * HOUR, slice(1, 3)),
        (START + HOUR / 2, START + 3 * HOUR / 2, slice(1, 2)),
        (START - 9 * HOUR, START + HOUR, slice(0, 1)),
        (START + 23 * HOUR, LATER, slice(23, 24)),
        (START, START, slice(0, 0)),
        (START + 2 * HOUR, START + HOUR, slice(0, 0)),
        (EVER, START, slice(0, 0)),
        (START + 24 * HOUR, LATER, slice(0, 0)),
    ],
)
def test_a_range_is_half_open_and_has_one_page_unless_it_is_empty(
    tmp_path: Path, start: datetime, end: datetime, rows: slice
) -> None:
    candles = sandbox_candles()
    save(tmp_path, candles)
    market = ArchiveMarket(tmp_path)
    assert_same(read(market, start=start, end=end), candles.iloc[rows].reset_index(drop=True))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_gaps_stay_gaps(tmp_path: Path, suffix: str) -> None:
    candles = sandbox_candles().drop(index=[3, 4, 9]).reset_index(drop=True)
    save(tmp_path, candles, suffix)
    assert_same(read(ArchiveMarket(tmp_path)), candles)


def test_what_a_caller_does_to_a_page_stays_with_the_caller(tmp_path: Path) -> None:
    save(tmp_path, sandbox_candles())
    market = ArchiveMarket(tmp_path)
    (page,) = market.pages(BTC_1H, EVER, LATER, LATER)
    page.candles.loc[:, "close"] = 0.0
    assert_same(read(market), sandbox_candles())


# ------------------------------------------------------------------------------ clock and horizon

LAST = START + 23 * HOUR


@pytest.mark.parametrize(
    ("now", "rows", "horizon"),
    [
        (LATER, 24, LAST + HOUR),
        (LAST + HOUR, 24, LAST + HOUR),
        (LAST + HOUR - timedelta(microseconds=1), 23, LAST),
        (LAST, 23, LAST),
        (LAST - timedelta(seconds=1), 22, LAST - HOUR),
        (START + HOUR, 1, START + HOUR),
    ],
)
def test_the_horizon_is_the_close_of_the_last_candle_that_is_closed_and_returned(
    tmp_path: Path, now: datetime, rows: int, horizon: datetime
) -> None:
    save(tmp_path, sandbox_candles())
    market = ArchiveMarket(tmp_path)
    assert_same(read(market, now=now), sandbox_candles().head(rows))
    assert market.horizon(BTC_1H, now) == horizon <= now


@pytest.mark.parametrize(
    ("name", "horizon"),
    [
        ("1w", datetime(2024, 3, 4, tzinfo=UTC)),
        ("1M", datetime(2024, 3, 1, tzinfo=UTC)),
        ("3d", datetime(2024, 3, 3, tzinfo=UTC)),
    ],
)
def test_the_horizon_follows_the_calendar(tmp_path: Path, name: str, horizon: datetime) -> None:
    series = Series("BTC/USDT", Timeframe(name))
    save(tmp_path, sandbox_candles(series, rows=1), series=series)
    assert ArchiveMarket(tmp_path).horizon(series, LATER) == horizon


@pytest.mark.parametrize("name", NAMES)
def test_without_a_closed_candle_the_horizon_is_before_any_but_can_be_calculated_with(
    tmp_path: Path, name: str
) -> None:
    series = Series("BTC/USDT", Timeframe(name))
    save(tmp_path, sandbox_candles(series, rows=3), series=series)
    market = ArchiveMarket(tmp_path)
    now = series.timeframe.floor(START) + timedelta(seconds=30)
    horizon = market.horizon(series, now)
    assert horizon < EVER
    assert series.timeframe.newest_closed(horizon) < horizon
    assert read(market, series, now=now).empty


# ------------------------------------------------------------------------------------ which file


@pytest.mark.parametrize("folder", [".", "gone"])
def test_a_missing_file_is_named_with_symbol_and_remedy(tmp_path: Path, folder: str) -> None:
    market = ArchiveMarket(tmp_path / folder)
    save(tmp_path, sandbox_candles(), series=Series("BTC/USDT", Timeframe("1m")))
    series = Series("ETH/USDT", Timeframe("1h"))
    with pytest.raises(SymbolUnavailable) as raised:
        read(market, series)
    message = str(raised.value)
    assert str(tmp_path / folder / "ETH_USDT_1h.parquet") in message
    assert "ETH_USDT_1h.csv" in message
    assert "ETH/USDT 1h" in message
    assert "take ETH/USDT out of COIN_SYMBOLS" in message
    assert isinstance(raised.value, PermanentError)
    assert market.horizon(series, LATER) == LATER  # so that somebody asks, and is told


def test_two_files_for_one_key_are_refused_even_if_they_agree(tmp_path: Path) -> None:
    paths = [save(tmp_path, sandbox_candles(), suffix) for suffix in SUFFIXES]
    with pytest.raises(SymbolUnavailable, match=r"Remove one") as raised:
        read(ArchiveMarket(tmp_path))
    assert all(str(path) in str(raised.value) for path in paths)
    paths[0].unlink()
    assert_same(read(ArchiveMarket(tmp_path)), sandbox_candles())


def test_a_folder_with_the_name_of_a_file_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "BTC_USDT_1h.parquet").mkdir()
    with pytest.raises(SymbolUnavailable, match="does not exist"):
        read(ArchiveMarket(tmp_path))


def test_minutes_are_not_taken_for_months(tmp_path: Path) -> None:
    save(tmp_path, sandbox_candles(Series("BTC/USDT", Timeframe("1m"))), series=BTC_1H)
    (tmp_path / "BTC_USDT_1h.parquet").rename(tmp_path / "BTC_USDT_1M.parquet")
    with pytest.raises(InvalidCandles, match=r"\[unaligned\]"):
        read(ArchiveMarket(tmp_path), Series("BTC/USDT", Timeframe("1M")))


# ------------------------------------------------------------------------------ what is refused


def with_cell(row: int, column: str, value: float) -> pd.DataFrame:
    candles = sandbox_candles()
    candles.loc[row, column] = value
    return candles


BROKEN = {
    "naive times": ("naive_timestamps", rewritten(lambda stamps: stamps.dt.tz_localize(None))),
    "unaligned": ("unaligned", rewritten(lambda stamps: stamps + timedelta(minutes=1))),
    "another zone's half hours": (
        "unaligned",
        rewritten(
            lambda stamps: stamps.dt.tz_localize(None).dt.tz_localize("+05:30").dt.as_unit("us")
        ),
    ),
    "newest first": ("order", sandbox_candles()[::-1]),
    "one row out of order": ("order", sandbox_candles().iloc[[0, 2, 1, *range(3, ROWS)]]),
    "a candle twice": ("duplicates", sandbox_candles().iloc[[0, 0, *range(1, ROWS)]]),
    "zero price": ("price_not_positive", with_cell(7, "low", 0.0)),
    "negative price": ("price_not_positive", with_cell(7, "low", -1.0)),
    "missing price": ("not_finite", with_cell(7, "close", float("nan"))),
    "infinite volume": ("not_finite", with_cell(7, "volume", float("inf"))),
    "high below close": ("ohlc", with_cell(7, "high", 1.0)),
    "negative volume": ("negative_volume", with_cell(7, "volume", -1.0)),
    "epoch seconds": (
        "implausible_times",
        rewritten(lambda stamps: stamps.astype("int64") // 1_000_000),
    ),
    "prices in words": ("not_numeric", sandbox_candles().assign(close="dear")),
    "missing volume": ("columns", sandbox_candles().drop(columns="volume")),
}


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("what", BROKEN)
def test_a_file_that_breaks_a_rule_is_refused_as_a_whole_with_rule_and_path(
    tmp_path: Path, what: str, suffix: str
) -> None:
    rule, candles = BROKEN[what]
    path = save(tmp_path, candles, suffix)
    market = ArchiveMarket(tmp_path)
    # Even where nothing or only good candles are asked for.
    for start, end in ((START, LATER), (EVER, EVER), (START + 20 * HOUR, LATER)):
        with pytest.raises(InvalidCandles) as refused:
            read(market, start=start, end=end)
        assert refused.value.rule == rule
        assert str(path) in str(refused.value)
        assert isinstance(refused.value, DataRefused)
    assert market.horizon(BTC_1H, LATER) == LATER  # so that somebody asks, and is told


HEADER = "timestamp,open,high,low,close,volume\n"
ROW = "2024-03-01T00:00:00Z,1,1,1,1,1\n"

RAW = {
    "empty parquet": ("parquet", b"", "unreadable"),
    "garbage in parquet": ("parquet", b"\x00\xffgarbage" * 50, "unreadable"),
    "csv called parquet": ("parquet", (HEADER + ROW).encode(), "unreadable"),
    "truncated parquet": ("parquet", b"PAR1" + b"\x00" * 50, "unreadable"),
    "empty csv": ("csv", b"", "unreadable"),
    "garbage in csv": ("csv", b"\x00\xff\xfe\x81garbage" * 50, "unreadable"),
    "parquet called csv": ("csv", b"PAR1\x15\x04\x15\x00", "unreadable"),
    "times of an unknown format": (
        "csv",
        (HEADER + ROW.replace("2024-03-01T00:00:00Z", "2024-03-01 10-AM")).encode(),
        "timestamp_type",
    ),
    "some times without a zone": (
        "csv",
        (HEADER + ROW + ROW.replace("00:00:00Z", "01:00:00")).encode(),
        "naive_timestamps",
    ),
    "a row without a time": (
        "csv",
        (HEADER + ROW + ROW.replace("2024-03-01T00:00:00Z", "")).encode(),
        "unaligned",
    ),
    "rows of different lengths": (
        "csv",
        (HEADER + ROW + "1,2,3,4,5,6,7,8\n").encode(),
        "unreadable",
    ),
    "no header row": ("csv", ROW.encode(), "columns"),
    "banner before the header": ("csv", ("made by x\n" + HEADER + ROW).encode(), "banner"),
    "decimal commas": (
        "csv",
        (HEADER + ROW.replace("1,1,1,1,1", '"1,5","1,5","1,5","1,5","1,5"')).encode(),
        "not_numeric",
    ),
}


@pytest.mark.parametrize("what", RAW)
def test_a_file_that_is_no_candle_file_is_refused_with_its_path(tmp_path: Path, what: str) -> None:
    suffix, content, rule = RAW[what]
    path = tmp_path / f"BTC_USDT_1h.{suffix}"
    path.write_bytes(content)
    with pytest.raises(InvalidCandles) as refused:
        read(ArchiveMarket(tmp_path))
    assert refused.value.rule == rule
    assert str(path) in str(refused.value)


@pytest.mark.parametrize("damaged_part", [slice(4, 400), slice(-400, -8), slice(-8, None)])
def test_a_damaged_parquet_file_is_refused_with_its_path(
    tmp_path: Path, damaged_part: slice
) -> None:
    path = save(tmp_path, sandbox_candles())
    content = bytearray(path.read_bytes())
    content[damaged_part] = b"\xff" * len(content[damaged_part])
    path.write_bytes(content)
    with pytest.raises(InvalidCandles, match=r"\[unreadable\]") as refused:
        read(ArchiveMarket(tmp_path))
    assert str(path) in str(refused.value)


def test_an_unreadable_file_is_refused_with_cause_and_expectation(tmp_path: Path) -> None:
    (tmp_path / "BTC_USDT_1h.parquet").write_bytes(b"garbage")
    with pytest.raises(InvalidCandles, match="Expected is a Parquet file, or a CSV") as refused:
        read(ArchiveMarket(tmp_path))
    assert refused.value.__cause__ is not None


# ------------------------------------------------------------------------------------- life cycle


def test_the_folder_is_looked_at_on_first_use_only(tmp_path: Path) -> None:
    market: Market = ArchiveMarket(tmp_path / "later")
    pages = market.pages(BTC_1H, EVER, LATER, LATER)
    (tmp_path / "later").mkdir()
    save(tmp_path / "later", sandbox_candles())
    (page,) = pages
    assert_same(page.candles, sandbox_candles())


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_changed_file_is_read_again(tmp_path: Path, suffix: str) -> None:
    market = ArchiveMarket(tmp_path)
    save(tmp_path, sandbox_candles(rows=3), suffix)
    assert market.horizon(BTC_1H, LATER) == START + 3 * HOUR
    save(tmp_path, sandbox_candles(rows=5), suffix)
    assert_same(read(market), sandbox_candles(rows=5))
    assert market.horizon(BTC_1H, LATER) == START + 5 * HOUR


def test_a_repaired_file_is_accepted(tmp_path: Path) -> None:
    market = ArchiveMarket(tmp_path)
    save(tmp_path, sandbox_candles()[::-1])
    with pytest.raises(InvalidCandles):
        read(market)
    save(tmp_path, sandbox_candles())
    assert_same(read(market), sandbox_candles())


def test_an_unchanged_file_is_read_once_until_the_market_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times_read: list[Path] = []

    def counted(path: Path, timeframe: Timeframe) -> pd.DataFrame:
        times_read.append(path)
        return read_candle_file(path, timeframe)

    monkeypatch.setattr("coin_assets.market.archive.read_candle_file", counted)
    path = save(tmp_path, sandbox_candles())
    market = ArchiveMarket(tmp_path)
    for expected in ([path], [path, path]):
        for _ in range(3):
            assert_same(read(market), sandbox_candles())
            market.horizon(BTC_1H, LATER)
        assert times_read == expected
        assert market.usage() == Usage(len(expected))
        market.close()


@pytest.fixture
def remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files count as settled after a moment."""
    monkeypatch.setattr(archive, "_REACHES", FileCache(100, settled=0.02))


def asked(folder: Path, now: datetime) -> tuple[datetime, Usage]:
    """The horizon of a new market, and what it took."""
    time.sleep(0.03)
    market = ArchiveMarket(folder)
    return market.horizon(BTC_1H, now), market.usage()


@pytest.mark.usefixtures("remembered")
def test_where_a_file_ends_is_known_to_all_markets_until_it_changes(tmp_path: Path) -> None:
    save(tmp_path, sandbox_candles(rows=3))
    assert asked(tmp_path, LATER) == (START + 3 * HOUR, Usage(1))
    assert [asked(tmp_path, LATER) for _ in range(2)] == [(START + 3 * HOUR, Usage())] * 2
    path = save(tmp_path, sandbox_candles(rows=5))
    assert asked(tmp_path, LATER) == (START + 5 * HOUR, Usage(1))
    path.write_bytes(b"damaged")
    assert [asked(tmp_path, LATER) for _ in range(2)] == [(LATER, Usage(1)), (LATER, Usage())]
    path.unlink()
    assert asked(tmp_path, LATER) == (LATER, Usage())


@pytest.mark.usefixtures("remembered")
@given(minutes=st.lists(st.integers(-90, 9 * 60), min_size=1, max_size=12))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
def test_a_remembered_end_is_right_at_any_time(
    tmp_path_factory: pytest.TempPathFactory, minutes: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("candles")
    candles = sandbox_candles(rows=8)
    save(folder, candles[~candles.index.isin([3, 4])])
    time.sleep(0.03)
    for each in minutes:
        now = START + timedelta(minutes=each)
        closes = [close for count in (1, 2, 3, 6, 7, 8) if (close := START + count * HOUR) <= now]
        expected = closes[-1] if closes else EPOCH
        assert ArchiveMarket(folder).horizon(BTC_1H, now) == expected


def test_the_factory_opens_an_archive_without_looking_at_it(tmp_path: Path) -> None:
    market = open_market("archive", str(tmp_path / "gone"))
    assert isinstance(market, ArchiveMarket)
    market.close()


# -------------------------------------------------------------------------------------- real data

END_OF_DATA = datetime(2025, 7, 1, tzinfo=UTC)


def test_the_oldest_candle_that_is_closed_is_the_listing(tmp_path: Path) -> None:
    save(tmp_path, sandbox_candles())
    market = ArchiveMarket(tmp_path)
    assert market.listed(BTC_1H, LATER) == START
    assert market.listed(BTC_1H, START + HOUR) == START
    assert market.listed(BTC_1H, START + HOUR / 2) is None


@requires_real_data
@pytest.mark.parametrize(
    ("name", "rows"), [("1h", 68_868), ("1d", 2_875), ("1w", 411), ("1M", 8), ("1m", 19_120)]
)
def test_real_candles_are_accepted_whole(name: str, rows: int) -> None:
    market = ArchiveMarket(REAL_DATA / "candles")
    series = Series("BTC/USDT", Timeframe(name))
    candles = read(market, series)
    assert len(candles) == rows
    assert_same(candles, real_candles("BTC/USDT", name))
    last = candles["timestamp"].iloc[-1].to_pydatetime()
    assert market.horizon(series, LATER) == series.timeframe.close_of(last) <= END_OF_DATA


DRIFTING = "BTC_1h_drifting_open_times.csv"
ZERO_ROWS = "BTC_1h_zero_rows_close_first.csv"
STALE_TAIL = "BTC_1d_stale_partial_tail.csv"
BANNER = "CDD_BTCUSDT_1h_newest_first_banner.csv"
NAIVE = "BTC_1m_KST_labelled_naive.parquet"

Repair = Callable[[pd.DataFrame], pd.DataFrame]


def offered(
    folder: Path, name: str, timeframe: str, *repairs: Repair
) -> tuple[ArchiveMarket, Series]:
    """A bad file under the name of a key: a copy, or what well-meaning hands made of it."""
    series = Series("BTC/USDT", Timeframe(timeframe))
    target = folder / f"{series.symbol_name}_{timeframe}{bad_file(name).suffix}"
    shutil.copyfile(bad_file(name), target)
    if repairs:
        frame = pd.read_csv(target)
        for repair in repairs:
            frame = repair(frame)
        frame.to_csv(target, index=False)
    return ArchiveMarket(folder), series


def named(frame: pd.DataFrame) -> pd.DataFrame:
    """With the column names of candles."""
    names = {name.capitalize(): name for name in VALUES}
    times = dict.fromkeys(("Open time", "open_time", "datetime"), "timestamp")
    return frame.rename(columns=names | times)


def dated(frame: pd.DataFrame) -> pd.DataFrame:
    """With times that say that they are UTC."""
    stamps = frame["timestamp"]
    unit: Literal["ms"] | None = "ms" if stamps.dtype == "int64" else None
    return frame.assign(timestamp=pd.to_datetime(stamps, unit=unit, utc=True))


@requires_real_data
@pytest.mark.parametrize(
    ("name", "timeframe", "repairs", "rule"),
    [
        (NAIVE, "1m", (), "naive_timestamps"),
        (BANNER, "1h", (), "banner"),
        (DRIFTING, "1h", (), "unaligned"),
        (DRIFTING, "1h", (named, dated), "unaligned"),
        (ZERO_ROWS, "1h", (), "price_not_positive"),
        (ZERO_ROWS, "1h", (named, dated), "price_not_positive"),
    ],
)
def test_bad_files_from_the_wild_are_refused_however_far_their_form_is_repaired(
    tmp_path: Path, name: str, timeframe: str, repairs: tuple[Repair, ...], rule: str
) -> None:
    market, series = offered(tmp_path, name, timeframe, *repairs)
    with pytest.raises(InvalidCandles) as refused:
        read(market, series)
    assert refused.value.rule == rule


@requires_real_data
@pytest.mark.parametrize(
    ("name", "message"),
    [
        (DRIFTING, "37294 of 37394 1h candles .* First offenders: 2018-01-04T06:05:00Z"),
        (ZERO_ROWS, "3316 of .* First offenders: 2017-04-01T00:00:00Z"),
    ],
)
def test_the_bad_candles_of_files_from_the_wild_are_counted_and_the_first_is_named(
    tmp_path: Path, name: str, message: str
) -> None:
    market, series = offered(tmp_path, name, "1h", named, dated)
    with pytest.raises(InvalidCandles, match=message):
        read(market, series)


@requires_real_data
def test_a_stale_tail_cannot_be_told_from_its_file_but_is_not_returned_before_its_close(
    tmp_path: Path,
) -> None:
    market, series = offered(tmp_path, STALE_TAIL, "1d", named)
    whole = read(market, series)
    last = whole["timestamp"].iloc[-1].to_pydatetime()
    noon = last + timedelta(hours=12)
    assert_same(read(market, series, now=noon), between(whole, EVER, last))
    assert market.horizon(series, noon) == last
