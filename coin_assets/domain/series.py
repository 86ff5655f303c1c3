"""Names of things: symbols, their file-system form, and the (symbol, timeframe) key."""

import re
from dataclasses import dataclass

from coin_assets.domain.timeframes import Timeframe


def safe_name(symbol: str) -> str:
    """``BTC/USDT`` as used in asset keys, groups, paths and file names: ``BTC_USDT``."""
    return re.sub(r"[^A-Za-z0-9]", "_", symbol)


@dataclass(frozen=True)
class Series:
    """One symbol at one timeframe, the unit of freshness, models and published files."""

    symbol: str
    timeframe: Timeframe

    @property
    def symbol_name(self) -> str:
        return safe_name(self.symbol)

    def at(self, timeframe: Timeframe) -> "Series":
        """The same symbol at another timeframe."""
        return Series(self.symbol, timeframe)

    def __str__(self) -> str:
        return f"{self.symbol} {self.timeframe}"
