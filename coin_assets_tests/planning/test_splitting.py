"""Plans of many symbols become several runs: together the same work, each task once."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coin_assets.domain.layers import CANDLES, PREDICTIONS, PUBLISHED, Task
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe
from coin_assets.planning import splitting
from coin_assets.planning.facts import GAPS, HISTORY, LIVE, MONTHLY, REPAIR, Plan, Request, Runs
from coin_assets.planning.planner import MOST_REQUESTS, plan_repairs, plan_updates
from coin_assets.planning.splitting import MOST_SYMBOLS, split
from coin_assets_tests.planning.world import World
from coin_assets_tests.platform import utc

HOURLY: dict[str, str | None] = {"1h": None, "4h": "1h", "1d": "1h"}
MANY = [f"S{number:03}/USDT" for number in range(130)]
MONTH = utc("2024-03-01")
TASKS = [
    Task(Series(symbol, Timeframe(name)), layer)
    for symbol in MANY
    for name in HOURLY
    for layer in (CANDLES, PREDICTIONS, PUBLISHED)
]
requests = st.builds(
    Request,
    month=st.just(MONTH),
    tasks=st.lists(st.sampled_from(TASKS), unique=True, min_size=1).map(tuple),
    purpose=st.sampled_from([LIVE, REPAIR, HISTORY]),
)


def symbols(request: Request) -> set[str]:
    return {task.series.symbol for task in request.tasks}


@given(requests)
def test_the_runs_together_are_the_unsplit_run_and_no_symbol_is_in_two(request: Request) -> None:
    parts = split(request)
    assert Counter(task for part in parts for task in part.tasks) == Counter(request.tasks)
    assert sum(len(symbols(part)) for part in parts) == len(symbols(request))
    assert {(part.month, part.purpose) for part in parts} == {(request.month, request.purpose)}
    for part in parts:  # the order of tasks within a symbol stays
        for symbol in symbols(part):
            own = [task for task in part.tasks if task.series.symbol == symbol]
            assert own == [task for task in request.tasks if task.series.symbol == symbol]


@given(requests)
def test_the_runs_are_bounded_no_more_than_needed_and_of_about_the_same_size(
    request: Request,
) -> None:
    sizes = [len(symbols(part)) for part in split(request)]
    assert max(sizes) <= MOST_SYMBOLS
    assert len(sizes) == -(-len(symbols(request)) // MOST_SYMBOLS)
    assert max(sizes) - min(sizes) <= 1


def lived(count: int) -> World:
    """A world that was up to date, a little after its next hour closed."""
    now = utc("2024-03-06T07:00:05")
    made = World(MANY[:count], HOURLY, utc("2024-02-01"), now, now + timedelta(days=2), enough=1)
    made.converge(80, wait=timedelta(seconds=1))
    made.log.clear()
    made.now = utc("2024-03-06T08:00:02")
    return made


def work(plan: Plan) -> Counter[tuple[str, Task]]:
    return Counter((f"{each.month:%Y-%m}", task) for each in plan.requests for task in each.tasks)


@pytest.mark.parametrize("most", [1, 2, 3, 5])
def test_a_bounded_plan_asks_for_what_the_unbounded_one_does(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = lived(5)
    facts = made.facts()
    whole = plan_updates(facts, Runs(), made.now)
    assert len(whole.requests) == 1
    monkeypatch.setattr(splitting, "MOST_SYMBOLS", most)
    bounded = plan_updates(facts, Runs(), made.now)
    assert work(bounded) == work(whole)
    assert len(bounded.requests) == -(-5 // most)


def test_bounded_repairs_are_those_of_the_unbounded_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    made = lived(5)
    made.converge(80, wait=timedelta(seconds=1))
    facts = [replace(each, damage="gone") for each in made.facts()]
    whole = plan_repairs(facts, Runs(), made.now)
    assert len(work(whole)) == len(facts)
    monkeypatch.setattr(splitting, "MOST_SYMBOLS", 2)
    bounded = plan_repairs(facts, Runs(), made.now)
    assert work(bounded) == work(whole)
    assert len(bounded.requests) == 3


def test_what_exceeds_the_runs_of_one_tick_follows_in_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(splitting, "MOST_SYMBOLS", 1)
    made = lived(MOST_REQUESTS + 2)
    made.duration = timedelta(minutes=1)
    first, second = made.tick(), made.tick()
    assert [len(plan.requests) for plan in (first, second)] == [MOST_REQUESTS, 2]
    assert not work(first) & work(second)
    assert made.tick().is_empty


def test_history_of_many_symbols_runs_one_part_at_a_time_and_holds_up_no_live_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(splitting, "MOST_SYMBOLS", 1)
    now = utc("2024-03-06T07:00:05")
    made = World(MANY[:3], HOURLY, utc("2023-11-01"), now, now + timedelta(days=2), enough=1)
    for _ in range(120):
        background = Counter(each.purpose for each in made.tick().requests)
        assert all(background[purpose] <= 1 for purpose in (HISTORY, GAPS, MONTHLY))
        made.now += timedelta(seconds=1)
    made.converge(20, wait=timedelta(minutes=1))
    assert all(made.is_up_to_date(each) for each in made.series)
