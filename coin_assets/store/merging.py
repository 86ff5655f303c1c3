"""How new rows join stored ones, the same in all backends."""

from datetime import UTC, datetime

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


def newer_record(stored: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """All revisions; of those of the same candle and time seen, the new one."""
    both = pd.concat([stored, new], ignore_index=True)
    return both.drop_duplicates(["timestamp", "seen_at"], keep="last")
