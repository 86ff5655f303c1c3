"""Flat files of an archive that are longer than candles of their timeframe can be."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coin_assets.domain.timeframes import Timeframe
from coin_assets.errors import InvalidCandles
from coin_assets.market import candle_files
from coin_assets.market.archive import ArchiveMarket
from coin_assets.market.candle_files import read_candle_file
from coin_assets_tests.platform import series, utc

HEADER = "timestamp,open,high,low,close,volume\n"
ROW = "2024-01-01T00:00:00Z,2,3,1,2,5\n"
NOW = utc("2024-02-01")
DAYS = Timeframe("1d")  # 33,237 between the first coin and 2100
TOO_MANY = 40_000


def sparse(path: Path) -> None:
    """2 TB by its length, and nothing on the disk."""
    path.write_text(HEADER + ROW)
    with path.open("ab") as file:
        file.truncate(2 << 40)


def of_rows(path: Path) -> None:
    path.write_text(HEADER + "1,1,1,1,1,1\n" * TOO_MANY)


def of_columns(path: Path) -> None:
    names = ",".join(f"c{number}" for number in range(300))
    path.write_text(f"{HEADER.strip()},{names}\n{ROW}")


def parquet_of_rows(path: Path) -> None:
    names = HEADER.strip().split(",")
    pq.write_table(pa.table([pa.array(np.ones(TOO_MANY))] * len(names), names), path)


def parquet_of_columns(path: Path) -> None:
    pq.write_table(pa.table({f"c{number}": [1.0] for number in range(300)}), path)


def parquet_that_expands(path: Path) -> None:
    text = pa.array(["x" * (1 << 20)] * 20)
    pq.write_table(pa.table({"timestamp": text}), path, use_dictionary=False, compression="zstd")


FILES: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "a sparse file": (
        "csv",
        sparse,
        r"has 2,199,023,255,552 bytes or more; .* at most 17,017,344\.",
    ),
    "many rows": ("csv", of_rows, r"has 33,238 rows or more; .* at most 33,237\."),
    "many columns": ("csv", of_columns, "has 306 columns or more; .* at most 256"),
    "a sparse Parquet file": ("parquet", sparse, "bytes or more"),
    "many rows of Parquet": ("parquet", parquet_of_rows, "has 40,000 rows or more"),
    "many columns of Parquet": ("parquet", parquet_of_columns, "has 300 columns or more"),
    "a bomb": ("parquet", parquet_that_expands, r"has 2\d,\d+,\d+ bytes when expanded or more"),
}


@pytest.mark.parametrize("what", FILES)
def test_a_file_longer_than_candles_can_be_is_refused_and_not_read(
    tmp_path: Path, what: str
) -> None:
    suffix, write, words = FILES[what]
    path = tmp_path / f"BTC_USDT_1d.{suffix}"
    write(path)
    began = time.process_time()
    with pytest.raises(InvalidCandles, match=words) as refused:
        read_candle_file(path, DAYS)
    assert time.process_time() - began < 1
    assert refused.value.rule == "too_long"
    assert str(refused.value).startswith(f"[too_long] {path} has ")
    assert "use a folder of zips by month" in str(refused.value)


def test_a_refused_file_is_of_its_symbol_alone(tmp_path: Path) -> None:
    sparse(tmp_path / "BTC_USDT_1d.csv")
    (tmp_path / "ETH_USDT_1d.csv").write_text(HEADER + ROW)
    market = ArchiveMarket(tmp_path)
    start = utc("2024-01-01")
    with pytest.raises(InvalidCandles, match=r"BTC_USDT_1d\.csv has"):
        list(market.pages(series("1d"), start, NOW, NOW))
    assert market.horizon(series("1d"), NOW) == NOW  # the task that reads it fails with the reason
    (page,) = market.pages(series("1d", "ETH/USDT"), start, NOW, NOW)
    assert len(page.candles) == 1


def test_all_minutes_since_2017_are_within_the_limits() -> None:
    """560 MB: a row with all columns of Binance Vision has 115 bytes."""
    minutes = Timeframe("1m").count(utc("2017-08-17"), utc("2026-12-01"))
    assert minutes <= candle_files._MOST_ROWS
    assert minutes * 115 <= candle_files._MOST_BYTES


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_file_of_the_most_rows_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    path = tmp_path / f"BTC_USDT_1d.{suffix}"
    opens = pd.date_range("2024-01-01", periods=50, freq="D", tz="UTC")
    frame = pd.DataFrame({"timestamp": opens, "open": 2.0, "high": 3.0, "low": 1.0, "close": 2.0})
    frame["volume"] = 5.0
    if suffix == "csv":
        frame["timestamp"] = frame["timestamp"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path, index=False)
    monkeypatch.setattr(candle_files, "_MOST_ROWS", 50)
    assert len(read_candle_file(path, DAYS)) == 50
    monkeypatch.setattr(candle_files, "_MOST_ROWS", 49)
    with pytest.raises(InvalidCandles, match=r"has 50 rows or more; .* at most 49"):
        read_candle_file(path, DAYS)
