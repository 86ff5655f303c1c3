"""Differences between stored rows and rows to store."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from coin_assets.store.tabular import TableKind


class Changes(NamedTuple):
    """Difference of two frames.

    Attributes:
        put: rows added, or with other values.
        gone: rows removed.
    """

    put: pd.DataFrame
    gone: pd.DataFrame

    @property
    def rows(self) -> int:
        """Number of differing rows."""
        return len(self.put) + len(self.gone)


def changes(kind: TableKind, stored: pd.DataFrame, wanted: pd.DataFrame) -> Changes:
    """Changes that turn ``stored`` into ``wanted``, ordered frames with the same columns."""
    if stored.empty:
        return Changes(wanted, stored)
    if len(stored) <= len(wanted) and stored.equals(wanted.head(len(stored))):
        return Changes(wanted.iloc[len(stored) :], stored.iloc[:0])  # only rows added at the end
    places = _index(kind, stored).get_indexer(_index(kind, wanted))
    known = places >= 0
    old, new = stored.take(places[known]), wanted[known]
    differs = ~known
    for name in wanted.columns.difference(list(kind.identity)):
        before, now = old[name].reset_index(drop=True), new[name].reset_index(drop=True)
        other = (before != now) & ~(before.isna() & now.isna())
        differs[known] |= other.to_numpy(dtype=bool)
    gone = np.ones(len(stored), dtype=bool)
    gone[places[known]] = False
    return Changes(wanted[differs], stored[gone])


def _index(kind: TableKind, rows: pd.DataFrame) -> "pd.Index[Any]":
    if len(kind.identity) == 1:
        return pd.DatetimeIndex(rows[kind.time])
    return pd.MultiIndex.from_frame(rows[list(kind.identity)])
