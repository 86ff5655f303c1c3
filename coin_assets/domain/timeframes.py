"""Timeframe arithmetic: opens, closes and counts of candles, and calendar months.

A candle is identified by its open time. All times are timezone-aware UTC; ranges are half-open.
Weeks open on Monday 00:00, months on the 1st, everything else on multiples of its length since
1970-01-01 00:00.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

from coin_assets.errors import ConfigurationError

# Imported where they are used: `coin_assets.watcher` needs the names, and little memory.
if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

MONDAY = datetime(1970, 1, 5, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNIT_SECONDS = {"m": 60, "h": 3600, "d": 86400, "w": 604800, "M": 30 * 86400}
_DAY_SECONDS = 86400

MINUTES = ("1m", "3m", "5m", "10m", "15m", "30m")
HOURS = ("1h", "2h", "3h", "4h", "6h", "8h", "12h")
NAMES = (*MINUTES, *HOURS, "1d", "3d", "1w", "1M")

if TYPE_CHECKING:
    Ordinals = npt.NDArray[np.int64]
else:
    Ordinals = Any


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
        """Unit letter: one of ``m h d w M``."""
        return self.name[-1]

    @property
    def seconds(self) -> int:
        """Length in seconds.

        A month counts as 30 days: use the value to compare and to size, never to add to a time.
        """
        return int(self.name[:-1]) * UNIT_SECONDS[self.unit]

    @property
    def is_month(self) -> bool:
        """Whether candles are calendar months, which differ in length."""
        return self.unit == "M"

    @property
    def follows_calendar(self) -> bool:
        """Whether its candles are calendar periods of whole days: weeks and months."""
        return self.unit in "wM"

    @property
    def straddles_months(self) -> bool:
        """Whether a candle can open in one month and close within the next one."""
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

    def ceil(self, time: datetime) -> datetime:
        """First open at or after ``time``."""
        opened = self.floor(time)
        return opened if opened == time else self.next(opened)

    def last_open_before(self, time: datetime) -> datetime:
        """Last open strictly before ``time``, the end of a half-open range."""
        return self.floor(time - timedelta.resolution)

    def close_of(self, opened: datetime) -> datetime:
        """Close of the candle that opens at ``opened``, which is the open of the next one."""
        return self.next(opened)

    def shift(self, time: datetime, candles: int) -> datetime:
        """Open ``candles`` after the open of the candle that contains ``time``.

        Args:
            time: any time, UTC.
            candles: number of candles; negative is before.
        """
        if self.is_month:
            months = time.year * 12 + time.month - 1 + candles
            return datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)
        return self.floor(time) + timedelta(seconds=self.seconds) * candles

    def is_open_time(self, time: datetime) -> bool:
        """Whether a candle opens at ``time``."""
        return self.floor(time) == time

    def is_closed(self, opened: datetime, now: datetime, settle: timedelta = timedelta(0)) -> bool:
        """Whether a candle is final at ``now``.

        Args:
            opened: open of the candle.
            now: UTC.
            settle: time after the close until the candle counts as closed.
        """
        return self.close_of(opened) + settle <= now

    def newest_closed(self, now: datetime, settle: timedelta = timedelta(0)) -> datetime:
        """Open of the newest candle that is closed at ``now``.

        Args:
            now: UTC.
            settle: time after the close until the candle counts as closed.
        """
        return self.shift(now - settle, -1)

    def count(self, start: datetime, end: datetime) -> int:
        """Number of candles that open in ``[start, end)``."""
        return max(0, self._first_ordinal(end) - self._first_ordinal(start))

    def opens(self, start: datetime, end: datetime) -> "pd.DatetimeIndex":
        """All opens in ``[start, end)``, ascending, dtype ``datetime64[us, UTC]``."""
        import numpy as np

        first = self._first_ordinal(start)
        return self._times(np.arange(first, first + self.count(start, end), dtype=np.int64))

    def ordinals(self, times: "pd.Series[pd.Timestamp] | pd.DatetimeIndex") -> Ordinals:
        """Ordinal of the candle that contains each time.

        Consecutive candles differ by one.

        Args:
            times: (n,) timezone-aware, any order.

        Returns:
            (n,) int64.

        Raises:
            TypeError: the times have no zone.
        """
        micros = as_micros(times)
        if self.is_month:
            return micros.view("datetime64[us]").astype("datetime64[M]").astype("int64")
        anchor = int(self._anchor.timestamp()) * 1_000_000
        return (micros - anchor) // (self.seconds * 1_000_000)

    def floor_all(self, times: "pd.Series[pd.Timestamp] | pd.DatetimeIndex") -> "pd.DatetimeIndex":
        """Vectorised `floor`: (n,) opens, dtype ``datetime64[us, UTC]``."""
        return self._times(self.ordinals(times))

    def close_all(self, times: "pd.Series[pd.Timestamp] | pd.DatetimeIndex") -> "pd.DatetimeIndex":
        """Vectorised `close_of`: (n,) closes, dtype ``datetime64[us, UTC]``."""
        return self._times(self.ordinals(times) + 1)

    def shift_all(
        self, times: "pd.Series[pd.Timestamp] | pd.DatetimeIndex", candles: "int | Ordinals"
    ) -> "pd.DatetimeIndex":
        """Vectorised `shift`: (n,) opens, dtype ``datetime64[us, UTC]``."""
        return self._times(self.ordinals(times) + candles)

    def divides(self, coarser: "Timeframe") -> bool:
        """Whether every candle of ``coarser`` consists of whole candles of this timeframe."""
        if self.is_month or self.seconds >= coarser.seconds:
            return False
        if coarser.follows_calendar:
            return _DAY_SECONDS % self.seconds == 0
        return self.unit != "w" and coarser.seconds % self.seconds == 0

    def _first_ordinal(self, time: datetime) -> int:
        """Ordinal of the first candle that opens at or after ``time``."""
        if self.is_month:
            return (time.year - 1970) * 12 + time.month - 1 + (time > month_start(time))
        return -((self._anchor - time) // timedelta(seconds=self.seconds))

    def _times(self, ordinals: Ordinals) -> "pd.DatetimeIndex":
        import pandas as pd

        if self.is_month:
            naive = ordinals.astype("datetime64[M]").astype("datetime64[us]")
        else:
            anchor = int(self._anchor.timestamp()) * 1_000_000
            naive = (ordinals * (self.seconds * 1_000_000) + anchor).astype("datetime64[us]")
        return pd.DatetimeIndex(naive).tz_localize("UTC")


def as_micros(times: "pd.Series[pd.Timestamp] | pd.DatetimeIndex") -> Ordinals:
    """Microseconds since 1970 of (n,) timezone-aware times, as (n,) int64.

    Raises:
        TypeError: the times have no zone.
    """
    import numpy as np
    import pandas as pd

    index = pd.DatetimeIndex(times).tz_convert("UTC").as_unit("us")
    return np.asarray(index.asi8, dtype=np.int64)


def just_after(time: datetime) -> datetime:
    """End of the shortest half-open range that contains ``time``: one microsecond later."""
    return time + timedelta.resolution


def month_start(time: datetime) -> datetime:
    """First instant of the UTC calendar month that contains ``time``."""
    return datetime(time.year, time.month, 1, tzinfo=UTC)


def next_month(time: datetime) -> datetime:
    """First instant of the month after the one that contains ``time``."""
    return datetime(time.year + time.month // 12, time.month % 12 + 1, 1, tzinfo=UTC)


def months_between(start: datetime, end: datetime) -> list[datetime]:
    """Starts of the months that ``[start, end)`` overlaps, ascending; empty if it is empty."""
    months = []
    month = month_start(start)
    while start < end and month < end:
        months.append(month)
        month = next_month(month)
    return months


def month_label(month: datetime) -> str:
    """``2026-11`` for November 2026."""
    return f"{month.year:04d}-{month.month:02d}"  # `%Y-%m` takes ten times as long


def describe_months(months: list[datetime]) -> str:
    """Months as text, consecutive ones joined: ``2024-01 to 2024-05, 2024-08``."""
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
