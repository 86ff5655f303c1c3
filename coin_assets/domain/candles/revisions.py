"""Revisions: candles that changed after they were fetched, and the outputs they affect."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from coin_assets.domain.candles.frame import TIMESTAMP_DTYPE, VALUES
from coin_assets.domain.timeframes import Timeframe

OLD, NEW = "old_", "new_"
# Column -> (type in documentation, meaning). A candle that was absent before has no old values.
REVISION_SCHEMA = {
    "timestamp": ("timestamp[us, UTC]", "open time of the candle"),
    "seen_at": ("timestamp[us, UTC]", "when the change was noticed"),
    **{OLD + name: ("float64", f"{name} before; NaN if there was no candle") for name in VALUES},
    **{NEW + name: ("float64", f"{name} now") for name in VALUES},
    "redone_at": ("timestamp[us, UTC]", "when what it touches was redone; empty until then"),
}
REVISION_COLUMNS = list(REVISION_SCHEMA)
# Longest time between the record of a revision and the write of its candle.
_IN_FLIGHT = timedelta(hours=1)
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
    """Revision frame of the candles in ``new`` that differ from ``stored``.

    A revision is a candle with other values than the stored one, or a late candle: one in a range
    that was processed without it. A candle of a range that was never requested is no revision.

    Args:
        stored, new: valid candle frames of the same range.
        seen_at: time of the answer, UTC.
        absent: half-open ranges of opens in which a candle that is not stored is late.

    Returns:
        (n, 13) frame with the columns of `REVISION_SCHEMA`, ordered by open.
    """
    opens = new["timestamp"]
    found = pd.DatetimeIndex(stored["timestamp"]).get_indexer(pd.DatetimeIndex(opens))
    known = found >= 0
    before = np.full((len(new), len(VALUES)), np.nan)
    before[known] = stored[VALUES].to_numpy()[found[known]]
    changed = known & (before != new[VALUES].to_numpy()).any(axis=1)
    for start, end in absent:
        changed |= ~known & ((opens >= start) & (opens < end)).to_numpy()
    revisions = pd.DataFrame({"timestamp": opens[changed]}).reset_index(drop=True)
    revisions["seen_at"] = pd.Series(seen_at, index=revisions.index, dtype=TIMESTAMP_DTYPE)
    revisions["redone_at"] = pd.Series(pd.NaT, index=revisions.index, dtype=TIMESTAMP_DTYPE)
    revisions[[OLD + name for name in VALUES]] = before[changed]
    revisions[[NEW + name for name in VALUES]] = new.loc[changed, VALUES].to_numpy()
    return revisions[REVISION_COLUMNS]


def touched_buckets(opens: pd.DatetimeIndex, timeframe: Timeframe) -> pd.DatetimeIndex:
    """Opens of the ``timeframe`` candles that contain ``opens``, each once.

    Args:
        opens: (n,) opens of changed candles of a finer timeframe, ascending.
    """
    return timeframe.floor_all(opens).unique() if len(opens) else opens


def touched_origins(
    opens: pd.DatetimeIndex, timeframe: Timeframe, context: int, until: datetime
) -> pd.DatetimeIndex:
    """Origins up to ``until`` whose forecasts use one of the changed candles.

    A forecast at ``t`` uses the candles that open in ``[t - context candles, t)``.

    Args:
        opens: (n,) opens of changed candles, any order.
        timeframe: of candles and forecasts.
        context: number of candles that a forecast uses.
        until: newest possible origin, UTC.
    """
    if not len(opens):
        return opens
    last = min(timeframe.shift(opens.max().to_pydatetime(), context), timeframe.floor(until))
    first = timeframe.close_of(opens.min().to_pydatetime())
    origins = timeframe.opens(first, timeframe.next(last))
    changed, own = np.sort(timeframe.ordinals(opens)), timeframe.ordinals(origins)
    return origins[np.searchsorted(changed, own) > np.searchsorted(changed, own - context)]


def to_recompute(revisions: pd.DataFrame, stored: pd.DataFrame, now: datetime) -> pd.DataFrame:
    """Revisions whose outputs are to be recomputed at ``now``.

    A revision is recorded before its candle is stored. It waits until the candle is stored, at most
    an hour, because a fetch may have been killed in between.

    Args:
        revisions: revision frame.
        stored: candle frame with the stored candles at their opens.
        now: UTC.
    """
    pending = revisions[revisions["redone_at"].isna()]
    newest = pending.sort_values("seen_at").drop_duplicates("timestamp", keep="last")
    both = newest.merge(stored, how="left", on="timestamp")
    arrived = (both[[NEW + name for name in VALUES]].to_numpy() == both[VALUES].to_numpy()).all(1)
    ready = both["timestamp"][arrived | (both["seen_at"] <= now - _IN_FLIGHT).to_numpy()]
    return pending[pending["timestamp"].isin(ready)].reset_index(drop=True)
