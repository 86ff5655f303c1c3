"""Candles that changed after the fact: what they were, what they are, and what that touches."""

from collections.abc import Iterable
from datetime import datetime

import numpy as np
import pandas as pd

from coin_assets.domain.candles import TIMESTAMP_DTYPE, VALUES
from coin_assets.domain.timeframes import Timeframe

OLD, NEW = "old_", "new_"
# Column -> (type as shown to people, meaning). A candle that was absent before has no old values.
REVISION_SCHEMA = {
    "timestamp": ("timestamp[us, UTC]", "open time of the candle"),
    "seen_at": ("timestamp[us, UTC]", "when the change was noticed"),
    **{OLD + name: ("float64", f"{name} before; NaN if there was no candle") for name in VALUES},
    **{NEW + name: ("float64", f"{name} now") for name in VALUES},
    "redone_at": ("timestamp[us, UTC]", "when what it touches was redone; empty until then"),
}
REVISION_COLUMNS = list(REVISION_SCHEMA)
_TIMES = dict.fromkeys(("timestamp", "seen_at", "redone_at"), TIMESTAMP_DTYPE)


def empty_revisions() -> pd.DataFrame:
    """A revision frame without rows."""
    kinds = {name: _TIMES.get(name, "float64") for name in REVISION_COLUMNS}
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in kinds.items()})


def revisions_between(
    stored: pd.DataFrame,
    new: pd.DataFrame,
    seen_at: datetime,
    absent: Iterable[tuple[datetime, datetime]] = (),
) -> pd.DataFrame:
    """Revision frame of the candles in ``new`` that change what is known.

    These are candles stored with other values, and candles that come late, after work was done
    without them. Candles that nobody asked for before are no revision.

    Args:
        stored, new: valid candle frames of the same range.
        absent: half-open ranges of opens in which a candle that is not stored comes late.
    """
    both = new.merge(stored, how="left", on="timestamp", suffixes=("", "_stored"), indicator=True)
    known = (both["_merge"] == "both").to_numpy()
    differs = known & False
    for name in VALUES:
        differs |= known & (both[name] != both[f"{name}_stored"]).to_numpy()
    late = np.zeros(len(both), dtype=bool)
    for start, end in absent:
        late |= ~known & ((both["timestamp"] >= start) & (both["timestamp"] < end)).to_numpy()
    changed = both[differs | late]
    revisions = pd.DataFrame({"timestamp": changed["timestamp"]})
    for name in VALUES:
        revisions[OLD + name] = changed[f"{name}_stored"]
        revisions[NEW + name] = changed[name]
    revisions["redone_at"] = pd.Series(pd.NaT, index=changed.index, dtype=TIMESTAMP_DTYPE)
    revisions["seen_at"] = pd.Series(seen_at, index=changed.index, dtype=TIMESTAMP_DTYPE)
    return revisions[REVISION_COLUMNS].reset_index(drop=True)


def changed_opens(before: pd.DataFrame, after: pd.DataFrame) -> pd.DatetimeIndex:
    """Opens of the candles that differ between two candle frames, gone and new ones included."""
    both = before.merge(after, how="outer", on="timestamp", suffixes=("", "_after"), indicator=True)
    differs = (both["_merge"] != "both").to_numpy()
    for name in VALUES:
        differs |= (both[name] != both[f"{name}_after"]).to_numpy()
    return pd.DatetimeIndex(both["timestamp"][differs])


def touched_buckets(opens: pd.DatetimeIndex, timeframe: Timeframe) -> pd.DatetimeIndex:
    """Opens of the ``timeframe`` candles that contain ``opens``, each once."""
    return timeframe.floor_all(opens).unique() if len(opens) else opens


def touched_origins(
    opens: pd.DatetimeIndex, timeframe: Timeframe, context: int, until: datetime
) -> pd.DatetimeIndex:
    """Origins up to ``until`` whose forecasts see one of the candles that open at ``opens``.

    A forecast at ``t`` sees the candles that open in ``[t - context candles, t)``.
    """
    if not len(opens):
        return opens
    seen = pd.DatetimeIndex([], tz="UTC")
    for opened in opens.to_pydatetime():
        last = min(timeframe.shift(opened, context), timeframe.floor(until))
        seen = seen.union(timeframe.opens(timeframe.close_of(opened), timeframe.next(last)))
    return seen
