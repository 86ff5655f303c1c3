"""Diagnosis of refused open times; see `coin_assets.domain.candles.diagnosis`."""

from datetime import timedelta

import numpy as np
import pandas as pd

from coin_assets.domain.timeframes import NAMES, Timeframe, as_micros

_HOUR = 3_600_000_000
_MOST = 0.9  # share of the rows from which a pattern counts as the rule
_FEW = 5  # fewest rows from which a spacing is derived


def diagnose_implausible(stamps: "pd.Series[pd.Timestamp]") -> str | None:
    """Likely mix-up of epoch units, from the resulting years; None if it is unclear."""
    years = stamps.dropna().dt.year
    if years.empty:
        return None
    if years.max() < 1972:
        return "epoch seconds were read as milliseconds (or ms as us); multiply them by 1000"
    if years.min() >= 2100:
        return "epoch milliseconds were read as seconds (or us as ms); divide them by 1000"
    return None


def diagnose_order(frame: pd.DataFrame) -> str | None:
    """Likely cause of open times that do not increase; some step must go back."""
    stamps = frame["timestamp"]
    steps = stamps.diff().iloc[1:]
    back = steps < pd.Timedelta(0)
    if back.all():
        return "the rows stand newest first; sort them by open time"
    if back.mean() > 0.5:
        return (
            f"the rows stand newest first, with {int((~back).sum())} rows out of that order; "
            "check what stands there, then sort by open time"
        )
    at = minute_text(stamps.iloc[int(np.flatnonzero(back)[0]) + 1])
    again = int(stamps.duplicated().sum())
    if again:
        return (
            f"readings that overlap were appended: from {at} on {again} open times come again; "
            "keep the newer reading of each"
        )
    return f"{int(back.sum())} blocks are out of order, the first from {at}; sort by open time"


def diagnose_duplicates(frame: pd.DataFrame) -> str | None:
    """Likely cause of repeated open times; at least one must repeat."""
    twice = frame[frame["timestamp"].duplicated(keep=False)]
    at = minute_text(twice["timestamp"].iloc[0])
    if twice.duplicated().sum() == twice["timestamp"].duplicated().sum():
        return f"the same rows were appended twice, first at {at}; drop the copies"
    return (
        f"candles saved while still running and again later, first at {at}; "
        "keep the one with the larger volume"
    )


def diagnose_unaligned(stamps: "pd.Series[pd.Timestamp]", timeframe: Timeframe) -> str | None:
    """Likely cause of open times off the boundaries of ``timeframe``; None if it is unclear."""
    if stamps.isna().any():
        return f"{int(stamps.isna().sum())} rows have no open time; remove or complete them"
    real = spacing(stamps)
    if real and real.seconds < timeframe.seconds:
        return f"these are {real} candles, not {timeframe}; offer them as {real}"
    past = as_micros(stamps) - as_micros(timeframe.floor_all(stamps))
    length = timeframe.seconds * 1_000_000
    if not past.any():
        return "times carry nanoseconds, which no open time has; round them"
    offsets, counts = np.unique(past, return_counts=True)
    usual, share = int(offsets[counts.argmax()]), counts.max() / len(stamps)
    if usual and share >= _MOST:
        return _constant_offset(usual, length, timeframe)
    if usual == 0 and share >= _MOST:
        return "single rows come from another source; remove them, or download again"
    shifts = np.flatnonzero(np.diff(past)) + 1
    if len(shifts) and len(shifts) < len(stamps) / 10:
        first = int(shifts[0])
        return (
            f"open times drift: from {minute_text(stamps.iloc[first])}, after a break of "
            f"{_break(stamps, first)}, they lie {timedelta(microseconds=int(past[first]))} past "
            f"the boundary, and shift at {len(shifts)} rows; such bars are made from other "
            "times, so download them again"
        )
    return None


def _constant_offset(usual: int, length: int, timeframe: Timeframe) -> str:
    if length - usual <= 1_000_000:
        return "these are close times; name candles by their open time"
    day = 24 * _HOUR
    if timeframe.follows_calendar and usual % day == 0:
        return f"periods that begin {usual // day} days late; build {timeframe} from 1d candles"
    hours = usual / _HOUR
    ahead = f"{24 - hours if timeframe.seconds >= 86400 else length / _HOUR - hours:g}"
    if timeframe.seconds >= 4 * 3600 and usual % (_HOUR // 4) == 0 and usual < day:
        return (
            f"a time-zone offset of {hours:g} h: local times labelled as UTC, or {timeframe} "
            f"candles that begin at midnight {ahead} h ahead of UTC; convert to UTC, or build "
            f"{timeframe} from 1h candles"
        )
    if usual % (_HOUR // 4) == 0:
        return f"a time-zone offset with a fraction of {hours:g} h; convert to UTC"
    return f"every open time lies {timedelta(microseconds=usual)} late; download again"


def spacing(stamps: "pd.Series[pd.Timestamp]") -> Timeframe | None:
    """Timeframe of most steps and boundaries in ``stamps``; None if unclear."""
    if len(stamps) < _FEW:
        return None
    steps = stamps.diff().iloc[1:].dt.total_seconds()
    usual = float(steps.median())
    for name in NAMES:
        each = Timeframe(name)
        if each.seconds == usual and (steps == usual).mean() >= 0.5:
            kept = np.asarray(each.floor_all(stamps) == pd.DatetimeIndex(stamps)).mean() >= _MOST
            return each if kept else None
    return None


def minute_text(stamp: pd.Timestamp) -> str:
    """Format a time for messages: ``2024-03-01 00:00``, or ``NaT``."""
    return "NaT" if pd.isna(stamp) else f"{stamp:%Y-%m-%d %H:%M}"


def _break(stamps: "pd.Series[pd.Timestamp]", row: int) -> timedelta:
    return (stamps.iloc[row] - stamps.iloc[row - 1]).to_pytimedelta()
