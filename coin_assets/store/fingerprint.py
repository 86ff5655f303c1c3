"""Comparison of two frames of one table, independent of the backend."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from coin_assets.domain.timeframes import as_micros

Values = npt.NDArray[Any]


@dataclass(frozen=True)
class TableDifference:
    """Number of rows by which a copy differs from its original.

    Attributes:
        added: rows that only the original has.
        replaced: rows that both have, with different values.
        surplus: rows that only the copy has.
    """

    added: int
    replaced: int
    surplus: int

    @property
    def rows(self) -> int:
        """Number of differing rows."""
        return self.added + self.replaced + self.surplus


def fingerprint(frame: pd.DataFrame) -> str:
    """SHA-256 of the names and values of all columns, in row order.

    Times count as microseconds since 1970, numbers by their 64 bits, text as UTF-8. All NaN are
    equal, and 0.0 equals -0.0.
    """
    digest = hashlib.sha256(str(len(frame)).encode())
    for name in frame.columns:
        values = _canonical(frame[name])
        digest.update(f"\0{name}\0".encode())
        if values.dtype == object:
            texts = [text.encode() for text in values]
            digest.update(np.array([len(text) for text in texts], dtype="<i8").tobytes())
            digest.update(b"".join(texts))
        else:
            digest.update(values.astype("<i8", copy=False).tobytes())
    return digest.hexdigest()


def difference(
    original: pd.DataFrame, copy: pd.DataFrame, identity: Sequence[str]
) -> TableDifference:
    """Difference between a table and its copy.

    Args:
        original, copy: frames with the same columns.
        identity: columns that identify a row.
    """
    if copy.empty or original.empty:
        return TableDifference(len(original), 0, len(copy))
    wanted, found = (pd.MultiIndex.from_frame(each[list(identity)]) for each in (original, copy))
    places = found.get_indexer(wanted)
    known = places >= 0
    other = np.zeros(int(known.sum()), dtype=bool)
    for name in original.columns.difference(list(identity)):
        values, stored = _canonical(original[name]), _canonical(copy[name])
        other |= values[known] != stored[places[known]]
    common = len(other)
    return TableDifference(len(original) - common, int(other.sum()), len(copy) - common)


def _canonical(column: "pd.Series[Any]") -> Values:
    """Values for comparison: text as objects, all else as int64."""
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return as_micros(column)
    if column.dtype.kind == "f":
        numbers = column.to_numpy(dtype="<f8") + 0.0  # -0.0 becomes 0.0
        numbers[np.isnan(numbers)] = np.nan
        return numbers.view("<i8")
    if column.dtype.kind in "iu":
        return column.to_numpy(dtype="<i8")
    return column.to_numpy(dtype=object)
