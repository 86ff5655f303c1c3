"""Input and output of the planner: plain values without Dagster."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from coin_assets.domain.backoff import backoff, failures_to_longest, look_back
from coin_assets.domain.failures import UNEXPECTED, FailureRecord
from coin_assets.domain.layers import Task
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe, month_start, months_between, next_month

# Tags of runs: contract; ``LIVE`` here is a purpose, in `forecasting.frame` a kind of forecast. The
# runs of monthly versions have always been tagged "anchors".
LIVE, HISTORY, GAPS, MONTHLY, REPAIR, TRAINING, EVALUATION, PROMOTION = (
    "live",
    "history",
    "gaps",
    "anchors",
    "repair",
    "training",
    "evaluation",
    "promotion",
)
# Tasks by the month of their run.
Wanted = dict[datetime, list[Task]]
FIRST_DELAY, LONGEST_DELAY = timedelta(seconds=5), timedelta(minutes=15)
# Allowance for a tick, the queue and a run that fails.
_ATTEMPT = timedelta(minutes=2)


def failures_look_back() -> timedelta:
    """Time over which failures are counted: enough to reach `LONGEST_DELAY` and to stay there."""
    return look_back(FIRST_DELAY, LONGEST_DELAY, _ATTEMPT)


def most_counted_failures() -> int:
    """Number of failures in a row after which more do not change the delay."""
    return failures_to_longest(FIRST_DELAY, LONGEST_DELAY)


@dataclass(frozen=True)
class PlanningFacts:
    """Facts about one series at one moment. Candle times are closes, forecast times are origins.

    Attributes:
        source: the fetched series of which its candles are derived; itself if it is fetched.
        first: candles are expected from here on (history start, retention, source).
        due: candles that close up to here are expected: now, or the end of a finished market.
        candles: close of the newest stored candle.
        verified: end of the verified absences that follow ``candles``, else ``candles``.
        asked: close up to which every candle after ``candles`` was requested at least once.
        fetched: months that were ever written.
        lacking: of a derived series, opens of the first and last bucket that can be derived now,
            after ``candles`` and not before ``first``; None if none can.
        forecast: newest origin with a champion forecast.
        next_origin: close of the first stored candle after ``forecast``.
        first_cutoff: cutoff of the oldest model version.
        trainable: no model version is as recent as the schedule makes them (`due_cutoff`), and
            stored candles are enough, and complete, for one trained now.
        monthly_version_missing: the running month's version can be trained and does not exist.
        history, prediction: ``as_of`` of the published files.
        damage: why a published file must be rewritten whatever its ``as_of``; also if it is gone.
        is_refused: the newest forecast is unfit for publication, and an attempt has failed.
        gap_months: of a fetched series, months with candles to request again, and fetched months
            with candles that were never requested although later ones were.
    """

    series: Series
    source: Series
    first: datetime
    due: datetime
    candles: datetime | None = None
    verified: datetime | None = None
    asked: datetime | None = None
    fetched: frozenset[datetime] = frozenset()
    lacking: tuple[datetime, datetime] | None = None
    forecast: datetime | None = None
    next_origin: datetime | None = None
    first_cutoff: datetime | None = None
    trainable: bool = False
    monthly_version_missing: bool = False
    history: datetime | None = None
    prediction: datetime | None = None
    damage: str | None = None
    is_refused: bool = False
    gap_months: tuple[datetime, ...] = ()

    @property
    def is_fetched(self) -> bool:
        """Whether its candles are fetched, not derived."""
        return self.source == self.series

    @property
    def timeframe(self) -> Timeframe:
        """That of the series."""
        return self.series.timeframe

    @property
    def is_behind_store(self) -> bool:
        """Whether the published files are missing or older than what is stored."""
        return is_behind_store(self.candles, self.forecast, self.history, self.prediction)

    @property
    def last_due(self) -> datetime:
        """Open of the newest expected candle."""
        return self.timeframe.shift(self.due, -1)

    @property
    def first_open(self) -> datetime:
        """Open of the first expected candle."""
        return self.timeframe.ceil(self.first)

    def expects_forecast(self, until: datetime) -> bool:
        """Whether a model may forecast at the origin ``until``."""
        return self.first_cutoff is not None and self.first_cutoff <= until

    def lacks_forecast(self, until: datetime | None) -> bool:
        """Whether a forecast is expected at the origin ``until`` and missing."""
        if until is None or not self.expects_forecast(until):
            return False
        return self.forecast is None or self.forecast < until


@dataclass(frozen=True)
class Failures:
    """Failures of a task in a row.

    Attributes:
        last: end of the last failed run.
        record: what the last one left; None in plans that are made without Dagster.
    """

    count: int
    last: datetime
    record: FailureRecord | None = None

    @property
    def code(self) -> str:
        """Error code of the last failure."""
        return UNEXPECTED if self.record is None else self.record.code

    @property
    def cause(self) -> str:
        """Cause of the last failure, by which alerts group it."""
        return "unexpected error" if self.record is None else self.record.cause

    @property
    def message(self) -> str:
        """Text of the last failure for people; empty if unknown."""
        return "" if self.record is None else self.record.message

    @property
    def retry_at(self) -> datetime:
        """Time of the next attempt: exponential back-off that never gives up."""
        return self.last + backoff(FIRST_DELAY, LONGEST_DELAY, self.count)


@dataclass(frozen=True)
class Runs:
    """Runs and failures, from Dagster's records.

    Attributes:
        in_flight: tasks of queued or started runs, each with its month; None for published files
            and evaluations.
        training: series of queued or started trainings.
        promoting: series of promotions that are queued, started or ended recently.
        busy: purposes of the planner's own queued or started runs.
        failures: of tasks that failed since their last success. Failures of background runs do not
            count: a bad old month must not delay the running one.
        rested: tasks of background runs that ended recently, each with its month. No background run
            repeats them for a while; live runs do not wait for that.
    """

    in_flight: frozenset[tuple[Task, datetime | None]] = frozenset()
    training: frozenset[Series] = frozenset()
    promoting: frozenset[Series] = frozenset()
    busy: frozenset[str] = frozenset()
    failures: Mapping[Task, Failures] = field(default_factory=dict)
    rested: frozenset[tuple[Task, datetime | None]] = frozenset()

    def is_free(self, task: Task, month: datetime | None, now: datetime) -> bool:
        """Whether a run may be requested for the task: neither in flight nor backing off."""
        return (task, month) not in self.in_flight and not self.is_backing_off(task, now)

    def is_free_in_background(self, task: Task, month: datetime | None, now: datetime) -> bool:
        """As `is_free`, for background work, which rests after each run."""
        return (task, month) not in self.rested and self.is_free(task, month, now)

    def is_backing_off(self, task: Task, now: datetime) -> bool:
        """Whether the task failed and its next attempt is later than ``now``."""
        failures = self.failures.get(task)
        return failures is not None and now < failures.retry_at


@dataclass(frozen=True)
class Request:
    """One run: ``tasks`` of consecutive months.

    Attributes:
        month: start of the first month.
        until: start of the last month; by default the first one.
    """

    month: datetime
    tasks: tuple[Task, ...]
    purpose: str
    until: datetime | None = None

    def __post_init__(self) -> None:
        is_range = self.month == month_start(self.month) <= self.last == month_start(self.last)
        if not is_range or not self.tasks:
            raise ValueError(
                f"a run has months and tasks, not {self.month} to {self.last} {self.tasks}"
            )

    @property
    def last(self) -> datetime:
        """Start of the last month."""
        return self.until or self.month

    @property
    def months(self) -> list[datetime]:
        """Starts of all months, ascending."""
        return months_between(self.month, next_month(self.last))


@dataclass(frozen=True)
class Plan:
    """Runs to request now.

    Attributes:
        training: series that need a model before a forecast.
        evaluations: series whose matured forecasts are due for scoring.
        promotions: series whose challenger is to be promoted or retired.
    """

    requests: tuple[Request, ...] = ()
    training: tuple[Series, ...] = ()
    evaluations: tuple[Series, ...] = ()
    promotions: tuple[Series, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be requested."""
        return not (self.requests or self.training or self.evaluations or self.promotions)


def is_behind_store(
    candles: datetime | None,
    forecast: datetime | None,
    history: datetime | None,
    prediction: datetime | None,
) -> bool:
    """Whether the published files are missing or older than what is stored.

    Args:
        candles: close of the newest stored candle.
        forecast: newest stored origin.
        history: data time of the published history.
        prediction: data time of the published forecast.
    """
    if candles is None:
        return False
    if history is None or history < candles:
        return True
    return forecast is not None and (prediction is None or prediction < forecast)
