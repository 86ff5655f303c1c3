"""Comparison of two readings of the same candles, value by value."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from coin_assets.domain.candles.frame import VALUES

# Relative tolerance of two readings of one decimal number; corrections of exchanges are larger.
SAME = 1e-9


@dataclass(frozen=True)
class ReadingComparison:
    """Comparison of the candles that both readings have.

    Attributes:
        opens: (n,) opens, ascending.
        left, right: (n, 5) values, columns as in `VALUES`.
        differs: (n,) whether a candle differs.
    """

    opens: "pd.Series[pd.Timestamp]"
    left: npt.NDArray[np.float64]
    right: npt.NDArray[np.float64]
    differs: npt.NDArray[np.bool_]

    @property
    def count(self) -> int:
        """Number of candles that differ."""
        return int(self.differs.sum())

    @property
    def differing(self) -> "pd.Series[pd.Timestamp]":
        """Opens of the candles that differ."""
        return self.opens[self.differs].reset_index(drop=True)

    def offenders(self, left: str, right: str) -> tuple[str, ...]:
        """The first three differences as text.

        Args:
            left, right: names of the readings.
        """
        return tuple(
            f"{self.opens.iloc[row]:%Y-%m-%dT%H:%MZ} {left} close={self.left[row, 3]:.10g} "
            f"volume={self.left[row, 4]:.10g}, {right} close={self.right[row, 3]:.10g} "
            f"volume={self.right[row, 4]:.10g}"
            for row in np.flatnonzero(self.differs)[:3]
        )


def compared(left: pd.DataFrame, right: pd.DataFrame, volume: float = SAME) -> ReadingComparison:
    """Compare two valid candle frames where both have a candle.

    Args:
        left, right: valid candle frames.
        volume: relative tolerance of volumes.
    """
    both = left.merge(right, on="timestamp", suffixes=("", "_right"))
    old = both[VALUES].to_numpy()
    new = both[[f"{name}_right" for name in VALUES]].to_numpy()
    allowed = np.where(np.array(VALUES) == "volume", volume, SAME)
    differs = (np.abs(old - new) > allowed * np.abs(new)).any(axis=1)
    return ReadingComparison(both["timestamp"], old, new, differs)
