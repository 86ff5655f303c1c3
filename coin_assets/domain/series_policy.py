"""Policy of one series: expected candles, freshness limits, retention, windows."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from coin_assets.domain.limits import FreshnessLimits
from coin_assets.domain.methods import DEFAULT_METHOD
from coin_assets.domain.series import Series
from coin_assets.domain.timeframe_rules import rules_of


@dataclass(frozen=True)
class VarianceSource:
    """Finer candles that measure the variance of a series' candles; see `forecasting.realised`.

    Attributes:
        series: the series that the candles are derived from.
        first: candles of ``series`` before this are not kept. A candle that needs one of them is
            measured by its own range.
    """

    series: Series
    first: datetime


@dataclass(frozen=True)
class SeriesPolicy:
    """Limits, retention and windows of one series.

    Attributes:
        source: the series its candles are derived from; the series itself if they are fetched.
        history_start: start of the first month to collect, UTC.
        limits: age of its newest candle above which the series is stale.
        history_window: lookback of the history file; None is the whole range.
        reread_candles: number of stored candles that a fetch reads again before the new ones.
        retention, source_retention: how long candles of the series and of its source are kept;
            None is without limit.
        methods: names of the methods that are trained, `DEFAULT_METHOD` first.
        exogenous: names of the exogenous series that are collected.
    """

    series: Series
    source: Series
    history_start: datetime
    limits: FreshnessLimits
    history_window: timedelta | None
    reread_candles: int
    retention: timedelta | None
    source_retention: timedelta | None
    methods: tuple[str, ...] = (DEFAULT_METHOD,)
    exogenous: tuple[str, ...] = ()

    @property
    def is_fetched(self) -> bool:
        """Whether candles come from the market; otherwise they are derived."""
        return self.source == self.series

    @property
    def measures_by_source(self) -> bool:
        """Whether models and forecasts read the candles of the source too."""
        return not self.is_fetched and rules_of(self.series.timeframe).realised

    def variance_source(self, now: datetime) -> VarianceSource | None:
        """What measures the variance of the candles at ``now``; None for their own ranges."""
        if not self.measures_by_source:
            return None
        return VarianceSource(self.source, self.first_source_expected(now))

    def first_expected(self, now: datetime) -> datetime:
        """Earliest open of a candle that is kept and expected at ``now``."""
        return _first_expected(self.history_start, self.retention, now)

    def first_source_expected(self, now: datetime) -> datetime:
        """Earliest open of a candle that can be derived at ``now``.

        Before it, either the source candles or the derived candle are beyond their retention.
        """
        source = _first_expected(self.history_start, self.source_retention, now)
        return max(source, self.first_expected(now))

    def first_usable(self, now: datetime, oldest: datetime | None) -> datetime:
        """Earliest open of a candle that models and forecasts may use at ``now``.

        Args:
            now: time of the decision, UTC.
            oldest: open of the oldest stored candle; None if none is stored. Derived candles stay
                usable after retention has removed their source.
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
    """Earliest open that a retention of ``keep`` covers at ``now``.

    The result is ``keep`` before the last UTC midnight. It changes once a day, so that expected and
    derived ranges stay constant within a day.
    """
    return now.replace(hour=0, minute=0, second=0, microsecond=0) - keep
