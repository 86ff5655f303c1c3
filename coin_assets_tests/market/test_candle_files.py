"""Which candle files are read, and by which rule, with which cause, all others are refused.

- Our columns, Vision's and their synonyms give the same candles to the last bit; times may be ISO
  text with zone, or milliseconds and microseconds, each row by its magnitude.
- A header without rows is no candles.
- Each bad file from the wild is refused for the reason that its README names, or accepted where
  nothing in it can tell.
"""

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from coin_assets.domain.candles.frame import VALUES, empty_candles
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import NAMES, Timeframe
from coin_assets.errors import InvalidCandles, MachineFault
from coin_assets.market.candle_files import read_candle_file
from coin_assets.market.sandbox import SandboxMarket
from coin_assets_tests.realdata import REAL_DATA, bad_file, real_candles, requires_real_data

START = datetime(2024, 2, 29, 20, tzinfo=UTC)
HOUR = Timeframe("1h")
SUFFIXES = ["csv", "parquet"]
Change = Callable[[pd.DataFrame], pd.DataFrame]


def sandbox_candles(timeframe: Timeframe = HOUR, rows: int = 24) -> pd.DataFrame:
    start = timeframe.floor(START)
    end = timeframe.shift(start, rows)
    pages = SandboxMarket().pages(Series("BTC/USDT", timeframe), start, end, end)
    candles = pd.concat([page.candles for page in pages], ignore_index=True)
    candles[VALUES] = candles[VALUES] / 3.0  # so that decimals need all their digits
    return candles


def save(folder: Path, frame: pd.DataFrame, suffix: str) -> Path:
    path = folder / f"BTC.{suffix}"
    if suffix == "csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path, index=False)
    return path


def assert_same(left: pd.DataFrame, right: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(left, right, check_exact=True)


def refused(path: Path, timeframe: Timeframe = HOUR) -> InvalidCandles:
    with pytest.raises(InvalidCandles) as refusal:
        read_candle_file(path, timeframe)
    assert str(path) in str(refusal.value)
    return refusal.value


def epoch(frame: pd.DataFrame, unit: str) -> "pd.Series[int]":
    return pd.Series(pd.DatetimeIndex(frame["timestamp"]).as_unit("ns").asi8 // PER_NANO[unit])


PER_NANO = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


def timed(unit: str, name: str = "timestamp") -> Change:
    return lambda frame: frame.assign(timestamp=epoch(frame, unit)).rename(
        columns={"timestamp": name}
    )


def switched(first: str, then: str) -> Change:
    """Half of the times in one unit, half in another."""
    return lambda frame: frame.assign(
        timestamp=epoch(frame, first).where(frame.index < 12, epoch(frame, then))
    )


def closing(unit: str, early_micros: int, hours: int = 1) -> Change:
    """With close times that lie so long before the end of the candle."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        later = timedelta(hours=hours) - timedelta(microseconds=early_micros)
        closes = frame.assign(timestamp=frame["timestamp"] + later)
        return frame.assign(close_time=epoch(closes, unit))

    return change


def texts(form: str) -> Change:
    return lambda frame: frame.assign(timestamp=frame["timestamp"].dt.strftime(form))


# ------------------------------------------------------------------------------- what is accepted

ACCEPTED: dict[str, Change] = {
    "our columns": lambda frame: frame,
    "any order": lambda frame: frame[["close", "high", "low", "open", "volume", "timestamp"]],
    "further columns": lambda frame: frame.assign(trades=3, note="x", datetime="any", date="any"),
    "capitals": lambda frame: frame.rename(columns=str.capitalize),
    "open_time": lambda frame: frame.rename(columns={"timestamp": "open_time"}),
    "Open time": lambda frame: frame.rename(columns={"timestamp": "Open time"}),
    "datetime": lambda frame: frame.rename(columns={"timestamp": "datetime"}),
    "Seoul time with zone": lambda frame: frame.assign(
        timestamp=frame["timestamp"].dt.tz_convert("Asia/Seoul")
    ),
    "nanosecond type": lambda frame: frame.assign(timestamp=frame["timestamp"].dt.as_unit("ns")),
    "ISO text with Z": texts("%Y-%m-%dT%H:%M:%SZ"),
    "ISO text with offset": texts("%Y-%m-%d %H:%M:%S+00:00"),
    "ISO text with fractions": texts("%Y-%m-%dT%H:%M:%S.000Z"),
    "milliseconds": timed("ms"),
    "microseconds": timed("us", "open_time"),
    "milliseconds, then microseconds": switched("ms", "us"),
    "microseconds, then milliseconds": switched("us", "ms"),
    "closes a millisecond early": closing("ms", 1000),
    "closes a microsecond early": closing("us", 1),
    "closes on the boundary": closing("ms", 0),
    "closes a second early": closing("ms", 1_000_000),
}


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("what", ACCEPTED)
def test_accepted_forms_give_the_same_candles_to_the_last_bit(
    tmp_path: Path, what: str, suffix: str
) -> None:
    path = save(tmp_path, ACCEPTED[what](sandbox_candles()), suffix)
    assert_same(read_candle_file(path, HOUR), sandbox_candles())


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", NAMES)
def test_candles_of_every_timeframe_are_read(tmp_path: Path, name: str, suffix: str) -> None:
    candles = sandbox_candles(Timeframe(name))
    assert_same(read_candle_file(save(tmp_path, candles, suffix), Timeframe(name)), candles)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_header_without_rows_is_refused(tmp_path: Path, suffix: str) -> None:
    path = save(tmp_path, empty_candles(), suffix)
    with pytest.raises(InvalidCandles, match="has a header and no candles; fill it") as refused:
        read_candle_file(path, HOUR)
    assert refused.value.rule == "empty"


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path: Path) -> None:
    path = tmp_path / "BTC.csv"
    sandbox_candles().to_csv(path, index=False, encoding="utf-8-sig")
    assert_same(read_candle_file(path, HOUR), sandbox_candles())


def test_blank_lines_before_the_header_are_no_banner(tmp_path: Path) -> None:
    path = tmp_path / "BTC.csv"
    path.write_text("\n\n" + sandbox_candles().to_csv(index=False))
    assert_same(read_candle_file(path, HOUR), sandbox_candles())


def test_text_that_reads_as_numbers_is_the_business_of_csv_only(tmp_path: Path) -> None:
    candles = sandbox_candles().astype({"open": str})
    assert_same(read_candle_file(save(tmp_path, candles, "csv"), HOUR), sandbox_candles())
    assert refused(save(tmp_path, candles, "parquet")).rule == "not_numeric"


# -------------------------------------------------------------------------------- what is refused


def last_close_early(frame: pd.DataFrame) -> pd.DataFrame:
    frame = closing("ms", 1000)(frame)
    return frame.assign(close_time=frame["close_time"].where(frame.index < 23, epoch(frame, "ms")))


def some_naive(frame: pd.DataFrame) -> pd.DataFrame:
    stamps = frame["timestamp"].astype(str)
    return frame.assign(timestamp=stamps.where(frame.index != 5, "2024-03-01 01:00:00"))


# what -> (change, rule, words of the likely cause)
REFUSED: dict[str, tuple[Change, str, str]] = {
    "seconds": (timed("s"), "implausible_times", "24 in seconds"),
    "nanosecond numbers": (timed("ns"), "implausible_times", "24 in nanoseconds"),
    "milliseconds, then seconds": (switched("ms", "s"), "mixed_units", "12 in seconds"),
    "seconds, then microseconds": (switched("s", "us"), "mixed_units", "12 in seconds"),
    "seconds taken for milliseconds": (
        lambda frame: frame.assign(
            timestamp=pd.to_datetime(epoch(frame, "s"), unit="ms", utc=True)
        ),
        "implausible_times",
        "epoch seconds were read as milliseconds",
    ),
    "no zone": (
        lambda frame: frame.assign(timestamp=frame["timestamp"].dt.tz_localize(None)),
        "naive_timestamps",
        "tz_localize",
    ),
    "ISO text without zone": (texts("%Y-%m-%dT%H:%M:%S"), "naive_timestamps", "tz_localize"),
    "days without hour": (texts("%Y-%m-%d"), "naive_timestamps", "tz_localize"),
    "some times without zone": (some_naive, "naive_timestamps", "two sources were joined"),
    "a format of its own": (texts("%Y-%m-%d %I-%p"), "timestamp_type", "unknown time format"),
    "milliseconds with fraction": (
        lambda frame: frame.assign(timestamp=epoch(frame, "ms") + 0.5),
        "unaligned",
        "",
    ),
    "newest first": (lambda frame: frame[::-1], "order", "newest first"),
    "words for prices": (lambda frame: frame.assign(open="dear"), "not_numeric", "words"),
    "truth for prices": (lambda frame: frame.assign(open=True), "not_numeric", ""),
    "no volume": (lambda frame: frame.drop(columns="volume"), "columns", "other column names"),
    "no time": (lambda frame: frame.drop(columns="timestamp"), "columns", "other column names"),
    "a date column": (
        lambda frame: frame.rename(columns={"timestamp": "date"}),
        "columns",
        "other column names",
    ),
    "two synonyms": (
        lambda frame: frame.rename(columns={"timestamp": "datetime"}).assign(
            open_time=epoch(frame, "ms")
        ),
        "columns",
        "",
    ),
    "two opens": (lambda frame: frame.assign(Open=frame["open"]), "columns", ""),
    "closes after the end": (closing("ms", -1000), "close_time", "no 1h candles"),
    "closes of other candles": (closing("ms", 1, hours=4), "close_time", "no 1h candles"),
    "the last candle not closed": (last_close_early, "close_time", "still running"),
    "closes in seconds": (closing("s", 0), "implausible_times", "24 in seconds"),
    "days offered as hours": (
        lambda _frame: sandbox_candles(Timeframe("1d")),
        "wrong_timeframe",
        "these are 1d candles",
    ),
}


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("what", REFUSED)
def test_other_files_are_refused_with_rule_and_likely_cause(
    tmp_path: Path, what: str, suffix: str
) -> None:
    change, rule, cause = REFUSED[what]
    refusal = refused(save(tmp_path, change(sandbox_candles()), suffix))
    assert refusal.rule == rule
    assert cause in (refusal.cause or "")
    if rule != "columns":
        assert 1 <= len(refusal.offenders) <= 3


HEADER = "timestamp,open,high,low,close,volume\n"
ROW = "2024-03-01T00:00:00Z,1,1,1,1,1\n"


@pytest.mark.parametrize(
    ("content", "rule", "words"),
    [
        (b"", "unreadable", "Expected is a Parquet file, or a CSV"),
        (b"\x00\xff\xfe\x81garbage" * 50, "unreadable", "cannot be read"),
        ((HEADER + ROW + "1,2,3,4,5,6,7,8\n").encode(), "unreadable", "cannot be read"),
        ((HEADER + "x," + ROW).encode(), "unreadable", "more fields than the header"),
        (ROW.encode(), "columns", "there is no header row"),
        (b"1730073600000,1,1,1,1,1,1730077199999\n", "columns", "there is no header row"),
        (("made by x\n" + HEADER + ROW).encode(), "banner", "header is line 2"),
        (("a\nb,c\n\n" + HEADER + ROW).encode(), "banner", "header is line 4"),
        (("a\n" * 9 + HEADER + ROW).encode(), "unreadable", "Expected 1 fields"),
        ((HEADER + ROW.replace("1,1,1", '"1,5",1,1')).encode(), "not_numeric", "commas"),
        ((HEADER.replace("close", "open") + ROW).encode(), "columns", "['close'] are missing"),
        ((HEADER.replace("\n", ",open\n") + ROW).encode(), "columns", "more than once"),
        ((HEADER + ROW.replace("2024-03-01T00:00:00Z", "")).encode(), "unaligned", "no open time"),
        (
            (HEADER + ROW + ROW.replace("2024-03-01T00:00:00Z", "")).encode(),
            "unaligned",
            "no open time",
        ),
    ],
)
def test_what_is_no_candle_csv_is_refused(
    tmp_path: Path, content: bytes, rule: str, words: str
) -> None:
    path = tmp_path / "BTC.csv"
    path.write_bytes(content)
    refusal = refused(path)
    assert refusal.rule == rule
    assert words in str(refusal)


def test_what_is_no_parquet_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "BTC.parquet"
    path.write_bytes((HEADER + ROW).encode())
    assert refused(path).rule == "unreadable"


def test_a_parquet_file_damaged_anywhere_gives_no_other_error(tmp_path: Path) -> None:
    content = save(tmp_path, sandbox_candles(), "parquet").read_bytes()
    path = tmp_path / "damaged.parquet"
    for at in range(0, len(content), 37):
        path.write_bytes(content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :])
        with suppress(InvalidCandles):  # a flipped bit of a value may well leave a legal candle
            read_candle_file(path, HOUR)


def test_times_in_the_index_of_a_parquet_file_are_no_column_and_the_cause_says_so(
    tmp_path: Path,
) -> None:
    path = tmp_path / "BTC.parquet"
    sandbox_candles().set_index("timestamp").to_parquet(path)
    assert "are the index" in (refused(path).cause or "")


# --------------------------------------------------------------------------- files from the wild


@requires_real_data
@pytest.mark.parametrize(
    ("name", "timeframe", "rule", "words"),
    [
        (
            "BTC_1m_KST_labelled_naive.parquet",
            "1m",
            "naive_timestamps",
            ["56161 timestamps carry no time zone", "2026-06-01 00:00:00", "UTC+9"],
        ),
        (
            "CDD_BTCUSDT_1h_newest_first_banner.csv",
            "1h",
            "banner",
            [
                "the header is line 2",
                "CryptoDataDownload",
                "newest first (order)",
                "'2019-07-24 10-AM' are in an unknown time format",
                "column volume is missing (it has Date",
            ],
        ),
        (
            "BTC_1h_drifting_open_times.csv",
            "1h",
            "unaligned",
            [
                "37294 of 37394",
                "Also broken: ohlc (1972 rows)",
                "First offenders: 2018-01-04T06:05:00Z open=14909.21",
                "open times drift: from 2018-01-04 06:05, after a break of 3:05:00",
            ],
        ),
        (
            "BTC_1h_zero_rows_close_first.csv",
            "1h",
            "price_not_positive",
            [
                "3316 of 27956",
                "carry no time zone",
                "First offenders: 2017-04-01T00:00:00Z open=0",
                "3316 zero rows from 2017-04-01 00:00 to 2017-08-17 03:00, before the listing",
            ],
        ),
    ],
)
def test_bad_files_are_refused_for_what_is_wrong_with_them(
    name: str, timeframe: str, rule: str, words: list[str]
) -> None:
    refusal = refused(bad_file(name), Timeframe(timeframe))
    assert refusal.rule == rule
    assert [each for each in words if each not in str(refusal)] == []


@requires_real_data
def test_a_stale_tail_cannot_be_told_from_its_file_alone() -> None:
    path = bad_file("BTC_1d_stale_partial_tail.csv")
    candles = read_candle_file(path, Timeframe("1d"))
    assert candles["close"].tolist() == pd.read_csv(path)["close"].tolist()


@requires_real_data
def test_close_times_that_switch_to_microseconds_are_read_whole() -> None:
    path = REAL_DATA / "raw" / "vision_BTCUSDT_1d_ms_then_us.csv"
    candles = read_candle_file(path, Timeframe("1d"))
    assert len(candles) == len(path.read_text().splitlines()) - 1
    known = real_candles("BTC/USDT", "1d")
    both = candles[candles["timestamp"].isin(known["timestamp"])].reset_index(drop=True)
    assert len(both) == len(known)
    assert (both["close"] == known["close"]).all()


@requires_real_data
@pytest.mark.parametrize("path", sorted((REAL_DATA / "candles").glob("*.parquet")), ids=str)
def test_good_files_are_read(path: Path) -> None:
    candles = read_candle_file(path, Timeframe(path.stem.rsplit("_", 1)[1]))
    assert len(candles) == len(pd.read_parquet(path))


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("number", [errno.EIO, errno.EMFILE, errno.EACCES])
def test_a_file_that_the_machine_cannot_read_is_no_bad_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, number: int
) -> None:
    path = tmp_path / f"BTC_USDT_1h.{suffix}"
    path.touch()

    def failing(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "stat", failing)
    with pytest.raises(MachineFault, match=errno.errorcode[number]) as raised:
        read_candle_file(path, HOUR)
    assert str(path) in str(raised.value)
