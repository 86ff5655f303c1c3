"""The candle frame: schema, contract, validation and merging."""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from coin_assets.domain.candles.diagnosis import diagnose
from coin_assets.domain.candles.time_diagnosis import diagnose_implausible
from coin_assets.domain.timeframes import Timeframe, as_micros, next_month
from coin_assets.errors import InvalidCandles

TIMESTAMP_DTYPE = "datetime64[us, UTC]"
# Column -> (type in documentation, meaning). Every candle schema in the project derives from this.
CANDLE_SCHEMA = {
    "timestamp": ("timestamp[us, UTC]", "open time of the candle"),
    "open": ("float64", "first price, in the quote currency"),
    "high": ("float64", "highest price"),
    "low": ("float64", "lowest price"),
    "close": ("float64", "last price"),
    "volume": ("float64", "traded amount, in the base currency"),
}
COLUMNS = list(CANDLE_SCHEMA)
PRICES = ["open", "high", "low", "close"]
VALUES = [*PRICES, "volume"]

# No market trades at other prices. Known extremes: a coin in BTC at 1e-14, BTC in IRR at 1e11, a
# month of a meme coin's volume at 1e18.
LOWEST_PRICE, HIGHEST_PRICE, HIGHEST_VOLUME = 1e-20, 1e15, 1e30

# Bitcoin's first block is from 2009-01-03.
EARLIEST, LATEST = datetime(2009, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)

Mask = npt.NDArray[np.bool_]


def empty_candles() -> pd.DataFrame:
    """A valid candle frame without rows."""
    frame = pd.DataFrame({name: pd.Series(dtype="float64") for name in COLUMNS})
    return frame.astype({"timestamp": TIMESTAMP_DTYPE})


def validated(frame: pd.DataFrame, timeframe: Timeframe, source: str) -> pd.DataFrame:
    """Validate a candle frame and return it in canonical form.

    Args:
        frame: at least the columns `COLUMNS`, in any order; extra columns are dropped. A frame
            without rows is valid with any types.
        timeframe: open times must be aligned to it.
        source: origin of the frame, for messages.

    Returns:
        A frame with columns `COLUMNS`, open times as `TIMESTAMP_DTYPE`, values as float64.

    Raises:
        InvalidCandles: a rule is broken; the message names the rule, the number of rows that break
            it, the first three of them and the likely cause.
    """
    missing = [name for name in COLUMNS if name not in frame.columns]
    if missing:
        raise InvalidCandles(
            "columns",
            f"{source}: columns {missing} are missing; candles need {COLUMNS}.",
            cause=diagnose("columns", frame, timeframe),
        )
    if frame.empty:
        return empty_candles()
    stamps = _utc(frame, timeframe, source)
    for name in VALUES:
        _require_numbers(frame[name], source)
    values = {name: frame[name].astype("float64").to_numpy() for name in VALUES}
    candles = pd.DataFrame({"timestamp": stamps.dt.as_unit("us"), **values})
    found = [each for each in broken_rules(candles, stamps, timeframe) if each[2].any()]
    if found:
        rule, expectation, broken = found[0]
        others = ", ".join(f"{name} ({int(rows.sum())} rows)" for name, _, rows in found[1:])
        raise InvalidCandles(
            rule,
            f"{source}: {int(broken.sum())} of {len(candles)} {timeframe} candles break "
            f"the rule that {expectation}." + (f" Also broken: {others}." if others else ""),
            tuple(
                rendered(stamps.iloc[row], candles.iloc[row]) for row in np.flatnonzero(broken)[:3]
            ),
            diagnose(rule, candles.assign(timestamp=stamps), timeframe),
        )
    return candles


def require_plausible_times(stamps: "pd.Series[pd.Timestamp]", source: str) -> None:
    """Refuse open times before any exchange existed or after 2100.

    Raises:
        InvalidCandles: rule ``implausible_times``, with the first offenders and the likely cause.
    """
    odd = np.flatnonzero((stamps < EARLIEST) | (stamps >= LATEST))
    if len(odd):
        raise InvalidCandles(
            "implausible_times",
            f"{source}: {len(odd)} of {len(stamps)} open times lie outside {EARLIEST:%Y-%m-%d} to "
            f"{LATEST:%Y-%m-%d}, when no coin was traded.",
            tuple(str(stamps.iloc[row]) for row in odd[:3]),
            diagnose_implausible(stamps.iloc[odd]),
        )


def _utc(frame: pd.DataFrame, timeframe: Timeframe, source: str) -> "pd.Series[pd.Timestamp]":
    stamps = frame["timestamp"]
    if not pd.api.types.is_datetime64_any_dtype(stamps):
        raise InvalidCandles(
            "timestamp_type",
            f"{source}: timestamp has type {stamps.dtype}; it must be a UTC date-time.",
            tuple(repr(value) for value in stamps.head(3)),
            diagnose("timestamp_type", frame, timeframe),
        )
    if getattr(stamps.dt, "tz", None) is None:
        raise InvalidCandles(
            "naive_timestamps",
            f"{source}: {len(stamps)} timestamps carry no time zone, so their hour is a guess; "
            "write them as UTC with an explicit zone.",
            tuple(str(value) for value in stamps.head(3)),
            diagnose("naive_timestamps", frame, timeframe),
        )
    return pd.Series(pd.DatetimeIndex(stamps).tz_convert("UTC"))


def _require_numbers(column: "pd.Series[Any]", source: str) -> None:
    """Refuse text and booleans in a numeric column."""
    if pd.api.types.is_float_dtype(column) or pd.api.types.is_integer_dtype(column):
        return
    odd = [
        value
        for value in column
        if not (_is_number(value) or (pd.api.types.is_scalar(value) and pd.isna(value)))
    ]
    if odd or column.dtype != object:
        raise InvalidCandles(
            "not_numeric",
            f"{source}: prices and volume must be numbers, but {len(odd)} of {len(column)} values "
            f"of {column.name} (type {column.dtype}) are not.",
            tuple(f"{column.name}={value!r}" for value in odd[:3]),
            diagnose("not_numeric", column.to_frame(), None),
        )


def _is_number(value: object) -> bool:
    return isinstance(value, (Real, Decimal)) and not isinstance(value, (bool, np.bool_))


def broken_rules(
    candles: pd.DataFrame, exact: "pd.Series[pd.Timestamp]", timeframe: Timeframe
) -> list[tuple[str, str, Mask]]:
    """All rules of the candle contract, with the rows that break each.

    Args:
        candles: (n, 6) frame with canonical columns and types.
        exact: (n,) open times as given, which may be finer than microseconds.

    Returns:
        Rule identifier, expectation as a clause, and an (n,) mask of broken rows, for each rule.
    """
    stamps = candles["timestamp"]
    values = candles[VALUES].to_numpy()
    opened, high, low, close, volume = values.T
    at_once, back = _steps(exact)
    unaligned = as_micros(timeframe.floor_all(stamps)) != as_micros(stamps)
    if exact.dt.unit == "ns":  # a nanosecond off must not be rounded into place
        unaligned |= (exact != stamps).to_numpy()
    return [
        ("order", "open times increase", back),
        ("duplicates", "an open time occurs once", at_once),
        ("unaligned", f"open times lie on {timeframe} boundaries in UTC", unaligned),
        ("not_finite", "prices and volume are finite numbers", ~np.isfinite(values).all(axis=1)),
        ("price_not_positive", "prices are above zero", (values[:, :4] <= 0).any(axis=1)),
        (
            "ohlc",
            "low <= min(open, close) and high >= max(open, close)",
            (low > np.minimum(opened, close)) | (high < np.maximum(opened, close)),
        ),
        ("negative_volume", "volume is not negative", volume < 0),
        (
            "out_of_range",
            f"prices lie from {LOWEST_PRICE:g} to {HIGHEST_PRICE:g}, and volume up to "
            f"{HIGHEST_VOLUME:g}",
            _out_of_range(values),
        ),
    ]


def _out_of_range(values: npt.NDArray[np.float64]) -> Mask:
    """(n,) mask of finite rows whose positive prices, or volume, no market has."""
    prices, volume = values[:, :4], values[:, 4]
    odd = ((prices > 0) & (prices < LOWEST_PRICE)) | (prices > HIGHEST_PRICE)
    return np.asarray(
        np.isfinite(values).all(axis=1) & (odd.any(axis=1) | (volume > HIGHEST_VOLUME))
    )


def _steps(stamps: "pd.Series[pd.Timestamp]") -> tuple[Mask, Mask]:
    """(n,) masks of rows whose time equals, or is before, the previous one; False at NaT."""
    ticks = pd.DatetimeIndex(stamps).asi8
    unknown = stamps.isna().to_numpy()
    known = ~(unknown[1:] | unknown[:-1])
    at_once, back = np.zeros(len(ticks), dtype=bool), np.zeros(len(ticks), dtype=bool)
    at_once[1:] = known & (ticks[1:] == ticks[:-1])
    back[1:] = known & (ticks[1:] < ticks[:-1])
    return at_once, back


def rendered(stamp: pd.Timestamp, row: "pd.Series[Any]") -> str:
    """Format a candle for messages, valid or not."""
    values = " ".join(f"{name}={_shown(row[name])}" for name in VALUES)
    opened = "NaT" if pd.isna(stamp) else stamp.isoformat().replace("+00:00", "Z")
    return f"{opened} {values}"


def _shown(value: object) -> str:
    return f"{value:.10g}" if isinstance(value, float | int) else repr(value)[:40]


def between(candles: pd.DataFrame, start: datetime, end: datetime) -> pd.DataFrame:
    """Candles that open in ``[start, end)``, indexed from 0."""
    stamps = candles["timestamp"]
    return candles[(stamps >= start) & (stamps < end)].reset_index(drop=True)


def by_month(
    rows: pd.DataFrame, months: Sequence[datetime], time: str = "timestamp"
) -> Iterator[tuple[datetime, pd.DataFrame]]:
    """Each of ``months`` with the rows whose ``time`` lies in it; their index is kept."""
    times = rows[time]
    is_ordered = times.is_monotonic_increasing
    for month in months:
        start, end = month, next_month(month)
        if is_ordered:
            first, last = times.searchsorted(pd.DatetimeIndex([start, end]))
            yield month, rows.iloc[first:last]
        else:
            yield month, rows[(times >= start) & (times < end)]


def closed_by(candles: pd.DataFrame, timeframe: Timeframe, time: datetime) -> pd.DataFrame:
    """Candles that are closed at ``time``, indexed from 0."""
    return between(candles, datetime.min.replace(tzinfo=time.tzinfo), timeframe.floor(time))


def merged(stored: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Union of two valid candle frames; ``new`` wins where both have a candle."""
    both = pd.concat([stored, new], ignore_index=True)
    if stored.empty or new.empty or stored["timestamp"].iloc[-1] < new["timestamp"].iloc[0]:
        return both
    latest = both.drop_duplicates("timestamp", keep="last")
    return latest.sort_values("timestamp", ignore_index=True)


def content_hash(candles: pd.DataFrame) -> str:
    """SHA-256 of times and values, independent of file and machine."""
    digest = hashlib.sha256(as_micros(candles["timestamp"]).astype("<i8").tobytes())
    digest.update(np.ascontiguousarray(candles[VALUES].to_numpy(), dtype="<f8").tobytes())
    return digest.hexdigest()
