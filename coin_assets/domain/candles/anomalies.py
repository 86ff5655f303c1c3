"""Candles that keep the contract and still look wrong: stored, and pointed out to people.

- ``range``: high over low is more than 20 times the usual range of the bars before.
- ``jump``: a candle opens away from the close just before it by more than 20 times the usual range.
- ``flat``: three or more candles in a row without trades, as delisted markets and filled outages
  have them.

The usual range is the median over the last 100 bars that moved. Before 50 such bars nothing is
called unusual, and what is below half a percent never is: in a market that hardly moves, one
tick is many times the usual.
"""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pandas as pd

from coin_assets.domain.candles.frame import PRICES
from coin_assets.domain.timeframes import Timeframe

TIMES_USUAL = 20.0
BARS = 100
FEWEST_BARS = 50
NEGLIGIBLE = 0.005
FLAT_RUN = 3

Mask = npt.NDArray[np.bool_]
Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Suspicion:
    """Suspicious candles: opens in ``[start, end)``, what is odd about them, and how much."""

    start: datetime
    end: datetime
    kind: str
    detail: str


def suspicious(candles: pd.DataFrame, timeframe: Timeframe) -> list[Suspicion]:
    """Suspicious stretches of valid ``candles``, by time."""
    if candles.empty:
        return []
    stamps = candles["timestamp"].reset_index(drop=True)
    follows = np.diff(timeframe.ordinals(stamps), prepend=-1) == 1
    follows[0] = False
    ranges = (candles["high"] / candles["low"] - 1).to_numpy()
    usual = usual_ranges(ranges)
    limit = np.maximum(TIMES_USUAL * usual, NEGLIGIBLE)
    jumps = _jumps(candles, follows)
    found = [
        Suspicion(
            stamps.iloc[row].to_pydatetime(),
            timeframe.next(stamps.iloc[row].to_pydatetime()),
            kind,
            f"{what} {sizes[row]:.2%}, {sizes[row] / usual[row]:.0f} times the usual range",
        )
        for kind, what, sizes in (
            ("range", "low to high", ranges),
            ("jump", "close to open", jumps),
        )
        for row in np.flatnonzero(sizes > limit)
    ]
    for first, last in _runs(_flat(candles), follows):
        end = timeframe.next(stamps.iloc[last].to_pydatetime())
        detail = f"{last - first + 1} candles without a trade at {candles['close'].iloc[first]:g}"
        found.append(Suspicion(stamps.iloc[first].to_pydatetime(), end, "flat", detail))
    return sorted(found, key=lambda each: (each.start, each.kind))


def usual_ranges(ranges: Array) -> Array:
    """Median of the last `BARS` ranges above zero before each bar; NaN after fewer than enough."""
    moved = np.flatnonzero(ranges > 0)
    medians = pd.Series(ranges[moved]).rolling(BARS, min_periods=FEWEST_BARS).median().to_numpy()
    before = np.searchsorted(moved, np.arange(len(ranges)))  # bars that moved before each
    return np.concatenate([[np.nan], medians])[before]


def _jumps(candles: pd.DataFrame, follows: Mask) -> Array:
    """Distance of each open from the close before; 0 after a gap, where one is to be expected."""
    opens, closes = candles["open"].to_numpy(), candles["close"].to_numpy()
    ratio = np.ones(len(opens))
    ratio[1:] = opens[1:] / closes[:-1]
    return np.where(follows, np.maximum(ratio, 1 / ratio) - 1, 0.0)


def _flat(candles: pd.DataFrame) -> Mask:
    prices = candles[PRICES].to_numpy()
    still = (prices == prices[:, :1]).all(axis=1)
    return np.asarray(still & (candles["volume"].to_numpy() == 0))


def _runs(flat: Mask, follows: Mask) -> list[tuple[int, int]]:
    """First and last row of each run of `FLAT_RUN` or more flat candles that follow each other."""
    rows = np.flatnonzero(flat)
    if not len(rows):
        return []
    broken = (np.diff(rows) > 1) | ~follows[rows[1:]]
    runs = np.split(rows, np.flatnonzero(broken) + 1)
    return [(int(run[0]), int(run[-1])) for run in runs if len(run) >= FLAT_RUN]
