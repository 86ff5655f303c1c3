"""Candles that a market sends but that break the candle contract, one by one."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Refusal:
    """One candle that is not stored because of what the market sends for it.

    Attributes:
        start, end: open and close of the candle.
        rule: identifier of the broken rule, for example ``"ohlc"``.
        value: the candle as it was sent, rendered for people.
    """

    start: datetime
    end: datetime
    rule: str
    value: str
