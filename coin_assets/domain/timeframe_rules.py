"""What depends on a timeframe's unit, beside its arithmetic: one row a unit.

A new unit needs its arithmetic in `timeframes` and a row here.
"""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum

from coin_assets.domain.limits import FreshnessLimits
from coin_assets.domain.timeframes import Timeframe

# A forecaster learns its quantiles from this many candles at most.
MOST_CALIBRATED = 8192


class Retraining(StrEnum):
    """How often models are trained again."""

    DAILY = "daily"
    MONDAYS = "on Mondays"
    FIRST_OF_MONTH = "on the 1st"

    def is_due(self, day: date) -> bool:
        """Whether models are trained on ``day`` (UTC)."""
        match self:
            case Retraining.DAILY:
                return True
            case Retraining.MONDAYS:
                return day.weekday() == 0
            case Retraining.FIRST_OF_MONTH:
                return day.day == 1


@dataclass(frozen=True)
class TimeframeRules:
    """What the platform requires of one timeframe.

    Attributes:
        minimum_candles: candles needed for a forecast.
        calibrated_candles: newest candles that the quantiles of a forecast are learned from. The
            whole history of a long timeframe is several markets in a row, so it uses few.
        calibration_half_life: of the weights of these candles, in candles; None weights all alike.
        realised: whether forecasts measure the variance of a candle by the finer candles that it
            is derived from.
        evaluation_window: span of the origins of an evaluation: long enough to be evidence, short
            enough to describe the present. The trial period of a challenger is a multiple of it.
        retraining: when models are trained again: when a long candle has just closed, or daily.
        model_limits: age of the newest training cutoff above which a model is stale.
    """

    minimum_candles: int
    calibrated_candles: int
    evaluation_window: timedelta
    retraining: Retraining
    model_limits: FreshnessLimits
    calibration_half_life: float | None = None
    realised: bool = False

    def evaluated_origins(self, timeframe: Timeframe) -> int:
        """Origins in the evaluation window of a gapless market."""
        return int(self.evaluation_window.total_seconds()) // timeframe.seconds


def _limits(soft_days: float, hard_days: float) -> FreshnessLimits:
    return FreshnessLimits(timedelta(days=soft_days), timedelta(days=hard_days))


_MINUTES = TimeframeRules(
    minimum_candles=240,
    calibrated_candles=MOST_CALIBRATED,
    evaluation_window=timedelta(days=7),
    retraining=Retraining.DAILY,
    model_limits=_limits(1.5, 3),
)
_HOURS = replace(_MINUTES, evaluation_window=timedelta(days=30))
BY_UNIT = {
    "m": _MINUTES,
    "h": _HOURS,
    "d": TimeframeRules(
        minimum_candles=120,
        calibrated_candles=320,
        evaluation_window=timedelta(days=180),
        retraining=Retraining.DAILY,
        model_limits=_limits(1.5, 3),
    ),
    "w": TimeframeRules(
        minimum_candles=52,
        calibrated_candles=312,
        calibration_half_life=156.0,
        realised=True,
        evaluation_window=timedelta(weeks=104),
        retraining=Retraining.MONDAYS,
        model_limits=_limits(9, 16),
    ),
    "M": TimeframeRules(
        minimum_candles=24,
        calibrated_candles=156,
        realised=True,
        evaluation_window=timedelta(days=36 * 30),  # a month counts as 30 days
        retraining=Retraining.FIRST_OF_MONTH,
        model_limits=_limits(35, 70),
    ),
}
_LONG_HOUR_RULES = replace(_HOURS, evaluation_window=timedelta(days=90))
LONG_HOURS = ("4h", "6h", "8h", "12h")
# Timeframes that differ from the others of their unit.
BY_NAME = dict.fromkeys(LONG_HOURS, _LONG_HOUR_RULES)


def rules_of(timeframe: Timeframe) -> TimeframeRules:
    """The rules of ``timeframe``: those of its name, or else of its unit."""
    return BY_NAME.get(timeframe.name) or BY_UNIT[timeframe.unit]
