"""The training schedule by timeframe."""

from collections.abc import Iterable
from datetime import date

from coin_assets.domain.timeframe_rules import rules_of
from coin_assets.domain.timeframes import Timeframe


def due_timeframes(timeframes: Iterable[Timeframe], day: date) -> list[Timeframe]:
    """Timeframes that are trained on ``day`` (UTC), in the order given."""
    return [each for each in timeframes if rules_of(each).retraining.is_due(day)]
