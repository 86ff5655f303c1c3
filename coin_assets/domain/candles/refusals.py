"""Refusals: candles of a market that break the candle contract."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Refusal:
    """One candle that is not stored because it breaks the contract.

    Attributes:
        start, end: open and close of the candle.
        rule: identifier of the broken rule, for example ``"ohlc"``.
        value: the candle as sent, formatted for messages.
    """

    start: datetime
    end: datetime
    rule: str
    value: str
