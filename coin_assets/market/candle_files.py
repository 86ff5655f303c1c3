"""Candle files as people have them: one flat Parquet or CSV file, accepted or refused as a whole.

Accepted is, with column names in any order and case, spaces read as underscores:

- ``open``, ``high``, ``low``, ``close``, ``volume``: numbers, volume in base units;
- the open time as ``timestamp`` or, where that is absent, as ``open_time`` or ``datetime``:
  date-times or ISO 8601 text with zone, or whole milliseconds or microseconds since 1970, each row
  by its magnitude (Binance changed the unit on 2025-01-01);
- optionally ``close_time``, in the same forms, which must be the end of each candle or up to a
  second before it.

Further columns are ignored. Nothing else is guessed: seconds, nanoseconds, a banner line, a missing
header and times without zone are refused with the likely cause.
"""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from coin_assets.domain.candles import (
    TIMESTAMP_DTYPE,
    VALUES,
    empty_candles,
    require_plausible_times,
    validated,
)
from coin_assets.domain.causes import likely_cause
from coin_assets.domain.time_causes import spacing
from coin_assets.domain.timeframes import Timeframe, as_micros
from coin_assets.errors import InvalidCandles
from coin_assets.market.candle_times import read_times

TIME_NAMES = ("timestamp", "open_time", "datetime")
_LINES_BEFORE_HEADER = 5
_VALUE_RULES = {"not_finite", "price_not_positive", "ohlc", "negative_volume"}
_TOLERANCE_MICROS = 1_000_000


def read_candle_file(path: Path, timeframe: Timeframe) -> pd.DataFrame:
    """The candles of ``path`` in canonical form; none if the file has a header and no rows.

    Raises:
        InvalidCandles: the file cannot be read, or breaks the contract; rules beyond those of
            `validated` are unreadable, banner, mixed_units, implausible_times, wrong_timeframe and
            close_time.
    """
    frame = _renamed(_read(path), path)
    if frame.empty:
        return empty_candles()
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


def _read(path: Path) -> pd.DataFrame:
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        header = _header(path)
        frame = pd.read_csv(path, low_memory=False)
        if isinstance(frame.index, pd.RangeIndex):
            return frame.set_axis(header, axis=1)  # pandas renames the second of equal names
    # A damaged Parquet file may lack anything, even keys of its own description.
    except (ValueError, OSError, LookupError, TypeError, csv.Error, pa.ArrowException) as error:
        raise InvalidCandles(
            "unreadable",
            f"{path} cannot be read as candles ({error}). Expected is a Parquet file, or a CSV "
            "with a header row and ISO 8601 timestamps with their zone.",
        ) from error
    # pandas took the first column for row names, and would shift all others.
    raise InvalidCandles(
        "unreadable",
        f"{path}: rows have more fields than the header, so values have no sure column.",
        (",".join(map(str, [frame.index[0], *frame.iloc[0]])),),
    )


def _header(path: Path) -> list[str]:
    """Column names of a CSV file, which stand in its first line.

    Raises:
        InvalidCandles: naming rule ``banner``, if they stand further below.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = [row for _, row in zip(range(_LINES_BEFORE_HEADER), csv.reader(file), strict=False)]
    for number, row in enumerate(lines):
        if set(VALUES[:-1]) <= {_normal(name) for name in row}:
            if any(lines[:number]):
                raise InvalidCandles(
                    "banner",
                    f"{path}: the first line is not a header but a banner; the header is line "
                    f"{number + 1}.",
                    tuple(",".join(line) for line in lines[:number] if line),
                    _banner_cause(path, number),
                )
            break
    return next((row for row in lines if row), [])


def _banner_cause(path: Path, lines: int) -> str:
    """What else is wrong below a banner; people should not have to find out one by one."""
    found = ["the download site put a line of its own first"]
    below = pd.read_csv(path, skiprows=lines, dtype=str)
    names = {_normal(str(name)): name for name in below.columns}
    times = next((names[name] for name in (*TIME_NAMES, "date") if name in names), None)
    if times is not None and len(below):
        texts = below[times].dropna()
        days = pd.to_datetime(texts.str[:10], format="%Y-%m-%d", errors="coerce")
        if days.iloc[0] > days.iloc[-1]:
            found.append("the rows stand newest first (order)")
        if pd.to_datetime(texts, format="ISO8601", errors="coerce").isna().any():
            found.append(f"times such as {texts.iloc[0]!r} are in an unknown time format")
    absent = [name for name in VALUES if name not in names]
    if absent:
        found.append(f"column {', '.join(absent)} is missing (it has {', '.join(below.columns)})")
    return "; ".join(found) + "; take the candles from the exchange or its archive instead"


def _renamed(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    """The columns that count, under our names."""
    names = [_normal(str(name)) for name in frame.columns]
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
        f"{[str(name)[:40] for name in frame.columns[:20]]}.",
        cause=likely_cause("columns", frame, None),
    )


def _normal(name: str) -> str:
    return name.strip().lower().replace(" ", "_")


def _refuse_naive(frame: pd.DataFrame, timeframe: Timeframe, path: Path) -> None:
    """Refuse times without zone, yet name broken prices first: no zone would make those right."""
    try:
        as_if_utc = frame.assign(timestamp=frame["timestamp"].dt.tz_localize("UTC"))
        validated(as_if_utc, timeframe, f"{path} (whose times, besides, carry no time zone)")
    except InvalidCandles as refused:
        if refused.rule in _VALUE_RULES:
            raise
    validated(frame, timeframe, str(path))


def _require_spacing(candles: pd.DataFrame, timeframe: Timeframe, path: Path) -> None:
    """Refuse coarser candles: they keep every rule, and all that misses would pass for outages."""
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
