"""What the planner is told, and what it answers; plain values without Dagster."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from coin_assets.domain.failures import UNEXPECTED, FailureRecord
from coin_assets.domain.layers import Task
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe, month_start

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
# Steps by the month of their run.
Wanted = dict[datetime, list[Task]]
FIRST_DELAY, LONGEST_DELAY = timedelta(seconds=5), timedelta(minutes=15)


@dataclass(frozen=True)
class PlanningFacts:
    """Facts of one key at one moment. Candles and forecasts are told by their closes and origins.

    Attributes:
        source: the fetched key its candles are derived from; the key itself if it is fetched.
        first: no candle is expected that opens before (history start, retention, source).
        due: candles that close up to here should be there: now, or the end of a finished market.
        candles: close of the newest stored candle.
        verified: end of the verified absences that follow ``candles``, else the same.
        asked: as ``verified``, of absences about which the market was asked at least once.
        fetched: months that were ever written.
        lacking: of a derived key, the opens of the first and the last bucket, after ``candles``
            and not before ``first``, that can be derived from what is stored of the source.
        forecast: newest origin with a champion forecast.
        next_origin: close of the first stored candle after ``forecast``.
        first_cutoff: oldest model version's.
        trainable: candles are enough, and complete, for a model trained now.
        anchor_missing: the running month's anchor version can be trained and is not there.
        history, prediction: ``as_of`` of the published files.
        damage: why a published file has to be written again whatever it says of its time; also
            that it is gone.
        is_refused: publishing refused the newest forecast because it would mislead, and the
            manifest says so.
        gap_months: of a fetched key, months with candles that the market is to be asked for again,
            or was never asked for although it was for later ones.
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
        return self.source == self.series

    @property
    def timeframe(self) -> Timeframe:
        return self.series.timeframe

    @property
    def last_due(self) -> datetime:
        """Open of the newest candle that should be there."""
        return self.timeframe.shift(self.due, -1)

    @property
    def first_open(self) -> datetime:
        """Open of the first candle that is expected at all."""
        first = self.first
        return first if self.timeframe.is_open_time(first) else self.timeframe.next(first)

    def expects_forecast(self, until: datetime) -> bool:
        """Whether a model may forecast at the origin ``until``."""
        return self.first_cutoff is not None and self.first_cutoff <= until

    def lacks_forecast(self, until: datetime | None) -> bool:
        """Whether the candle that closes at ``until`` should have a forecast and has none."""
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
        return UNEXPECTED if self.record is None else self.record.code

    @property
    def cause(self) -> str:
        """By which alerts group it."""
        return "unexpected error" if self.record is None else self.record.cause

    @property
    def message(self) -> str:
        return "" if self.record is None else self.record.message

    @property
    def retry_at(self) -> datetime:
        """Exponential, capped, for ever: nothing is given up."""
        delay: timedelta = FIRST_DELAY * 2 ** min(self.count - 1, 16)
        return self.last + min(delay, LONGEST_DELAY)


@dataclass(frozen=True)
class Runs:
    """What Dagster's own records say.

    Attributes:
        in_flight: steps of queued or started runs, each with its month; published files and
            evaluations have none.
        training: keys of queued or started trainings.
        promoting: keys of promotions that are queued or started, or ended lately.
        busy: purposes of the planner's own queued or started runs.
        failures: of steps that failed since they last succeeded. Of runs in the background they do
            not count: a bad month of long ago must not hold up today's.
        rested: steps that such a background run ended lately, well or not, each with its month;
            no other one asks for them for a while, and nothing live waits for that.
    """

    in_flight: frozenset[tuple[Task, datetime | None]] = frozenset()
    training: frozenset[Series] = frozenset()
    promoting: frozenset[Series] = frozenset()
    busy: frozenset[str] = frozenset()
    failures: Mapping[Task, Failures] = field(default_factory=dict)
    rested: frozenset[tuple[Task, datetime | None]] = frozenset()

    def is_free(self, task: Task, month: datetime | None, now: datetime) -> bool:
        """Whether a step may be asked for: not in flight, and not to be left alone for a while."""
        return (task, month) not in self.in_flight and not self.is_backing_off(task, now)

    def is_free_in_background(self, task: Task, month: datetime | None, now: datetime) -> bool:
        """Whether a step may be asked for that nothing live waits for."""
        return (task, month) not in self.rested and self.is_free(task, month, now)

    def is_backing_off(self, task: Task, now: datetime) -> bool:
        failures = self.failures.get(task)
        return failures is not None and now < failures.retry_at


@dataclass(frozen=True)
class Request:
    """One run: ``steps`` of the month that starts at ``month``."""

    month: datetime
    tasks: tuple[Task, ...]
    purpose: str

    def __post_init__(self) -> None:
        if self.month != month_start(self.month) or not self.tasks:
            raise ValueError(f"a run has a month and steps, not {self.month} {self.tasks}")


@dataclass(frozen=True)
class Plan:
    """Runs to request now.

    Attributes:
        training: keys that need a model first.
        evaluations: keys whose matured forecasts are to be scored.
        promotions: keys whose challenger is to be promoted or retired.
    """

    requests: tuple[Request, ...] = ()
    training: tuple[Series, ...] = ()
    evaluations: tuple[Series, ...] = ()
    promotions: tuple[Series, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not (self.requests or self.training or self.evaluations or self.promotions)
