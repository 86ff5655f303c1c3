"""Refusals: candles of a market that break the candle contract, or are implausible."""

from dataclasses import dataclass
from datetime import datetime

# The rule of a valid candle that is held back until it is confirmed; see `plausibility`.
IMPLAUSIBLE = "implausible_step"


@dataclass(frozen=True)
class Refusal:
    """One candle that is not stored.

    Attributes:
        start, end: open and close of the candle.
        rule: identifier of the broken rule, for example ``"ohlc"``.
        value: the candle as sent, formatted for messages.
    """

    start: datetime
    end: datetime
    rule: str
    value: str
