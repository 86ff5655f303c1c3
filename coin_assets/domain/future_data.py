"""Data that ends in the future: a clock was wrong when it was stored, or is now."""

from datetime import datetime, timedelta

from coin_assets.domain.json_format import time_text

# Data ends when its newest candle closed, so never after the present. The clocks of the machines
# that write and read it may differ by this.
CLOCK_TOLERANCE = timedelta(minutes=1)


def why_ahead(as_of: datetime | None, now: datetime) -> str | None:
    """Why data of ``as_of`` is corrupt: it ends in the future; None if it does not."""
    return ahead_reason(as_of) if as_of is not None and is_ahead(as_of, now) else None


def is_ahead(time: datetime | None, now: datetime) -> bool:
    """Whether a recorded time is in the future by more than clocks may differ."""
    return time is not None and time - now > CLOCK_TOLERANCE


def ahead_reason(as_of: datetime) -> str:
    """Why data that ends in the future is corrupt, and what to do."""
    return (
        f"data ends {time_text(as_of)}, in the future: a clock was wrong when it was stored, or is "
        "now. Correct the clock; after that time, materialise its ohlcv of that month again and "
        "launch redo_touched"
    )
