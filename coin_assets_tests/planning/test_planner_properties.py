"""What holds for any world: it converges, in bounded steps, whatever went wrong before.

Some months fail for good: they are retried, ever more slowly, and nothing else waits for them.
"""

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st

from coin_assets.domain.layers import CANDLES, MODELS, PREDICTIONS, PUBLISHED, Task
from coin_assets.domain.series import Series
from coin_assets.planning.facts import GAPS, Failures, Plan, Runs
from coin_assets.planning.planner import MOST_REQUESTS, plan_repairs, plan_updates
from coin_assets_tests.planning.world import World
from coin_assets_tests.platform import utc

HOUR = timedelta(hours=1)
SYMBOLS = ["A/USDT", "B/USDT", "C/USDT"]
SOURCES: dict[str, str | None] = {"1h": None, "4h": "1h", "1d": "1h", "1w": "1h", "1M": "1h"}
# Ends of months, years, weeks and leap days, and a Monday that begins a month.
EDGES = [
    *("2024-01-01", "2024-02-29", "2024-03-01", "2024-03-04", "2024-04-01", "2023-12-31"),
    *("2024-07-01", "2024-09-02", "2024-12-30", "2025-01-06", "2023-02-28", "2023-03-01"),
]
MONTHS = 4


@dataclass(frozen=True)
class Case:
    """A world as it is created, and what happens in it until now."""

    now: datetime
    hours: list[int]
    rate: float
    holes: list[tuple[int, int]]
    listed: int
    silence: tuple[int, int]
    enough: int
    seed: int
    minutes: int
    refused: frozenset[tuple[int, int]] = frozenset()  # symbol, and month from the first one on

    def world(self) -> World:
        start = (self.now - timedelta(days=30 * MONTHS)).replace(
            day=1, hour=0, minute=0, second=0, microsecond=0
        )
        made = World(
            SYMBOLS,
            SOURCES,
            start,
            self.now - HOUR * sum(self.hours) - timedelta(seconds=self.minutes * 17),
            self.now + timedelta(days=120),
            enough=self.enough,
            seed=self.seed,
            duration=timedelta(minutes=self.minutes),
        )
        sources = [each for each in made.series.values() if each.is_fetched]
        due = sources[0].calendar.closed_by(self.now)
        for number, length in self.holes:
            sources[0].holes.update(range(due - number, due - number + length))
        sources[1].listed = max(0, due - self.listed)
        before, length = self.silence
        silent = self.now - before * HOUR
        sources[2].silent = [(silent, silent + length * HOUR)]
        for symbol, number in self.refused:
            sources[symbol].refused.add(sorted(sources[symbol].calendar.months)[number])
        made.faults.rate = self.rate
        return made

    def lived(self) -> World:
        """After ticks at every moment of ``hours``."""
        made = self.world()
        for hours in self.hours:
            for _ in range(5):
                made.tick()
                made.now += timedelta(minutes=self.minutes, seconds=6)
            made.now += hours * HOUR
        return made


@st.composite
def cases(draw: st.DrawFn) -> Case:
    later = draw(st.integers(-3 * 3600, 3 * 3600))
    return Case(
        now=utc(draw(st.sampled_from(EDGES))) + timedelta(seconds=later),
        hours=draw(st.lists(st.sampled_from([0, 1, 2, 5, 30, 200, 900]), max_size=4)),
        rate=draw(st.sampled_from([0, 0.05, 0.5])),
        holes=draw(
            st.lists(st.tuples(st.integers(1, 900), st.sampled_from([1, 5, 40, 700])), max_size=3)
        ),
        listed=draw(st.sampled_from([10, 400, 1500, 10**6])),
        silence=draw(st.tuples(st.integers(0, 2000), st.integers(0, 1000))),
        enough=draw(st.sampled_from([1, 3, 20, 10**6])),
        seed=draw(st.integers(0, 99)),
        minutes=draw(st.sampled_from([0, 0, 1, 10])),
        refused=draw(
            # No month of these is the running one.
            st.frozensets(st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=3)
        ),
    )


def assert_bounded(plan: Plan) -> None:
    assert len(plan.requests) <= MOST_REQUESTS + 1  # the repairs are a run more
    asked = [(task, each.month) for each in plan.requests for task in each.tasks]
    assert len(asked) == len(set(asked))


# A history run derives a month of which the market was not wholly asked yet.
HALF_ASKED = Case(
    now=utc("2024-02-29T00:32:32"),
    hours=[900, 900],
    rate=0.05,
    holes=[],
    listed=1500,
    silence=(0, 0),
    enough=1,
    seed=0,
    minutes=10,
)


# A symbol is listed within a week of two months, which no tick sees end.
LISTED_AT_A_WEEKS_END = Case(
    now=utc("2024-03-04"),
    hours=[1],
    rate=0,
    holes=[(1, 700)],
    listed=10,
    silence=(0, 0),
    enough=1,
    seed=0,
    minutes=0,
)


@settings(max_examples=10)
@given(case=cases())
@example(case=HALF_ASKED)
@example(case=LISTED_AT_A_WEEKS_END)
def test_after_faults_stop_everything_heals_in_bounded_ticks(case: Case) -> None:
    made = case.lived()
    made.faults.rate = 0
    for each in made.series.values():
        each.silent = []
        over = max(each.holes, default=0) + 2
        made.now = max(made.now, each.calendar.times[over])  # the market goes on in the end
    made.duration = timedelta(0)
    made.now = max([made.now, case.now, *(run.end for run in made.runs)]) + timedelta(hours=1)
    made.tick()
    # Holes at the end are believed once the market has denied them twice, an hour apart.
    for _ in range(3 * (MONTHS + 3)):
        made.now += timedelta(seconds=20)
        assert_bounded(made.tick())
    made.now += timedelta(hours=1)
    for _ in range(5 + 2 * MONTHS):
        made.tick()
        made.now += timedelta(seconds=20)
    for _ in range(60):
        made.tick()
        made.now += timedelta(minutes=2)
    for _ in range(5):  # a candle may have closed with the last step
        made.tick()
    behind = [str(series) for series in made.series if not made.is_up_to_date(series)]
    assert not behind
    assert made.converge(2) <= 2


@settings(max_examples=10)
@given(case=cases())
def test_without_faults_the_plan_is_empty_after_rounds_bounded_by_the_months(case: Case) -> None:
    made = case.world()
    made.now, made.duration, made.faults.rate = case.now, timedelta(0), 0
    for each in made.series.values():
        each.holes, each.silent, each.listed, each.refused = set(), [], each.first, set()
    assert made.converge(MONTHS + 8) <= MONTHS + 7
    assert all(made.is_up_to_date(each) for each in made.series)


@settings(max_examples=4)
@given(case=cases(), many=st.booleans())
def test_months_that_fail_for_good_are_retried_ever_more_slowly_and_hold_up_nothing(
    case: Case, many: bool
) -> None:
    refused = case.refused | ({(0, 0), (0, 1), (1, 1)} if many else {(2, 2)})
    made = replace(case, refused=refused).world()
    made.now, made.duration, made.faults.rate = case.now, timedelta(0), 0
    for each in made.series.values():
        each.holes, each.silent, each.listed = set(), [], each.first
    # A failure costs a tick, and a wait of seconds.
    made.converge(MONTHS + 8 + len(refused), wait=timedelta(seconds=10))
    assert all(made.is_up_to_date(each) for each in made.series)
    failing = {(series, month) for series, each in made.series.items() for month in each.refused}
    made.log.clear()
    for _ in range(48):
        made.now += HOUR
        made.converge(3 + len(refused))
        assert all(made.is_up_to_date(each) for each in made.series)
    tried: dict[tuple[Series, datetime], list[datetime]] = defaultdict(list)
    for time, request in made.log:
        for task in request.tasks:
            if (task.series, request.month) in failing and task.layer == CANDLES:
                assert request.purpose == GAPS
                tried[task.series, request.month].append(time)
            else:
                assert request.purpose != GAPS
    assert set(tried) == failing
    for times in tried.values():
        waits = [later - earlier for earlier, later in pairwise([*times, made.now + HOUR])]
        assert waits[:-1] == sorted(waits[:-1])
        assert max(waits) <= 7 * HOUR
        assert 10 <= len(times) <= 16


@settings(max_examples=10)
@given(case=cases())
def test_the_order_of_the_keys_does_not_matter_and_the_same_facts_give_the_same_plan(
    case: Case,
) -> None:
    made = case.lived()
    facts, runs = made.facts(), made.facts_of_runs()
    mixed = list(facts)
    made.random.shuffle(mixed)
    for plan in (plan_updates, plan_repairs):
        one, again, other = (plan(given, runs, made.now) for given in (facts, list(facts), mixed))
        assert one == again
        assert [(each.purpose, each.month, set(each.tasks)) for each in one.requests] == [
            (each.purpose, each.month, set(each.tasks)) for each in other.requests
        ]
        assert set(one.training) == set(other.training)


@settings(max_examples=10)
@given(case=cases(), data=st.data())
def test_what_is_in_flight_or_backing_off_or_up_to_date_is_never_asked_for(
    case: Case, data: st.DataObject
) -> None:
    made = case.lived()
    facts, now = made.facts(), made.now
    free = plan_updates(facts, Runs(), now)
    asked = [(task, each.month) for each in free.requests for task in each.tasks]
    pairs = [(task, None if task.layer == PUBLISHED else month) for task, month in asked]
    flying = frozenset(data.draw(st.sets(st.sampled_from(pairs)))) if pairs else frozenset()
    layers = (CANDLES, MODELS, PREDICTIONS, PUBLISHED)
    every = [Task(series, layer) for series in made.series for layer in layers]
    failing = data.draw(st.sets(st.sampled_from(every)))
    runs = Runs(
        in_flight=flying,
        failures={task: Failures(3, now) for task in failing},
        training=frozenset(task.series for task in failing),
    )
    for plan in (plan_updates(facts, runs, now), plan_repairs(facts, runs, now)):
        assert_bounded(plan)
        for request in plan.requests:
            begun = set()
            for task in request.tasks:
                assert task not in failing or task.series in begun  # it comes to something new
                begun.add(task.series)
                month = None if task.layer == PUBLISHED else request.month
                assert (task, month) not in flying
        assert not runs.training.intersection(plan.training)
    assert not {
        task.series
        for request in free.requests
        if request.purpose == "live"
        for task in request.tasks
        if made.is_up_to_date(task.series)
        and (known := made.facts_of(made.series[task.series])).verified is not None
        and known.verified > known.last_due
        and made.is_up_to_date(known.source)
    }
