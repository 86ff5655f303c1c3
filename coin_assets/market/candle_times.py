"""Parser of the times in candle files; see `coin_assets.market.candle_files`."""

import re
from typing import Any

import numpy as np
import pandas as pd

from coin_assets.domain.candles.frame import EARLIEST, LATEST
from coin_assets.errors import InvalidCandles
from coin_assets.foreign_text import shortened

# Epoch numbers of plausible times in these units do not overlap: magnitude determines the unit.
_PER_SECOND = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
# A column name in place of a time: Open time, <DATE>.
_HEADER = re.compile(r"^[\s<\"']*[a-z_ ]*(?:time|date)[a-z_ ]*[\s>\"']*$", re.IGNORECASE)
_FEW = 3
_ZONED = r"\d{1,2}:\d{2}.*(?:Z|UTC|[+-]\d{2}(?::?\d{2})?)$"


def read_times(column: "pd.Series[Any]", source: str) -> "pd.Series[Any]":
    """Times of a column as date-times; a column of another type is returned unchanged.

    The result is UTC, or naive if the texts have no zone.

    Raises:
        InvalidCandles: numbers of another unit than milliseconds and microseconds, text that is
            not ISO 8601, or text of which only some has a zone.
    """
    if pd.api.types.is_bool_dtype(column):
        return column
    if pd.api.types.is_numeric_dtype(column):
        return times_of_stamps(column, source)
    texts = column.dropna()
    if pd.api.types.is_datetime64_any_dtype(column) or not len(texts):
        return column
    if not texts.map(lambda value: isinstance(value, str)).all():
        return column
    zoned = texts.str.contains(_ZONED, regex=True)
    naive = np.flatnonzero(~zoned)
    parsed = pd.to_datetime(column, format="ISO8601", errors="coerce", utc=True)
    unknown = texts[parsed[texts.index].isna()]
    if len(unknown):
        raise InvalidCandles(
            "timestamp_type",
            f"{source}: {len(unknown)} of {len(column)} times are not ISO 8601 text such as "
            "2024-01-31T23:00:00Z.",
            tuple(f"'{shortened(value, 60)}'" for value in unknown.head(3)),
            _unknown_cause(texts, unknown),
        )
    if len(naive) and zoned.any():
        raise InvalidCandles(
            "naive_timestamps",
            f"{source}: {len(naive)} of {len(column)} times carry no zone while others do.",
            tuple(texts.iloc[naive[:3]]),
            "files of two sources were joined; write all times as UTC with zone",
        )
    return parsed.dt.tz_localize(None) if len(naive) else parsed


def _unknown_cause(texts: "pd.Series[str]", unknown: "pd.Series[str]") -> str:
    """Likely cause why texts are not times.

    Args:
        texts: the whole column.
        unknown: those that could not be parsed.
    """
    headers = texts[texts.str.contains(_HEADER)]
    if len(headers):
        return (
            f"the header row stands again in row {int(headers.index[0]) + 1}, as if files had "
            "been appended; remove it there"
        )
    last = list(unknown.index) == list(texts.index[-len(unknown) :])
    if len(unknown) < len(texts) and len(unknown) <= _FEW and last:
        return "the file ends in lines that are no candles; remove them"
    return "they are in an unknown time format; write ISO 8601 with zone"


def times_of_stamps(column: "pd.Series[Any]", source: str) -> "pd.Series[Any]":
    """Times of milliseconds or microseconds since 1970; magnitude determines the unit.

    Raises:
        InvalidCandles: other units, or fractions of one.
    """
    numbers = column.to_numpy(dtype="float64", na_value=np.nan)
    known = ~np.isnan(numbers)
    units = {
        unit: (numbers >= EARLIEST.timestamp() * scale) & (numbers < LATEST.timestamp() * scale)
        for unit, scale in _PER_SECOND.items()
    }
    counts = {unit: int(rows.sum()) for unit, rows in units.items() if rows.any()}
    accepted = units["milliseconds"] | units["microseconds"]
    odd = np.flatnonzero(known & ~accepted)
    if len(odd):
        mixed = len(counts) > 1
        shown = ", ".join(f"{rows} in {unit}" for unit, rows in counts.items())
        raise InvalidCandles(
            "mixed_units" if mixed else "implausible_times",
            f"{source}: {len(odd)} of {len(column)} times are no milliseconds or microseconds "
            f"since 1970 of a time from {EARLIEST.year} to {LATEST.year}.",
            tuple(f"row {row + 1}: {column.iloc[row]}" for row in odd[:3]),
            f"by their magnitude {shown}; write all in milliseconds" if counts else None,
        )
    fractions = np.flatnonzero(known & (numbers != np.floor(numbers)))
    if len(fractions):
        raise InvalidCandles(
            "unaligned",
            f"{source}: {len(fractions)} of {len(column)} times have a fraction of their unit.",
            tuple(f"row {row + 1}: {column.iloc[row]}" for row in fractions[:3]),
        )
    micros = np.where(units["milliseconds"], numbers * 1000, numbers)
    stamps = np.full(len(column), np.datetime64("NaT"), dtype="datetime64[us]")
    stamps[known] = micros[known].astype("int64").view("datetime64[us]")
    return pd.Series(stamps, index=column.index).dt.tz_localize("UTC")
