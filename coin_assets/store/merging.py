"""How new rows join stored ones, and their order, the same in all backends."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from coin_assets.domain.candles.frame import validated
from coin_assets.domain.series import Series
from coin_assets.errors import InvalidCandles


def checked(series: Series, candles: pd.DataFrame, start: datetime, end: datetime) -> pd.DataFrame:
    """Candles to store, validated.

    Raises:
        InvalidCandles: they break the contract or lie outside of ``[start, end)``.
    """
    rows = validated(candles, series.timeframe, f"{series} candles offered to the store")
    times = rows["timestamp"]
    outside = times[(times < start) | (times >= end)]
    if len(outside):
        raise InvalidCandles(
            "outside_window",
            f"{series}: {len(outside)} candles lie outside the window "
            f"[{start.astimezone(UTC):%Y-%m-%d %H:%M}, {end.astimezone(UTC):%Y-%m-%d %H:%M}).",
            tuple(str(time) for time in outside.head(3)),
        )
    return rows


def keep_stored_origins(stored: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Stored forecasts, and new ones of other origins or roles."""
    if len(stored) and len(new) and stored["as_of"].max() < new["as_of"].min():
        return pd.concat([stored, new], ignore_index=True)  # usual; takes a tenth of the time
    known = pd.MultiIndex.from_frame(stored[["role", "as_of"]])
    added = ~pd.MultiIndex.from_frame(new[["role", "as_of"]]).isin(known)
    return pd.concat([stored, new[added]], ignore_index=True)


def in_order(rows: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """``rows`` sorted by the columns ``names`` and numbered from 0."""
    if _is_in_order(rows, names):  # usual; sorting takes far longer
        return rows.reset_index(drop=True)
    return rows.sort_values(list(names), ignore_index=True)


def _is_in_order(rows: pd.DataFrame, names: Sequence[str]) -> bool:
    tied = np.ones(max(0, len(rows) - 1), dtype=bool)  # with the row before, so far
    for name in names:
        values = _comparable(rows[name])
        before, after = values[:-1], values[1:]
        if (tied & (before > after)).any():
            return False
        tied &= before == after
    return True


def _comparable(column: "pd.Series[Any]") -> npt.NDArray[Any]:
    """Times as numbers, other values as they are: for numpy, which compares faster."""
    is_time = isinstance(column.dtype, pd.DatetimeTZDtype)
    return pd.DatetimeIndex(column).asi8 if is_time else column.to_numpy()


def newer_record(stored: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """All revisions; of those of the same candle and time seen, the new one."""
    both = pd.concat([stored, new], ignore_index=True)
    return both.drop_duplicates(["timestamp", "seen_at"], keep="last")
