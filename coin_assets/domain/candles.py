"""The candle frame: its schema, its contract, and how two readings of it are merged."""

import hashlib
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pandas as pd

from coin_assets.domain.timeframes import Timeframe, as_micros
from coin_assets.errors import InvalidCandles

TIMESTAMP_DTYPE = "datetime64[us, UTC]"
# Column -> (type as shown to people, meaning). Every schema in the project is made from this.
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

Mask = npt.NDArray[np.bool_]


def empty_candles() -> pd.DataFrame:
    """A valid candle frame without rows."""
    frame = pd.DataFrame({name: pd.Series(dtype="float64") for name in COLUMNS})
    return frame.astype({"timestamp": TIMESTAMP_DTYPE})


def validated(frame: pd.DataFrame, timeframe: Timeframe, source: str) -> pd.DataFrame:
    """Return ``frame`` in canonical column order and types, if it keeps the candle contract.

    Args:
        frame: at least the columns `COLUMNS`, any order; extra columns are dropped.
        timeframe: candles must be aligned to it.
        source: where the frame came from, for the message.

    Raises:
        InvalidCandles: a rule is broken; the rule and the first offenders are named.
    """
    missing = [name for name in COLUMNS if name not in frame.columns]
    if missing:
        raise InvalidCandles(
            "columns", f"{source}: columns {missing} are missing; candles need {COLUMNS}."
        )
    stamps = frame["timestamp"]
    if not pd.api.types.is_datetime64_any_dtype(stamps):
        raise InvalidCandles(
            "timestamp_type",
            f"{source}: timestamp has type {stamps.dtype}; it must be a UTC date-time.",
            tuple(repr(value) for value in stamps.head(3)),
        )
    if getattr(stamps.dt, "tz", None) is None:
        raise InvalidCandles(
            "naive_timestamps",
            f"{source}: timestamps carry no time zone, so their hour is a guess; "
            "write them as UTC with an explicit zone.",
            tuple(str(value) for value in stamps.head(3)),
        )
    try:
        candles = frame[COLUMNS].astype(dict.fromkeys(VALUES, "float64"))
    except (TypeError, ValueError) as error:
        raise InvalidCandles(
            "not_numeric", f"{source}: prices and volume must be numbers ({error})."
        ) from error
    candles["timestamp"] = stamps.dt.tz_convert("UTC").astype(TIMESTAMP_DTYPE)
    candles = candles.reset_index(drop=True)
    for rule, expectation, broken in _broken_rules(candles, timeframe):
        if broken.any():
            raise InvalidCandles(
                rule,
                f"{source}: {int(broken.sum())} of {len(candles)} {timeframe} candles break "
                f"the rule that {expectation}.",
                tuple(_render(candles.iloc[row]) for row in np.flatnonzero(broken)[:3]),
            )
    return candles


def _broken_rules(candles: pd.DataFrame, timeframe: Timeframe) -> list[tuple[str, str, Mask]]:
    stamps = candles["timestamp"]
    values = candles[VALUES].to_numpy()
    opened, high, low, close, volume = values.T
    step = stamps.diff()
    at_once = (step == pd.Timedelta(0)).to_numpy()
    back = (step < pd.Timedelta(0)).to_numpy()
    unaligned = (
        (timeframe.floor_all(stamps) != pd.DatetimeIndex(stamps)) if len(stamps) else at_once
    )
    return [
        ("order", "open times increase", back),
        ("duplicates", "an open time occurs once", at_once),
        ("unaligned", f"open times lie on {timeframe} boundaries in UTC", np.asarray(unaligned)),
        ("not_finite", "prices and volume are finite numbers", ~np.isfinite(values).all(axis=1)),
        ("price_not_positive", "prices are above zero", (values[:, :4] <= 0).any(axis=1)),
        (
            "ohlc",
            "low <= min(open, close) and high >= max(open, close)",
            (low > np.minimum(opened, close)) | (high < np.maximum(opened, close)),
        ),
        ("negative_volume", "volume is not negative", volume < 0),
    ]


def _render(row: "pd.Series[float]") -> str:
    values = " ".join(f"{name}={row[name]:.10g}" for name in VALUES)
    opened = "NaT" if pd.isna(row["timestamp"]) else f"{row['timestamp']:%Y-%m-%dT%H:%M:%SZ}"
    return f"{opened} {values}"


def between(candles: pd.DataFrame, start: datetime, end: datetime) -> pd.DataFrame:
    """Candles that open in ``[start, end)``."""
    stamps = candles["timestamp"]
    return candles[(stamps >= start) & (stamps < end)].reset_index(drop=True)


def closed_by(candles: pd.DataFrame, timeframe: Timeframe, time: datetime) -> pd.DataFrame:
    """Candles that are closed at ``time``."""
    return between(candles, datetime.min.replace(tzinfo=time.tzinfo), timeframe.floor(time))


def merged(stored: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Union of two valid candle frames; where both have a candle, the new one counts."""
    both = pd.concat([stored, new], ignore_index=True)
    latest = both.drop_duplicates("timestamp", keep="last")
    return latest.sort_values("timestamp", ignore_index=True)


def content_hash(candles: pd.DataFrame) -> str:
    """SHA-256 over times and values, whatever file or machine the candles came from."""
    digest = hashlib.sha256(as_micros(candles["timestamp"]).astype("<i8").tobytes())
    digest.update(np.ascontiguousarray(candles[VALUES].to_numpy(), dtype="<f8").tobytes())
    return digest.hexdigest()
