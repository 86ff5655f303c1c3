"""What is expected of one series: which candles, how fresh, for how long."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from coin_assets.domain.limits import FreshnessLimits
from coin_assets.domain.series import Series
from coin_assets.domain.timeframe_rules import rules_of


@dataclass(frozen=True)
class SeriesPolicy:
    """Limits, retention and windows of one series.

    Attributes:
        source: the series its candles are derived from; the series itself if they are fetched.
        limits: age of its candles from which it is stale.
        history_window: lookback of the history file; None is the whole range.
        reread_candles: stored candles that a fetch reads again before the new ones.
        retention, source_retention: how long candles of the series and of its source are kept;
            None is for ever.
    """

    series: Series
    source: Series
    history_start: datetime
    limits: FreshnessLimits
    history_window: timedelta | None
    reread_candles: int
    retention: timedelta | None
    source_retention: timedelta | None

    @property
    def is_fetched(self) -> bool:
        return self.source == self.series

    def first_expected(self, now: datetime) -> datetime:
        """No candle of the key is kept or expected that opens before this time."""
        return _first_expected(self.history_start, self.retention, now)

    def first_source_expected(self, now: datetime) -> datetime:
        """No candle of the key can be derived that opens before: its source is not kept, or it
        would not be kept itself."""
        source = _first_expected(self.history_start, self.source_retention, now)
        return max(source, self.first_expected(now))

    def first_usable(self, now: datetime, oldest: datetime | None) -> datetime:
        """Models and forecasts of the key see no candle that opens before this time.

        Args:
            oldest: open of the oldest stored candle: what was derived stays when its source goes.
        """
        derivable = self.first_source_expected(now)
        return max(self.first_expected(now), min(derivable, oldest or derivable))

    @property
    def training_limits(self) -> FreshnessLimits:
        """Age limits of a model's training cutoff."""
        return rules_of(self.series.timeframe).model_limits


def _first_expected(start: datetime, keep: timedelta | None, now: datetime) -> datetime:
    return start if keep is None else max(start, kept_from(now, keep))


def kept_from(now: datetime, keep: timedelta) -> datetime:
    """Nothing that opens before this time is kept: ``keep`` before the last UTC midnight.

    It moves once a day, so that what is expected and what is derived do not change by the minute.
    """
    return now.replace(hour=0, minute=0, second=0, microsecond=0) - keep
