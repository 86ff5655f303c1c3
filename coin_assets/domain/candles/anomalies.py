"""Anomalies: valid candles that look wrong. They are stored and reported.

- ``range``: high over low is more than 20 times the usual range of the bars before.
- ``jump``: a candle opens away from the close just before it by more than 20 times the usual range.
- ``flat``: three or more consecutive candles without trades, as in delisted markets and filled
  outages.

The usual range is the median range of the last 100 bars with a range above zero. A bar with fewer
than 50 such bars before it is never reported, nor is a size below 0.5 percent: in a market with
little movement one tick is many times the usual range.
"""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from coin_assets.domain.candles.frame import PRICES
from coin_assets.domain.candles.grid import Floats, Mask, adjacent
from coin_assets.domain.timeframes import Timeframe

TIMES_USUAL = 20.0
BARS = 100
FEWEST_BARS = 50
NEGLIGIBLE = 0.005
FLAT_RUN = 3


@dataclass(frozen=True)
class Anomaly:
    """Anomalous candles.

    Attributes:
        start, end: half-open range of their opens.
        kind: ``range``, ``jump`` or ``flat``.
        detail: size of the anomaly, for messages.
    """

    start: datetime
    end: datetime
    kind: str
    detail: str


def find_anomalies(candles: pd.DataFrame, timeframe: Timeframe) -> list[Anomaly]:
    """Anomalies in ``candles``, ordered by time and kind.

    Args:
        candles: valid candle frame; the first `BARS` rows serve as context.
        timeframe: of the candles.
    """
    if candles.empty:
        return []
    stamps = candles["timestamp"].reset_index(drop=True)
    follows = np.concatenate([[False], adjacent(candles, timeframe)])
    ranges = (candles["high"] / candles["low"] - 1).to_numpy()
    usual = usual_ranges(ranges)
    limit = np.maximum(TIMES_USUAL * usual, NEGLIGIBLE)
    jumps = _jumps(candles, follows)
    found = [
        Anomaly(
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
        found.append(Anomaly(stamps.iloc[first].to_pydatetime(), end, "flat", detail))
    return sorted(found, key=lambda each: (each.start, each.kind))


def usual_ranges(ranges: Floats) -> Floats:
    """Median of the last `BARS` ranges above zero before each bar.

    Args:
        ranges: (n,) relative ranges, high / low - 1.

    Returns:
        (n,) medians; NaN where fewer than `FEWEST_BARS` ranges precede.
    """
    moved = np.flatnonzero(ranges > 0)
    medians = pd.Series(ranges[moved]).rolling(BARS, min_periods=FEWEST_BARS).median().to_numpy()
    before = np.searchsorted(moved, np.arange(len(ranges)))  # bars that moved before each
    return np.concatenate([[np.nan], medians])[before]


def _jumps(candles: pd.DataFrame, follows: Mask) -> Floats:
    """Relative distance of each open from the previous close; 0 after a gap."""
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
