"""A made-up world for the planner: market, store, registry, published folder, run launcher.

It is the planner's oracle, so it shares no arithmetic with it: candles are numbers on a `Grid`, and
what a step does is told by flags. Times of answers are kept as the gap ledger keeps them.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from coin_assets.domain.layers import CANDLES, MODELS, PREDICTIONS, PUBLISHED, Task
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe
from coin_assets.planning.facts import Failures, Plan, PlanningFacts, Request, Runs
from coin_assets.planning.planner import plan_repairs, plan_updates
from coin_assets_tests.planning.grid import Grid, grid

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
REST = timedelta(minutes=15)
_LAYERS = (CANDLES, MODELS, PREDICTIONS, PUBLISHED)


@dataclass
class Faults:
    """What goes wrong, by the step; a run is killed as often as one of its steps fails.

    Attributes:
        rate: part of steps that fail, before or after they did their work.
        broken: steps that always fail, before they did anything.
        kill_after: number of steps after which the next run is killed.
    """

    rate: float = 0.0
    broken: set[Task] = field(default_factory=set)
    kill_after: int | None = None


@dataclass
class Run:
    request: Request | None
    training: tuple[Series, ...]
    end: datetime
    early: bool
    purpose: str


@dataclass
class Failed:
    """Candles of a month, not stored and before ``end``, that the market refuses for good.

    Attributes:
        tries: how often they were asked for.
        last: when last.
    """

    end: int
    tries: int
    last: datetime

    @property
    def retry_at(self) -> datetime:
        delay: timedelta = MINUTE * 2 ** min(self.tries, 9)
        return self.last + min(delay, 6 * HOUR)


class SimulatedSeries:
    """One key: what the store, the registry and the published folder hold of it."""

    def __init__(
        self, series: Series, source: "SimulatedSeries | None", calendar: Grid, first: datetime
    ) -> None:
        self.series, self.calendar = series, calendar
        self.source: SimulatedSeries = source or self
        self.first = calendar.opened_by(first)
        self.first_time = first
        self.stored = bytearray(len(calendar.times))
        self.newest = -1
        self.fetched: set[datetime] = set()
        self.forecasts = bytearray(len(calendar.times))
        self.newest_forecast = -1
        self.cutoffs: list[datetime] = []
        self.history: datetime | None = None
        self.prediction: datetime | None = None
        self.damage: str | None = None
        # Of a fetched key: what the market is like, and what it said.
        self.listed = self.first
        self.holes: set[int] = set()
        self.late: dict[int, datetime] = {}
        self.silent: list[tuple[datetime, datetime]] = []
        self.refused: set[datetime] = set()  # months that fail for good
        self.failed: dict[datetime, Failed] = {}
        self.answers: dict[int, tuple[datetime, datetime]] = {}
        self.pending: set[int] = set()
        if source is not None:  # source candles of every bucket
            marks = [source.calendar.opened_by(time) for time in calendar.times]
            self.parts = list(pairwise(marks))

    @property
    def is_fetched(self) -> bool:
        return self.source is self

    def close(self, number: int) -> datetime | None:
        return self.calendar.times[number + 1] if number >= 0 else None

    def verified(self, *, asked: bool = False) -> int:
        """Number of the first candle that is neither stored nor known to be absent."""
        number = self.newest + 1
        if self.is_fetched:
            while (number in self.answers and (asked or number not in self.pending)) or (
                asked and self.has_failed(number)
            ):
                number += 1
        elif self.lacking() is None and self.source.newest >= 0:
            number = max(number, self.calendar.closed_by(self.covered()))
        return number

    def has_failed(self, number: int) -> bool:
        """Whether a candle that is not stored was refused for good when it was last asked for."""
        failed = self.failed.get(self.calendar.month_of[number]) if self.failed else None
        return failed is not None and number < failed.end

    def covered(self) -> datetime:
        """How far the candles of a fetched key are known."""
        return self.source.calendar.times[self.source.verified()]

    def lacking(self) -> tuple[int, int] | None:
        """First and last bucket that could be derived and are not."""
        if self.source.newest < 0:
            return None
        first = max(self.newest + 1, self.first)
        found = [
            number
            for number in range(first, self.calendar.closed_by(self.covered()))
            if self.source.stored.find(1, *self.parts[number]) >= 0
        ]
        return (found[0], found[-1]) if found else None

    def never_asked(self, begin: int, end: int) -> list[int]:
        """Candles of a fetched key from ``begin`` up to ``end`` that nobody knows anything of."""
        found = []
        number = self.stored.find(0, max(begin, self.listed), end)
        while number >= 0:
            if number not in self.answers and not self.has_failed(number):
                found.append(number)
            number = self.stored.find(0, number + 1, end)
        return found

    def store(self, number: int) -> None:
        self.stored[number] = 1
        self.newest = max(self.newest, number)

    def published_is_newest(self) -> bool:
        return self.history == self.close(self.newest) and self.prediction == self.close(
            self.newest_forecast
        )


class World:
    """Symbols times timeframes at one moment, and the runs in flight.

    Args:
        sources: timeframe of the source of every derived one; those without one are fetched.
        enough: candles needed for a model.
        seed: of the faults.
        duration: of a run.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        sources: dict[str, str | None],
        start: datetime,
        now: datetime,
        end: datetime,
        *,
        enough: int = 5,
        seed: int = 0,
        duration: timedelta = timedelta(0),
    ) -> None:
        self.now, self.enough, self.duration = now, enough, duration
        self.random = random.Random(seed)
        self.faults = Faults()
        self.series: dict[Series, SimulatedSeries] = {}
        for symbol in symbols:
            for name, source in sorted(sources.items(), key=lambda each: each[1] is not None):
                series = Series(symbol, Timeframe(name))
                above = None if source is None else self.series[series.at(Timeframe(source))]
                self.series[series] = SimulatedSeries(series, above, grid(name, start, end), start)
        self.runs: list[Run] = []
        self.failures: dict[Task, Failures] = {}
        self.rested: dict[tuple[Task, datetime | None], datetime] = {}
        self.log: list[tuple[datetime, Request]] = []
        self.trainings = 0
        self._facts: dict[Series, tuple[object, PlanningFacts]] = {}
        self._changed: dict[Series, int] = dict.fromkeys(self.series, 0)

    # --- what the planner is told

    def facts(self) -> list[PlanningFacts]:
        found = []
        for series, each in self.series.items():
            mark = self._mark(each)
            known = self._facts.get(series)
            if known is None or known[0] != mark:
                known = self._facts[series] = mark, self.facts_of(each)
            found.append(known[1])
        return found

    def _mark(self, each: SimulatedSeries) -> object:
        """Facts are the same as long as this is."""
        calendar, source = each.calendar, each.source
        timed = self.now if source.pending or source.failed else None
        month = each.source.calendar.month_of[source.calendar.closed_by(self.now)]
        changes = self._changed[each.series], self._changed[source.series]
        night = self._night(each.series.timeframe.name)
        return (*changes, calendar.closed_by(self.now), month, timed, night)

    def facts_of(self, each: SimulatedSeries) -> PlanningFacts:
        calendar, lacking = each.calendar, None if each.is_fetched else each.lacking()
        following = each.stored.find(1, each.newest_forecast + 1)
        known = each.newest >= 0
        trainable, monthly_version_missing = self._models_wanted(each)
        return PlanningFacts(
            series=each.series,
            source=each.source.series,
            first=each.first_time,
            due=self.now,
            candles=each.close(each.newest),
            verified=calendar.times[each.verified()] if known else None,
            asked=calendar.times[each.verified(asked=True)] if known else None,
            fetched=frozenset(each.fetched),
            lacking=lacking and (calendar.times[lacking[0]], calendar.times[lacking[1]]),
            forecast=each.close(each.newest_forecast),
            next_origin=each.close(following) if each.newest_forecast >= 0 else None,
            first_cutoff=min(each.cutoffs, default=None),
            trainable=trainable,
            monthly_version_missing=monthly_version_missing,
            history=each.history,
            prediction=each.prediction,
            damage=each.damage,
            gap_months=self._gap_months(each) if each.is_fetched else (),
        )

    def _gap_months(self, each: SimulatedSeries) -> tuple[datetime, ...]:
        due = [n for n in each.pending if each.answers[n][1] + HOUR <= self.now]
        months = {each.calendar.month_of[number] for number in due}
        unknown = each.never_asked(each.first, each.newest + 1)
        months |= {each.calendar.month_of[number] for number in unknown} & each.fetched
        months |= {month for month, failed in each.failed.items() if failed.retry_at <= self.now}
        return tuple(sorted(months))

    def _models_wanted(self, each: SimulatedSeries) -> tuple[bool, bool]:
        candles, month = each.close(each.newest), self._month()
        if candles is None:
            return False, False
        lacks = not self._is_trained(each, candles)
        if not lacks and month in each.cutoffs:
            return False, False
        months = each.calendar.month_of[each.first : each.newest + 1]
        if not each.fetched.issuperset(months):
            return False, False
        before = each.calendar.closed_by(month)
        monthly = month not in each.cutoffs and each.newest + 1 >= before
        return (
            lacks and sum(each.stored) >= self.enough,
            monthly and sum(each.stored[:before]) >= self.enough,
        )

    def _is_trained(self, each: SimulatedSeries, candles: datetime) -> bool:
        """Whether there is a version as recent as the last training of the schedule."""
        times, night = each.calendar.times, self._night(each.series.timeframe.name)
        due = min(times[each.calendar.closed_by(night)], candles)
        return any(due <= cutoff <= candles for cutoff in each.cutoffs)

    def _night(self, timeframe: str) -> datetime:
        """The last midnight after which the schedule has trained, and had time to."""
        night = self.now - 45 * MINUTE
        night = night.replace(hour=0, minute=0, second=0, microsecond=0)
        if timeframe == "1w":
            return night - night.weekday() * 24 * HOUR
        return night.replace(day=1) if timeframe == "1M" else night

    def _month(self) -> datetime:
        return self.now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)

    def facts_of_runs(self) -> Runs:
        in_flight = {
            (task, None if task.layer == PUBLISHED else month)
            for run in self.runs
            if run.request
            for task in run.request.tasks
            for month in run.request.months
        }
        return Runs(
            in_flight=frozenset(in_flight),
            training=frozenset(series for run in self.runs for series in run.training),
            busy=frozenset(run.purpose for run in self.runs),
            failures=dict(self.failures),
            rested=frozenset(each for each, until in self.rested.items() if until > self.now),
        )

    # --- what it asks for

    def tick(self) -> Plan:
        """Both sensors once. Runs start now; those that take no time are over at once."""
        self.finish_runs()
        facts = self.facts()
        updates = plan_updates(facts, self.facts_of_runs(), self.now)
        self.launch(updates)
        repairs = plan_repairs(facts, self.facts_of_runs(), self.now)
        self.launch(repairs)
        self.finish_runs()
        return Plan((*updates.requests, *repairs.requests), updates.training)

    def launch(self, plan: Plan) -> None:
        for request in plan.requests:
            self.log.append((self.now, request))
            self._start(Run(request, (), self._end(), self._is_early(), request.purpose))
        if plan.training:
            self.trainings += 1
            self._start(Run(None, plan.training, self._end(), early=False, purpose="training"))

    def _end(self) -> datetime:
        return self.now + self.duration * self.random.choice((1, 1, 2))

    def _is_early(self) -> bool:
        """Whether a run does its work at once, and is long in ending."""
        return self.faults.rate > 0 and self.random.random() < 0.2

    def _start(self, run: Run) -> None:
        self.runs.append(run)
        if run.early:
            self._work(run)

    def finish_runs(self) -> None:
        ended = [run for run in self.runs if run.end <= self.now]
        if ended:
            self.runs = [run for run in self.runs if run.end > self.now]
        for run in ended:
            if not run.early:
                self._work(run)
            if run.request and run.purpose in ("history", "gaps", "anchors"):
                for task in run.request.tasks:
                    for month in run.request.months:
                        self.rested[task, month] = self.now + REST
        if self.rested and ended:
            self.rested = {each: till for each, till in self.rested.items() if till > self.now}

    def next_end(self) -> datetime | None:
        return min((run.end for run in self.runs), default=None)

    # --- what a run does

    def _work(self, run: Run) -> None:
        for series in run.training:
            self.train(self.series[series])
        if run.request is None:
            return
        tasks = sorted(run.request.tasks, key=self._order)
        left, self.faults.kill_after = self.faults.kill_after, None
        if self.faults.rate and self.random.random() < self.faults.rate / 2:
            left = self.random.randrange(len(tasks))
        skipped: set[tuple[Series, int]] = set()
        is_counted = run.purpose not in ("history", "gaps", "anchors")
        for number, task in enumerate(tasks):
            killed = left is not None and number >= left
            each, layer = self.series[task.series], _LAYERS.index(task.layer)
            above = [(task.series, above) for above in range(layer)]
            if not killed and not skipped.isdisjoint([*above, (each.source.series, 0)]):
                continue
            if not killed and self._attempt(each, task, run.request.months):
                self.failures.pop(task, None)
                continue
            skipped.add((task.series, layer))
            if is_counted:
                count = self.failures[task].count if task in self.failures else 0
                self.failures[task] = Failures(count + 1, self.now)

    def _order(self, task: Task) -> tuple[int, bool]:
        return _LAYERS.index(task.layer), not self.series[task.series].is_fetched

    def _attempt(self, each: SimulatedSeries, task: Task, months: Sequence[datetime]) -> bool:
        if task in self.faults.broken:
            return False
        fault = self.faults.rate > 0 and self.random.random() < self.faults.rate
        if fault and self.random.random() < 0.5:
            return False
        if each.is_fetched and task.layer == CANDLES:  # an error in one month leaves the others
            done = [self.do(each, CANDLES, month) for month in months]
            return all(done) and not fault
        return all(self.do(each, task.layer, month) for month in months) and not fault

    def do(self, each: SimulatedSeries, layer: str, month: datetime) -> bool:
        """One step; whether it succeeds."""
        self._changed[each.series] += 1
        if layer == CANDLES:
            return self._pull(each, month) if each.is_fetched else self._derive(each, month)
        if layer == MODELS:
            return self._anchor(each, month)
        return self._predict(each, month) if layer == PREDICTIONS else self._publish(each)

    def _pull(self, each: SimulatedSeries, month: datetime) -> bool:
        if any(start <= self.now < end for start, end in each.silent):
            return False
        begin, end = each.calendar.months[month]
        due = each.calendar.closed_by(self.now)
        begin, end = max(begin, each.first), min(end, due)
        if each.listed >= due and begin < end:  # the market has heard nothing of it yet
            each.fetched.add(month)
            return False
        begin = max(begin, each.listed)
        number = each.stored.find(0, begin, end)
        if month in each.refused and number >= 0:
            known = each.failed.get(month)
            each.failed[month] = Failed(end, known.tries + 1 if known else 1, self.now)
            each.fetched.add(month)
            return False
        while number >= 0:
            if self._has(each, number):
                each.store(number)
                if number in each.answers:
                    self._redo(each, number)
                each.answers.pop(number, None)
                each.pending.discard(number)
            else:
                first = each.answers.get(number, (self.now, self.now))[0]
                each.answers[number] = first, self.now
                absent = self.now - first >= HOUR
                (each.pending.discard if absent else each.pending.add)(number)
            number = each.stored.find(0, number + 1, end)
        each.fetched.add(month)
        if begin >= end or each.newest >= end - 1 or end - 1 not in each.pending:
            return True
        return any(self._has(each, n) for n in range(end, each.calendar.closed_by(self.now)))

    def _has(self, each: SimulatedSeries, number: int) -> bool:
        if number in each.holes:
            return False
        return number not in each.late or each.late[number] <= self.now

    def _derive(self, each: SimulatedSeries, month: datetime) -> bool:
        begin, end = each.calendar.months[month]
        begin, end = max(begin, each.first), min(end, each.calendar.closed_by(self.now))
        if begin < end:
            first, last = each.parts[begin][0], each.parts[end - 1][1]
            needed = each.source.calendar.month_of[first:last]
            if not each.source.fetched.issuperset(needed):
                return False
            if each.covered() < each.calendar.times[end] or each.source.never_asked(first, last):
                return False
        for number in range(begin, end):
            if each.source.stored.find(1, *each.parts[number]) >= 0:
                each.store(number)
        each.fetched.add(month)
        return True

    def _redo(self, source: SimulatedSeries, number: int) -> None:
        """What `late_candles` has done for a candle that came late."""
        for each in self.series.values():
            if each.source is source and not each.is_fetched:
                bucket = each.calendar.closed_by(source.calendar.times[number])
                if each.first <= bucket < each.newest:
                    each.store(bucket)
                    self._changed[each.series] += 1

    def _predict(self, each: SimulatedSeries, month: datetime) -> bool:
        times = each.calendar.times
        begin, end = each.calendar.months[month]
        # Closes are the opens of the candles that follow.
        begin, end = max(begin - 1, each.first), min(end - 1, each.calendar.closed_by(self.now))
        if begin >= end:
            return True
        if each.verified() < end:
            return False
        unmodelled = False
        for number in range(begin, end):
            if each.stored[number] and not each.forecasts[number]:
                unmodelled = not any(cutoff <= times[number + 1] for cutoff in each.cutoffs)
                if not unmodelled:
                    each.forecasts[number] = 1
                    each.newest_forecast = max(each.newest_forecast, number)
        return not unmodelled or sum(each.stored) < self.enough

    def _publish(self, each: SimulatedSeries) -> bool:
        each.history, each.prediction = each.close(each.newest), each.close(each.newest_forecast)
        each.damage = None
        return True

    def _anchor(self, each: SimulatedSeries, month: datetime) -> bool:
        if sum(each.stored[: each.calendar.closed_by(month)]) >= self.enough:
            each.cutoffs.append(month)
        return True

    def train(self, each: SimulatedSeries) -> None:
        cutoff = each.close(each.newest)
        if cutoff is not None and sum(each.stored) >= self.enough:
            each.cutoffs.append(cutoff)
            self._changed[each.series] += 1

    # --- for tests

    def touch(self, series_list: Iterable[Series] | None = None) -> None:
        """Facts were changed by hand."""
        for series in self.series if series_list is None else series_list:
            self._changed[series] += 1

    def converge(self, most: int, wait: timedelta = timedelta(0)) -> int:
        """Tick until nothing is asked for; returns how many ticks asked for something."""
        for number in range(most + 1):
            if self.tick().is_empty and not self.runs:
                return number
            self.now += wait
        raise AssertionError(f"still asking after {most} ticks: {self.log[-3:]}")

    def is_up_to_date(self, series: Series) -> bool:
        """Whether everything that the market has, and does not refuse, went all the way."""
        each = self.series[series]
        due = each.calendar.closed_by(self.now)
        source, has = each.source, self._has
        if each.is_fetched:
            month_of = each.calendar.month_of
            expected = [
                n
                for n in range(max(each.first, each.listed), due)
                if has(each, n) and month_of[n] not in each.refused
            ]
        else:
            expected = [
                n
                for n in range(each.first, due)
                if any(source.stored[part] for part in range(*each.parts[n]))
            ]
        is_stored = all(each.stored[number] for number in expected)
        has_forecast = len(expected) < self.enough or each.newest_forecast == each.newest
        return is_stored and has_forecast and each.published_is_newest()

    def is_trained(self, series: Series) -> bool:
        """Whether it has the version of last night, if it has candles enough."""
        each = self.series[series]
        candles = each.close(each.newest)
        if candles is None or sum(each.stored) < self.enough:
            return True
        return self._is_trained(each, candles)
