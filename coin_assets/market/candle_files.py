"""Reader of flat candle files: Parquet or CSV, accepted or refused as a whole.

Required columns, in any order and case, with spaces read as underscores:

- ``open``, ``high``, ``low``, ``close``, ``volume``: numbers, volume in base units;
- the open time as ``timestamp`` or, where that is absent, as ``open_time`` or ``datetime``:
  date-times or ISO 8601 text with zone, or whole milliseconds or microseconds since 1970, each row
  by its magnitude (Binance changed the unit on 2025-01-01);
- optionally ``close_time``, in the same forms, which must be the end of each candle or up to a
  second before it.

Further columns are ignored. The reader guesses nothing: seconds, nanoseconds, a banner line, a
missing header, times without zone, other separators than commas and other kinds of files are
refused with the likely cause. So is a file that is longer than candles of its timeframe can be.
"""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from coin_assets.domain.candles.diagnosis import diagnose
from coin_assets.domain.candles.frame import (
    EARLIEST,
    LATEST,
    TIMESTAMP_DTYPE,
    VALUES,
    require_plausible_times,
    validated,
)
from coin_assets.domain.candles.time_diagnosis import spacing
from coin_assets.domain.timeframes import Timeframe, as_micros
from coin_assets.errors import InvalidCandles
from coin_assets.files.faults import machine_fault
from coin_assets.foreign_text import shortened
from coin_assets.market.candle_text import TIME_NAMES, header_of, normal
from coin_assets.market.candle_times import read_times
from coin_assets.market.file_kinds import other_kind

# All minutes of 19 years; those from 2017 to 2026 take 560 MB with all columns of Binance Vision.
_MOST_ROWS, _MOST_BYTES = 10_000_000, 1 << 30
_MOST_ROW_BYTES = 512  # three times the longest ones
_MOST_COLUMNS = 256
_REASON = 200  # characters of a library's message
_VALUE_RULES = {"not_finite", "price_not_positive", "ohlc", "negative_volume"}
_TOLERANCE_MICROS = 1_000_000


def read_candle_file(path: Path, timeframe: Timeframe) -> pd.DataFrame:
    """Candles of a file in canonical form.

    Raises:
        InvalidCandles: the file cannot be read, or breaks the contract. Rules beyond those of
            `validated` are unreadable, too_long, empty, banner, mixed_units, implausible_times,
            wrong_timeframe and close_time.
    """
    most_rows = min(timeframe.count(EARLIEST, LATEST), _MOST_ROWS)
    frame = _renamed(_read(path, most_rows), path)
    if frame.empty:
        raise InvalidCandles(
            "empty", f"{path} has a header and no candles; fill it, or delete it and its symbol."
        )
    stamps = read_times(frame["timestamp"], str(path))
    if pd.api.types.is_datetime64_any_dtype(stamps):
        if getattr(stamps.dt, "tz", None) is None:
            _refuse_naive(frame.assign(timestamp=stamps), timeframe, path)
        require_plausible_times(stamps, str(path))
    candles = validated(frame.assign(timestamp=stamps), timeframe, str(path))
    _require_spacing(candles, timeframe, path)
    if "close_time" in frame:
        closes = read_times(frame["close_time"], f"{path}, close_time").reset_index(drop=True)
        _require_closes(candles, closes, timeframe, path)
    return candles


def _read(path: Path, most_rows: int) -> pd.DataFrame:
    most_bytes = min(most_rows * _MOST_ROW_BYTES, _MOST_BYTES)
    kind = None
    try:
        _require_fewer(path.stat().st_size, most_bytes, "bytes", path)
        if path.suffix == ".parquet":
            footer = pq.read_metadata(path)
            groups = [footer.row_group(group) for group in range(footer.num_row_groups)]
            _require_fewer(footer.num_rows, most_rows, "rows", path)
            _require_fewer(footer.num_columns, _MOST_COLUMNS, "columns", path)
            expanded = sum(group.total_byte_size for group in groups)
            _require_fewer(expanded, most_bytes, "bytes when expanded", path)
            return pd.read_parquet(path)
        kind = other_kind(path)
        if kind is None:
            header = header_of(path)
            _require_fewer(len(header), _MOST_COLUMNS, "columns", path)
            frame = pd.read_csv(path, low_memory=False, nrows=most_rows + 1)
            _require_fewer(len(frame), most_rows, "rows", path)
            if isinstance(frame.index, pd.RangeIndex):
                return frame.set_axis(header, axis=1)  # pandas renames the second of equal names
    # A damaged Parquet file can lack anything, even keys of its own description.
    except (ValueError, OSError, LookupError, TypeError, csv.Error, pa.ArrowException) as error:
        if (fault := machine_fault(error, path)) is not None:
            raise fault from error
        raise _unreadable(
            path, f" ({shortened(str(error), _REASON)})", _cause(path, error)
        ) from error
    if kind is not None:
        raise _unreadable(path, "", kind)
    # pandas read the first column as row names, which shifts all others.
    fields = _first_row(frame)
    raise InvalidCandles(
        "unreadable",
        f"{path}: rows have more fields than the header, so values have no sure column.",
        (",".join(fields),),
        _more_fields_cause(len(fields) - len(frame.columns), fields),
    )


def _require_fewer(found: int, most: int, what: str, path: Path) -> None:
    if found > most:
        raise InvalidCandles(
            "too_long",
            f"{path} has {found:,} {what} or more; a file of such candles has at most {most:,}. It "
            "is not read. Leave out other columns and the oldest candles, or use a folder of "
            "zips by month (Binance Vision).",
        )


def _cause(path: Path, error: Exception) -> str | None:
    if path.suffix == ".parquet":
        return other_kind(path) if path.is_file() else None
    if isinstance(error, UnicodeDecodeError):
        return "the text is not UTF-8; save it as UTF-8"
    return None


def _unreadable(path: Path, reason: str, cause: str | None) -> InvalidCandles:
    return InvalidCandles(
        "unreadable",
        f"{path} cannot be read as candles{reason}. Expected is a Parquet file, or a CSV with a "
        "header row and ISO 8601 timestamps with their zone.",
        cause=cause,
    )


def _first_row(frame: pd.DataFrame) -> list[str]:
    first = frame.index[0]
    names = first if isinstance(first, tuple) else (first,)
    return [*map(str, names), *map(str, frame.iloc[0])]


def _more_fields_cause(more: int, fields: list[str]) -> str | None:
    if fields[-1] == "nan" and more == 1:
        return "rows end in a comma that the header lacks; remove it"
    if more in (len(VALUES) - 1, len(VALUES)):
        return "decimal commas split each number in two; write 1234.5"
    return None


def _renamed(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    """The relevant columns under their canonical names."""
    names = [normal(str(name)) for name in frame.columns]
    times = [name for name in TIME_NAMES if name in names]
    if "timestamp" in times:
        times = ["timestamp"]
    wanted = [*VALUES, *times, *(["close_time"] if "close_time" in names else [])]
    twice = sorted(name for name in wanted if names.count(name) > 1)
    missing = [name for name in VALUES if name not in names]
    if len(times) == 1 and not (twice or missing):
        kept = frame.set_axis(names, axis=1)[wanted].rename(columns={times[0]: "timestamp"})
        return kept.reset_index(drop=True)
    missing += [] if times else [TIME_NAMES[0]]
    twice += times if len(times) > 1 else []
    complaints = [
        *([f"columns {missing} are missing"] if missing else []),
        *([f"columns {twice} occur more than once or mean the same"] if twice else []),
    ]
    raise InvalidCandles(
        "columns",
        f"{path}: {', '.join(complaints)}. Accepted are {VALUES}, the open time as one of "
        f"{list(TIME_NAMES)}, optionally close_time, in any order and case; the file has "
        f"{[shortened(str(name), 30) for name in frame.columns[:12]]}.",
        cause=diagnose("columns", frame, None),
    )


def _refuse_naive(frame: pd.DataFrame, timeframe: Timeframe, path: Path) -> None:
    """Refuse times without zone; broken prices are reported first, as no zone corrects them."""
    try:
        as_if_utc = frame.assign(timestamp=frame["timestamp"].dt.tz_localize("UTC"))
        validated(as_if_utc, timeframe, f"{path} (whose times, besides, carry no time zone)")
    except InvalidCandles as refused:
        if refused.rule in _VALUE_RULES:
            raise
    validated(frame, timeframe, str(path))


def _require_spacing(candles: pd.DataFrame, timeframe: Timeframe, path: Path) -> None:
    """Refuse coarser candles, which break no rule and would look like outages."""
    real = spacing(candles["timestamp"])
    if real and real.seconds > timeframe.seconds:
        raise InvalidCandles(
            "wrong_timeframe",
            f"{path}: the candles lie {real} apart and were offered as {timeframe}.",
            tuple(stamp.isoformat() for stamp in candles["timestamp"].head(3)),
            f"these are {real} candles; offer them as {real}",
        )


def _require_closes(
    candles: pd.DataFrame, closes: "pd.Series[Any]", timeframe: Timeframe, path: Path
) -> None:
    if not pd.api.types.is_datetime64_any_dtype(closes):
        closes = pd.Series(pd.NaT, index=candles.index, dtype=TIMESTAMP_DTYPE)
    if closes.dt.tz is None:  # opens have a zone, and only the same one leads to their ends
        closes = closes.dt.tz_localize("UTC")
    early = as_micros(timeframe.close_all(candles["timestamp"])) - as_micros(closes)
    odd = np.flatnonzero((early < 0) | (early > _TOLERANCE_MICROS) | closes.isna().to_numpy())
    if not len(odd):
        return
    cause = None
    if len(odd) == 1 and odd[0] == len(candles) - 1:
        cause = "the last candle was still running when it was saved; leave it out"
    elif len(odd) > len(candles) / 2:
        cause = f"these are no {timeframe} candles; offer them under their real timeframe"
    raise InvalidCandles(
        "close_time",
        f"{path}: {len(odd)} of {len(candles)} close times are not the end of a {timeframe} "
        "candle, nor up to a second before it.",
        tuple(
            f"{candles['timestamp'].iloc[row].isoformat()} closes {closes.iloc[row]}"
            for row in odd[:3]
        ),
        cause,
    )
