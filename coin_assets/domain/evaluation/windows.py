"""Which forecasts an evaluation looks at, by timeframe."""

from datetime import datetime

from coin_assets.domain.evaluation.promotion import FEWEST_BLOCKS, SHORTEST
from coin_assets.domain.forecasting.frame import STEPS
from coin_assets.domain.forecasting.naive import NAIVE_WINDOW
from coin_assets.domain.timeframe_rules import rules_of
from coin_assets.domain.timeframes import Timeframe

_CONTEST = 4


def window_of(timeframe: Timeframe, as_of: datetime) -> tuple[datetime, datetime]:
    """Origins of an evaluation, half-open: up to the newest whose `STEPS` candles are over.

    They span 7 days below ``1h``, 30 below ``4h``, 90 below ``1d``, 180 for days, 104 weeks or 36
    months: long enough to say something, short enough to be about the present.

    Args:
        as_of: data time, the close of the newest candle.
    """
    end = timeframe.shift(as_of, 1 - STEPS)
    return timeframe.shift(end, -_origins(timeframe)), end


def contest_from(timeframe: Timeframe, as_of: datetime, since: datetime) -> datetime:
    """First origin at which a challenger is compared with the champion.

    The more the better: as long as it has been challenger, and at most `_CONTEST` windows.
    """
    return max(
        since, timeframe.shift(window_of(timeframe, as_of)[1], -_CONTEST * _origins(timeframe))
    )


def candles_from(timeframe: Timeframe, start: datetime) -> datetime:
    """Open of the first candle that the scores of origins from ``start`` on look at."""
    return timeframe.shift(timeframe.floor(start), -NAIVE_WINDOW)


def is_contested(timeframe: Timeframe) -> bool:
    """Whether a challenger can show within a window that it is better.

    Minutes are forgotten too soon, weeks and months tell too little; there the newest training
    makes the forecasts, until somebody appoints a champion.
    """
    enough = FEWEST_BLOCKS * STEPS
    origins = _origins(timeframe)
    return origins >= enough and origins * timeframe.seconds > SHORTEST.total_seconds()


def _origins(timeframe: Timeframe) -> int:
    """Origins that a window of a gapless market has."""
    return rules_of(timeframe).evaluated_origins(timeframe)
