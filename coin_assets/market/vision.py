"""Binance Vision: paths and contents of its kline zips.

``data/spot/monthly/klines/BTCUSDT/1h/BTCUSDT-1h-2024-10.zip`` holds one CSV file of a month,
``data/spot/daily/...-2024-10-28.zip`` one of a day. Open times are milliseconds, from 2025 on
microseconds; a header row is optional.
"""

import io
import zipfile
import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import IO, Any

import pandas as pd
import pyarrow as pa
import pyarrow.csv

from coin_assets.domain.candles.frame import COLUMNS, empty_candles, validated
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe, next_month
from coin_assets.errors import InvalidCandles, SymbolUnavailable
from coin_assets.foreign_text import shortened
from coin_assets.market.candle_times import times_of_stamps

MONTHLY, DAILY = "monthly", "daily"
_HEADER = b"open_time,open,high,low,close,volume"
_TYPES = {f"f{column}": pa.int64() if column == 0 else pa.float64() for column in range(6)}
_BLOCK_BYTES = 1 << 18  # stays in the processor's cache
_MOST_ROW_BYTES = 512  # three times the longest ones
_MOST_OTHER_BYTES = 1 << 16  # header row, names and directory of the zip
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others expand without a limit
_MOST_ENTRIES = 16
_ENTRY = b"PK\x01\x02"  # begins each member in a zip's directory
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class KlineFile:
    """One zip: path below the archive's base, and range ``[start, end)`` of its opens."""

    name: str
    start: datetime
    end: datetime


def has_name(symbol: str) -> bool:
    """Whether ``symbol`` has the form of Vision's symbols."""
    base, _, quote = symbol.partition("/")
    return all(part.isalnum() and part == part.upper() for part in (base, quote))


def folder_of(series: Series, period: str) -> str:
    """Folder of the monthly or daily files of ``series``."""
    return f"data/spot/{period}/klines/{_symbol(series)}/{_interval(series)}"


def monthly_file(series: Series, month: datetime) -> KlineFile:
    """File of a whole month.

    Raises:
        SymbolUnavailable: the symbol has no name in Vision.
    """
    stem = f"{_symbol(series)}-{_interval(series)}-{month:%Y-%m}"
    return KlineFile(f"{folder_of(series, MONTHLY)}/{stem}.zip", month, next_month(month))


def daily_files(series: Series, month: datetime) -> list[KlineFile]:
    """Files of the days of ``month``; none for candles longer than a day.

    Raises:
        SymbolUnavailable: the symbol has no name in Vision.
    """
    if series.timeframe.seconds > _DAY.total_seconds():
        return []
    stem = f"{folder_of(series, DAILY)}/{_symbol(series)}-{_interval(series)}"
    days = [month + _DAY * count for count in range((next_month(month) - month).days)]
    return [KlineFile(f"{stem}-{day:%Y-%m-%d}.zip", day, day + _DAY) for day in days]


def read_klines(content: bytes, file: KlineFile, timeframe: Timeframe) -> pd.DataFrame:
    """Candles in the zip ``content``.

    Raises:
        InvalidCandles: the zip cannot be read, or a candle breaks the contract or lies outside
            the file's month or day.
    """
    text = _only_member(content, file, timeframe)
    if not _head(text).strip():
        return empty_candles()
    candles = validated(_parsed(text, file.name), timeframe, file.name)
    stamps = candles["timestamp"]  # ascending
    if len(stamps) and (stamps.iloc[0] < file.start or stamps.iloc[-1] >= file.end):
        outside = stamps[(stamps < file.start) | (stamps >= file.end)]
        raise InvalidCandles(
            "outside_file",
            f"{file.name}: {len(outside)} of {len(candles)} candles do not open in "
            f"[{file.start:%Y-%m-%d}, {file.end:%Y-%m-%d}), as its name says. It may be of "
            "another period, or of another time zone; get it again.",
            tuple(f"{stamp:%Y-%m-%dT%H:%M:%SZ}" for stamp in outside.head(3)),
        )
    return candles


def kline_rows(content: bytes, file: KlineFile, timeframe: Timeframe) -> bytes:
    """Rows of a zip as text between two line breaks, without the header row.

    Raises:
        InvalidCandles: the zip cannot be read.
    """
    text: bytes = _only_member(content, file, timeframe).to_pybytes().strip()
    rows = text if text[:1].isdigit() else text.partition(b"\n")[2]
    return b"\n" + rows + b"\n"


def _symbol(series: Series) -> str:
    # No other character may reach a path or an address.
    if not has_name(series.symbol):
        raise SymbolUnavailable(
            f"{series.symbol} has no name in a Binance Vision archive; symbols there are written "
            "like BTC/USDT, in capitals and digits or letters without case. Correct COIN_SYMBOLS."
        )
    return series.symbol.replace("/", "")


def _interval(series: Series) -> str:
    # Vision uses mo for months, which differs from m on file systems that ignore case.
    return series.timeframe.name.replace("M", "mo")


def _only_member(content: bytes, file: KlineFile, timeframe: Timeframe) -> Any:
    """The text in a zip, as an Arrow buffer; no longer than the candles of its period can be."""
    name = file.name
    most = timeframe.count(file.start, file.end) * _MOST_ROW_BYTES + _MOST_OTHER_BYTES
    try:
        if len(content) > most or content.count(_ENTRY) > _MOST_ENTRIES:
            raise zipfile.BadZipFile("it is longer or has more members than a file of candles")
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            if len(members) != 1 or not members[0].filename.endswith(".csv"):
                shown = shortened(", ".join(archive.namelist()[:5]), 200)
                raise InvalidCandles(
                    "unreadable", f"{name} holds {shown!r}; exactly one CSV file is expected."
                )
            if members[0].compress_type not in _PACKED:
                raise zipfile.BadZipFile("it is packed in another way than deflate")
            with archive.open(members[0]) as member:
                return _read_whole(member, members[0].file_size, most)
    except (zipfile.BadZipFile, zlib.error, OSError, RuntimeError, EOFError) as error:
        # RuntimeError: the zip is encrypted, or its compression is not supported.
        raise InvalidCandles(
            "unreadable", f"{name} is no zip file that can be read ({error}). Get it again."
        ) from error


def _read_whole(member: IO[bytes], size: int, most: int) -> Any:
    """The ``size`` bytes of ``member``, in a buffer of Arrow: a quarter less time."""
    if size > most:
        raise zipfile.BadZipFile(f"it would be {size} bytes long, of {most} that candles can take")
    text = pa.allocate_buffer(size)
    view, filled = memoryview(text).cast("B"), 0
    while piece := member.read(_BLOCK_BYTES):  # the last one checks the CRC
        if filled + len(piece) > size:
            raise zipfile.BadZipFile("it is longer than it says")
        view[filled : filled + len(piece)] = piece
        filled += len(piece)
    return text.slice(0, filled)


def _head(text: Any) -> bytes:
    head: bytes = text.slice(0, min(text.size, 300)).to_pybytes()
    return head


def _parsed(text: Any, name: str) -> pd.DataFrame:
    first = _head(text).lstrip().partition(b"\n")[0]
    with_header = not first[:1].isdigit()
    if with_header and not first.startswith(_HEADER):
        raise InvalidCandles(
            "columns",
            f"{name} begins with {first[:60].decode('ascii', 'replace')!r}; expected are klines, "
            f"with a header that begins with {_HEADER.decode()}, or without any.",
        )
    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(text),
            read_options=pyarrow.csv.ReadOptions(
                autogenerate_column_names=True, skip_rows=int(with_header), block_size=_BLOCK_BYTES
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                include_columns=list(_TYPES), column_types=_TYPES
            ),
        )
    except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
        if with_header and b"\n" not in text.to_pybytes().strip():
            return empty_candles()
        raise InvalidCandles(
            "unreadable", f"{name} cannot be read as klines ({error}). Get it again."
        ) from error
    columns: dict[str, Any] = {
        column: values.to_numpy() for column, values in zip(COLUMNS, table.columns, strict=True)
    }
    columns["timestamp"] = times_of_stamps(pd.Series(columns["timestamp"]), name)
    return pd.DataFrame(columns, copy=False)
