"""`Series`, one symbol at one timeframe, and the form of symbols in names."""

import re
from dataclasses import dataclass
from functools import lru_cache

from coin_assets.domain.timeframes import Timeframe


@lru_cache(maxsize=4096)  # sensors spell the same names thousands of times a tick
def safe_name(symbol: str) -> str:
    """Form of a symbol in asset keys, groups, paths and file names.

    ``BTC/USDT`` becomes ``BTC_USDT``: every character outside A-Z, a-z and 0-9 becomes ``_``.
    """
    return re.sub(r"[^A-Za-z0-9]", "_", symbol)


@dataclass(frozen=True)
class Series:
    """One symbol at one timeframe, the unit of freshness, models and published files."""

    symbol: str
    timeframe: Timeframe

    @property
    def symbol_name(self) -> str:
        """The symbol in names; see `safe_name`."""
        return safe_name(self.symbol)

    def at(self, timeframe: Timeframe) -> "Series":
        """The same symbol at another timeframe."""
        return Series(self.symbol, timeframe)

    def __str__(self) -> str:
        return f"{self.symbol} {self.timeframe}"
