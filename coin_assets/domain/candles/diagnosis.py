"""Diagnosis of refused candles: the likely cause, with a remedy.

A diagnosis is a hint in a message; no code accepts or repairs candles because of it. `diagnose`
reads one broken frame, `diagnose_difference` compares a valid frame with another reading.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd

from coin_assets.domain.candles.time_diagnosis import (
    diagnose_duplicates,
    diagnose_order,
    diagnose_unaligned,
    minute_text,
)
from coin_assets.domain.timeframes import Timeframe, as_micros
from coin_assets.foreign_text import shortened

_PRICES = ["open", "high", "low", "close"]
_VALUES = [*_PRICES, "volume"]
_MOST = 0.9  # share of the rows from which a pattern counts as the rule
_FEW = 5  # fewest overlapping candles for a diagnosis
_SAMPLE = 2000  # rows used to detect a shift

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


def diagnose(rule: str, frame: pd.DataFrame, timeframe: Timeframe | None) -> str | None:
    """Likely cause why ``frame`` breaks ``rule``; None if it is unclear.

    The text is a clause without full stop.

    Args:
        rule: as in `InvalidCandles.rule`.
        frame: the refused candles, as far as they could be read.
        timeframe: timeframe they were offered as; None where it does not matter.
    """
    if rule == "unaligned" and timeframe is not None:
        return diagnose_unaligned(frame["timestamp"], timeframe)
    diagnosis = _DIAGNOSES.get(rule)
    return diagnosis(frame) if diagnosis else None


def diagnose_difference(new: pd.DataFrame, reference: pd.DataFrame) -> str | None:
    """Likely cause why two valid candle frames differ; None if it is unclear.

    Only opens that both have are compared.

    Args:
        new: valid candle frame in question.
        reference: trusted candle frame, volumes in base units.
    """
    both = new.merge(reference, on="timestamp", suffixes=("", "_known"))
    known = both[[f"{name}_known" for name in _VALUES]].to_numpy()
    values = both[_VALUES].to_numpy()
    differs = (values != known).any(axis=1)
    if len(both) < _FEW or not differs.any():
        return None
    return (
        _unfinished(both, values, known, differs)
        or _quote_volume(values, known)
        or _shifted(new, reference)
        or _other_market(values, known)
    )


def _unfinished(both: pd.DataFrame, values: Array, known: Array, differs: Mask) -> str | None:
    """One or two unfinished candles: less volume and a narrower range than the reference."""
    rows = np.flatnonzero(differs)
    if len(rows) > 2 or differs.mean() > 0.5:
        return None
    inside = (values[rows, 1] <= known[rows, 1]) & (values[rows, 2] >= known[rows, 2])
    if not (inside & (values[rows, 4] < known[rows, 4])).all():
        return None
    at = ", ".join(minute_text(both["timestamp"].iloc[row]) for row in rows)
    return f"an unfinished candle was saved ({at}) and never refreshed; read it again"


def _quote_volume(values: Array, known: Array) -> str | None:
    traded = (values[:, 4] > 0) & (known[:, 4] > 0)
    alike = np.abs(values[:, 3] / known[:, 3] - 1) < 0.01
    if traded.sum() < _FEW or alike.mean() < _MOST:
        return None
    price = known[traded, 1:3]  # the mean price paid lies between low and high
    ratio = values[traded, 4] / known[traded, 4]
    if np.abs(np.log(np.median(price))) < 0.1:
        return None  # at a price of about 1 base and quote volume look the same
    for turned, who in ((ratio, "new"), (1 / ratio, "known")):
        if ((turned <= price[:, 0] * 1.01) & (turned >= price[:, 1] * 0.99)).mean() >= _MOST:
            return f"the {who} candles hold quote volume (volume times price); offer base volume"
    return None


def _shifted(new: pd.DataFrame, reference: pd.DataFrame) -> str | None:
    """Closes shifted in time: equal to the reference's some candles earlier or later."""
    step = int(np.median(np.diff(as_micros(reference["timestamp"]))))
    closes = reference.set_index("timestamp")["close"]
    sample = new.tail(_SAMPLE)
    if sample["close"].nunique() < _FEW:
        return None
    half_hours = 1_800_000_000 * np.arange(-28, 29)  # zones reach from -12 h to +14 h
    shifts = {*(step * np.arange(-24, 25)), *half_hours[half_hours % step == 0]} - {0}
    shares = {}
    for shift in sorted(shifts, key=abs):
        at = sample["timestamp"] - pd.Timedelta(int(shift), unit="us")
        there = closes.reindex(at).to_numpy()
        here = ~np.isnan(there)
        if here.sum() >= _FEW:
            shares[int(shift)] = (there[here] == sample["close"].to_numpy()[here]).mean()
    best = max(shares, key=lambda shift: shares[shift], default=0)
    if not best or shares[best] < _MOST:
        return None
    hours = abs(best) / 3_600_000_000
    late = "late" if best > 0 else "early"
    zone = f", a time-zone offset of {hours:g} h" if hours * 2 == int(hours * 2) else ""
    return f"the same closes stand {abs(best) // step} candles too {late}{zone}; convert to UTC"


def _other_market(values: Array, known: Array) -> str | None:
    apart = np.abs(values[:, 3] / known[:, 3] - 1)
    if (values[:, 3] == known[:, 3]).mean() > 1 - _MOST:
        return None
    if (apart < 0.01).mean() < _MOST:
        return "another symbol or currency: most closes differ by more than 1 %"
    traded = (values[:, 4] > 0) & (known[:, 4] > 0)
    ratio = float(np.median(values[traded, 4] / known[traded, 4])) if traded.any() else 1.0
    if ratio >= 2:
        return f"futures in place of spot: nearly all prices differ slightly, {ratio:.1f}x volume"
    if ratio <= 0.5:
        return (
            f"spot beside known futures, or a smaller exchange: nearly all prices differ "
            f"slightly, {ratio:.2f}x volume"
        )
    return "another exchange: nearly all prices differ slightly"


def _columns(frame: pd.DataFrame) -> str | None:
    if isinstance(frame.index, pd.DatetimeIndex):
        return "the open times are the index; save them as column timestamp (reset_index)"
    if all(_is_number(name) for name in frame.columns) and len(frame.columns) >= 6:
        return "there is no header row (Binance spot archives have none); add one"
    names = {str(name).strip().lower() for name in frame.columns}
    if set(_PRICES) <= names:
        shown = [shortened(str(name), 30) for name in frame.columns[:12]]
        return f"other column names; the file has {shown}"
    return None


def _timestamp_type(frame: pd.DataFrame) -> str | None:
    stamps = frame["timestamp"].dropna()
    if pd.api.types.is_numeric_dtype(stamps):
        return "open times are numbers since 1970; convert them, with their unit, to UTC date-times"
    if len(stamps) and all(isinstance(value, str) for value in stamps.head(3)):
        return "open times are text in an unknown format; write ISO 8601 with zone"
    return None


def _naive(frame: pd.DataFrame) -> str | None:  # noqa: ARG001
    return (
        "the zone was dropped on export, or the times are local (Korean exchanges write UTC+9); "
        "tz_localize them to the zone they were written in, then tz_convert to UTC"
    )


def _not_numeric(frame: pd.DataFrame) -> str | None:
    values = [value for value in frame.iloc[:, 0] if isinstance(value, str)]
    if not values:
        return None
    words = [value for value in values if not _is_float(value)]
    if words and all("," in value for value in words[:3]):
        return "numbers are written with decimal or thousands commas; write 1234.5"
    if words:
        return "words stand in a column of numbers"
    return "a JSON reply was not parsed: exchanges send numbers as text; convert them to float"


def _is_float(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _not_finite(frame: pd.DataFrame) -> str | None:
    broken = ~np.isfinite(frame[_VALUES].to_numpy(dtype="float64")).all(axis=1)
    if broken.sum() == 1 and broken[-1] and len(frame) > 1:
        return "the last candle was still running when it was saved; leave it out"
    blank = int(frame[_VALUES].isna().all(axis=1).sum())
    if blank:
        return f"{blank} rows are blank, as if an outage had been filled; leave them out"
    return None


def _not_positive(frame: pd.DataFrame) -> str | None:
    zero = (frame[_PRICES] == 0).all(axis=1).to_numpy()
    rows = np.flatnonzero(zero)
    if not len(rows):
        return None
    stamps = frame["timestamp"]
    where = f"from {minute_text(stamps.iloc[rows[0]])} to {minute_text(stamps.iloc[rows[-1]])}"
    if rows[0] == 0 and len(rows) == rows[-1] + 1 < len(frame):
        return f"{len(rows)} zero rows {where}, before the listing; leave them out"
    return f"{len(rows)} zero rows {where}, filled in where nothing was traded; leave them out"


def _ohlc(frame: pd.DataFrame) -> str | None:
    values = frame[_PRICES].to_numpy()
    broken = (values.max(axis=1) > values[:, 1]) | (values.min(axis=1) < values[:, 2])
    if broken.sum() == 1 and broken[-1] and len(frame) > 1:
        return "the last candle was still running when it was saved; leave it out"
    if broken.mean() <= 0.5:
        return None
    top = (values == values.max(axis=1, keepdims=True)).mean(axis=0)
    bottom = (values == values.min(axis=1, keepdims=True)).mean(axis=0)
    if top.max() < _MOST or bottom.max() < _MOST:
        return None
    return (
        f"swapped columns: the highest price stands in {_PRICES[int(top.argmax())]}, the lowest "
        f"in {_PRICES[int(bottom.argmax())]}; name the columns by what they hold"
    )


def _is_number(name: object) -> bool:
    try:
        float(str(name).rstrip("Zz").split("T")[0].replace("-", ""))
    except ValueError:
        return False
    return True


_DIAGNOSES: dict[str, Callable[[pd.DataFrame], str | None]] = {
    "columns": _columns,
    "timestamp_type": _timestamp_type,
    "naive_timestamps": _naive,
    "not_numeric": _not_numeric,
    "order": diagnose_order,
    "duplicates": diagnose_duplicates,
    "not_finite": _not_finite,
    "price_not_positive": _not_positive,
    "ohlc": _ohlc,
}
