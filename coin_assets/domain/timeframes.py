"""The one home of timeframe arithmetic.

A candle is named by its open time. All times are timezone-aware UTC; ranges are half-open.
Weeks open on Monday 00:00, months on the 1st, everything else on multiples of its length since
1970-01-01 00:00.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from coin_assets.errors import ConfigurationError

MONDAY = datetime(1970, 1, 5, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNIT_SECONDS = {"m": 60, "h": 3600, "d": 86400, "w": 604800, "M": 30 * 86400}
_DAY_SECONDS = 86400

MINUTES = ("1m", "3m", "5m", "10m", "15m", "30m")
HOURS = ("1h", "2h", "3h", "4h", "6h", "8h", "12h")
NAMES = (*MINUTES, *HOURS, "1d", "3d", "1w", "1M")

Ordinals = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Timeframe:
    """Length and alignment of a candle, in ccxt notation (``1m`` is a minute, ``1M`` a month)."""

    name: str

    @classmethod
    def parse(cls, name: str) -> Self:
        """Return the timeframe called ``name``.

        Raises:
            ConfigurationError: the name is not one of `NAMES`.
        """
        if name not in NAMES:
            raise ConfigurationError(
                f"Unknown timeframe {name!r}. Use one of {' '.join(NAMES)} (case matters)."
            )
        return cls(name)

    def __str__(self) -> str:
        return self.name

    @property
    def unit(self) -> str:
        return self.name[-1]

    @property
    def seconds(self) -> int:
        """Length in seconds; a month counts as 30 days, so use it to compare and size only."""
        return int(self.name[:-1]) * UNIT_SECONDS[self.unit]

    @property
    def is_month(self) -> bool:
        return self.unit == "M"

    @property
    def follows_calendar(self) -> bool:
        """Whether its candles are calendar periods of whole days: weeks and months."""
        return self.unit in "wM"

    @property
    def straddles_months(self) -> bool:
        """Whether a candle can open in one month and close inside the next one."""
        return not self.is_month and self.seconds > _DAY_SECONDS

    @property
    def _anchor(self) -> datetime:
        return MONDAY if self.unit == "w" else EPOCH

    def floor(self, time: datetime) -> datetime:
        """Open of the candle that contains ``time``."""
        if self.is_month:
            return month_start(time)
        return time - (time - self._anchor) % timedelta(seconds=self.seconds)

    def next(self, time: datetime) -> datetime:
        """First open strictly after ``time``; for an open, the close of its candle."""
        opened = self.floor(time)
        return next_month(opened) if self.is_month else opened + timedelta(seconds=self.seconds)

    def close_of(self, opened: datetime) -> datetime:
        """Close of the candle that opens at ``opened``, which is the open of the next one."""
        return self.next(opened)

    def shift(self, time: datetime, candles: int) -> datetime:
        """Open that lies ``candles`` after (before, if negative) the candle containing ``time``."""
        if self.is_month:
            months = time.year * 12 + time.month - 1 + candles
            return datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)
        return self.floor(time) + timedelta(seconds=self.seconds) * candles

    def is_open_time(self, time: datetime) -> bool:
        return self.floor(time) == time

    def is_closed(self, opened: datetime, now: datetime, settle: timedelta = timedelta(0)) -> bool:
        """Whether the candle that opens at ``opened`` is final at ``now``."""
        return self.close_of(opened) + settle <= now

    def newest_closed(self, now: datetime, settle: timedelta = timedelta(0)) -> datetime:
        """Open of the newest candle that is closed at ``now``."""
        return self.shift(now - settle, -1)

    def count(self, start: datetime, end: datetime) -> int:
        """Number of candles that open in ``[start, end)``."""
        return max(0, self._first_ordinal(end) - self._first_ordinal(start))

    def opens(self, start: datetime, end: datetime) -> pd.DatetimeIndex:
        """Opens in ``[start, end)``, every one that a gapless market would have."""
        first = self._first_ordinal(start)
        return self._times(np.arange(first, first + self.count(start, end), dtype=np.int64))

    def ordinals(self, times: "pd.Series[pd.Timestamp] | pd.DatetimeIndex") -> Ordinals:
        """Number of the candle containing each time; consecutive candles differ by one."""
        micros = as_micros(times)
        if self.is_month:
            return micros.view("datetime64[us]").astype("datetime64[M]").astype(np.int64)
        anchor = int(self._anchor.timestamp()) * 1_000_000
        return (micros - anchor) // (self.seconds * 1_000_000)

    def floor_all(self, times: "pd.Series[pd.Timestamp] | pd.DatetimeIndex") -> pd.DatetimeIndex:
        """Vectorised `floor`."""
        return self._times(self.ordinals(times))

    def close_all(self, times: "pd.Series[pd.Timestamp] | pd.DatetimeIndex") -> pd.DatetimeIndex:
        """Vectorised `close_of`."""
        return self._times(self.ordinals(times) + 1)

    def divides(self, coarser: "Timeframe") -> bool:
        """Whether every candle of ``coarser`` is made of whole candles of this timeframe."""
        if self.is_month or self.seconds >= coarser.seconds:
            return False
        if coarser.follows_calendar:
            return _DAY_SECONDS % self.seconds == 0
        return self.unit != "w" and coarser.seconds % self.seconds == 0

    def _first_ordinal(self, time: datetime) -> int:
        """Ordinal of the first candle that opens at or after ``time``."""
        opened = time if self.is_open_time(time) else self.next(time)
        if self.is_month:
            return (opened.year - 1970) * 12 + opened.month - 1
        return (opened - self._anchor) // timedelta(seconds=self.seconds)

    def _times(self, ordinals: Ordinals) -> pd.DatetimeIndex:
        if self.is_month:
            naive = ordinals.astype("datetime64[M]").astype("datetime64[us]")
        else:
            anchor = int(self._anchor.timestamp()) * 1_000_000
            naive = (ordinals * (self.seconds * 1_000_000) + anchor).astype("datetime64[us]")
        return pd.DatetimeIndex(naive).tz_localize("UTC")


def as_micros(times: "pd.Series[pd.Timestamp] | pd.DatetimeIndex") -> Ordinals:
    """Microseconds since the epoch of timezone-aware times."""
    index = pd.DatetimeIndex(times).tz_convert("UTC").as_unit("us")
    return np.asarray(index.asi8, dtype=np.int64)


def month_start(time: datetime) -> datetime:
    """First instant of the UTC calendar month that contains ``time``."""
    return datetime(time.year, time.month, 1, tzinfo=UTC)


def next_month(time: datetime) -> datetime:
    """First instant of the month after the one that contains ``time``."""
    return datetime(time.year + time.month // 12, time.month % 12 + 1, 1, tzinfo=UTC)


def months_between(start: datetime, end: datetime) -> list[datetime]:
    """Starts of the months that ``[start, end)`` touches."""
    months = []
    month = month_start(start)
    while start < end and month < end:
        months.append(month)
        month = next_month(month)
    return months


def month_label(month: datetime) -> str:
    """``2026-11`` for November 2026."""
    return f"{month:%Y-%m}"


def describe_months(months: list[datetime]) -> str:
    """Sorted months as people write them: ``2024-01 to 2024-05, 2024-08``."""
    runs: list[list[datetime]] = []
    ordered = sorted(months)
    for previous, month in pairwise([None, *ordered]):
        if previous is not None and month == next_month(previous):
            runs[-1].append(month)
        elif month is not None:
            runs.append([month])
    return ", ".join(
        month_label(run[0]) if len(run) == 1 else f"{month_label(run[0])} to {month_label(run[-1])}"
        for run in runs
    )
