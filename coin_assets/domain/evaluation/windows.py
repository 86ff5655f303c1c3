"""Evaluation windows by timeframe."""

from datetime import datetime

from coin_assets.domain.evaluation.promotion_criteria import FEWEST_SAMPLE_BLOCKS, SHORTEST_SAMPLE
from coin_assets.domain.forecasting.frame import STEPS
from coin_assets.domain.forecasting.naive import NAIVE_WINDOW
from coin_assets.domain.timeframe_rules import rules_of
from coin_assets.domain.timeframes import Timeframe

_LONGEST_TRIAL = 4  # evaluation windows


def window_of(timeframe: Timeframe, as_of: datetime) -> tuple[datetime, datetime]:
    """The evaluation window: start and end of its origins, half-open.

    The window spans 7 days below ``1h``, 30 below ``4h``, 90 below ``1d``, 180 for days, 104 weeks
    or 36 months. It ends after the newest origin whose `STEPS` candles have closed.

    Args:
        timeframe: of the forecasts.
        as_of: data time, the close of the newest candle.
    """
    end = timeframe.shift(as_of, 1 - STEPS)
    return timeframe.shift(end, -_origins(timeframe)), end


def challenger_window_start(timeframe: Timeframe, as_of: datetime, since: datetime) -> datetime:
    """Start of the window in which a challenger is compared with the champion.

    The window begins with the challenger, and spans at most `_LONGEST_TRIAL` evaluation windows.

    Args:
        timeframe: of the forecasts.
        as_of: data time, the close of the newest candle.
        since: first origin of the challenger.
    """
    return max(
        since,
        timeframe.shift(window_of(timeframe, as_of)[1], -_LONGEST_TRIAL * _origins(timeframe)),
    )


def candles_from(timeframe: Timeframe, start: datetime) -> datetime:
    """Open of the first candle that scores of origins from ``start`` on use."""
    return timeframe.shift(timeframe.floor(start), -NAIVE_WINDOW)


def has_trial(timeframe: Timeframe) -> bool:
    """Whether a trial period is long enough to promote a challenger.

    Windows of minutes are too short, those of weeks and months have too few origins. There the
    newest version forecasts until an operator appoints a champion.
    """
    enough = FEWEST_SAMPLE_BLOCKS * STEPS
    origins = _origins(timeframe)
    return origins >= enough and origins * timeframe.seconds > SHORTEST_SAMPLE.total_seconds()


def _origins(timeframe: Timeframe) -> int:
    """Number of origins in the window of a gapless market."""
    return rules_of(timeframe).evaluated_origins(timeframe)
