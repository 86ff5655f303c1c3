"""What the planner asks for, example by example."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from coin_assets.domain.layers import CANDLES, MODELS, PREDICTIONS, PUBLISHED, Task
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe
from coin_assets.planning.facts import (
    GAPS,
    HISTORY,
    LIVE,
    MONTHLY,
    REPAIR,
    Failures,
    Plan,
    PlanningFacts,
    Runs,
)
from coin_assets.planning.planner import MOST_REQUESTS, plan_repairs, plan_updates
from coin_assets_tests.planning.world import World
from coin_assets_tests.platform import utc

ALL = ["1m", "5m", "15m", "1h", "4h", "1d", "1w", "1M"]
HOURLY: dict[str, str | None] = {"1h": None, "4h": "1h", "1d": "1h", "1w": "1h", "1M": "1h"}
NO_RUNS = Runs()
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
A, B = "A/USDT", "B/USDT"


def world(
    now: str,
    *,
    start: str = "2023-10-01",
    sources: dict[str, str | None] | None = None,
    symbols: tuple[str, ...] = (A,),
    enough: int = 1,
) -> World:
    """A world that has been up to date at ``now``; nothing takes time in it."""
    moment = utc(now)
    end = moment + timedelta(days=400 if sources in (None, HOURLY) else 20)
    made = World(symbols, sources or {"1h": None}, utc(start), moment, end, enough=enough)
    made.converge(80, wait=SECOND)
    made.log.clear()
    return made


def series(timeframe: str, symbol: str = A) -> Series:
    return Series(symbol, Timeframe(timeframe))


def shown(plan: Plan) -> dict[tuple[str, str], set[str]]:
    """Steps as text by purpose and month."""
    return {
        (each.purpose, f"{each.month:%Y-%m}"): {
            f"{task.series.timeframe} {task.layer}" for task in each.tasks
        }
        for each in plan.requests
    }


def at(made: World, now: str) -> World:
    made.now = utc(now)
    return made


FAST = {"1h candles", "1h predictions", "1h published"}


def test_a_key_that_is_up_to_date_is_left_alone() -> None:
    made = world("2024-03-06T10:00:05", sources=HOURLY)
    assert made.tick().is_empty
    assert at(made, "2024-03-06T10:59:59").tick().is_empty


def test_everything_due_goes_into_one_run_from_candles_to_published_files() -> None:
    made = at(world("2024-03-06T07:00:05", sources=HOURLY, symbols=(A, B)), "2024-03-06T08:00:02")
    plan = made.tick()
    layers = {"candles", "predictions", "published"}
    expected = {f"{name} {layer}" for name in ("1h", "4h") for layer in layers}
    assert shown(plan) == {(LIVE, "2024-03"): expected}
    assert len(plan.requests[0].tasks) == 12
    assert made.tick().is_empty


@pytest.mark.parametrize(
    ("before", "boundary"),
    [
        ("2024-01-31T23:00:05", "2024-02-01T00:00:05"),
        ("2023-12-31T23:00:05", "2024-01-01T00:00:05"),
        ("2024-02-29T23:00:05", "2024-03-01T00:00:05"),
        ("2023-02-28T23:00:05", "2023-03-01T00:00:05"),
    ],
)
def test_the_last_candle_of_a_month_belongs_to_it_and_its_forecast_to_the_next(
    before: str, boundary: str
) -> None:
    made = at(world(before, start="2022-11-01", sources={"1h": None, "1M": "1h"}), boundary)
    first, second = made.tick(), made.tick()
    old, new = before[:7], boundary[:7]
    assert shown(first)[LIVE, old] == {"1h candles", "1M candles"}
    assert {"1h predictions", "1h published", "1M predictions", "1M published"} == shown(second)[
        LIVE, new
    ]
    assert made.converge(3) <= 1
    assert all(made.is_up_to_date(each) for each in made.series)


def test_the_leap_day_is_a_day_of_february() -> None:
    made = at(world("2024-02-29T00:00:05", sources=HOURLY), "2024-02-29T23:00:05")
    assert (LIVE, "2024-02") in shown(made.tick())
    made.converge(4)
    at(made, "2024-03-01T00:00:05").converge(5)
    assert (
        made.series[series("1d")].history == made.series[series("1M")].history == utc("2024-03-01")
    )


@pytest.mark.parametrize(
    ("monday", "month", "boundary"),
    [("2024-01-29", "2024-01", "2024-02-05"), ("2024-12-30", "2024-12", "2025-01-06")],
)
def test_a_week_that_straddles_waits_for_the_later_month_and_belongs_to_the_earlier(
    monday: str, month: str, boundary: str
) -> None:
    made = at(world(f"{monday}T12:00:05", sources={"1h": None, "1w": "1h"}), f"{boundary}T00:00:05")
    plans = [made.tick() for _ in range(6)]
    asked = [name for plan in plans for name, tasks in shown(plan).items() if "1w candles" in tasks]
    assert asked == [(LIVE, month)]
    assert "1w candles" not in {task for tasks in shown(plans[0]).values() for task in tasks}
    assert made.series[series("1w")].history == utc(boundary)
    assert made.is_up_to_date(series("1w"))


def test_a_week_that_begins_with_the_month_is_of_one_run() -> None:
    made = at(world("2024-04-07T23:00:05", sources={"1h": None, "1w": "1h"}), "2024-04-08T00:00:05")
    assert shown(made.tick()) == {
        (LIVE, "2024-04"): {*FAST, "1w candles", "1w predictions", "1w published"}
    }


def test_a_key_with_too_few_candles_publishes_its_history_and_no_forecast() -> None:
    made = at(world("2024-03-06T10:00:05", enough=10**6), "2024-03-06T11:00:05")
    assert shown(made.tick()) == {(LIVE, "2024-03"): {"1h candles", "1h published"}}
    assert made.tick().is_empty
    assert made.series[series("1h")].prediction is None


def test_a_key_with_candles_enough_and_no_model_gets_one_first() -> None:
    made = World([A, B], {"1h": None}, utc("2024-03-01"), utc("2024-03-02"), utc("2024-05-01"))
    plans = [made.tick() for _ in range(5)]
    assert [plan.training for plan in plans].count((series("1h", A), series("1h", B))) == 1
    assert made.trainings == 1
    assert made.is_up_to_date(series("1h"))


def test_a_version_of_each_night_is_trained_once_also_if_the_night_was_missed() -> None:
    made = World([A], {"1h": None}, utc("2024-03-01"), utc("2024-03-02"), utc("2024-05-01"))
    made.converge(20)
    assert made.trainings == 1
    for now, trainings in (
        ("2024-03-03T00:30", 1),  # the schedule comes first
        ("2024-03-03T00:50", 2),
        ("2024-03-03T23:00", 2),
        ("2024-03-06T11:00", 3),  # nobody was there in between
    ):
        made.now = utc(now)
        made.converge(20)
        assert (now, made.trainings) == (now, trainings)
        assert made.is_trained(series("1h"))


def test_no_training_twice_and_none_while_it_backs_off() -> None:
    made = World([A], {"1h": None}, utc("2024-03-01"), utc("2024-03-02"), utc("2024-05-01"))
    made.tick()
    facts = made.facts()
    assert plan_updates(facts, NO_RUNS, made.now).training == (series("1h"),)
    assert not plan_updates(facts, Runs(training=frozenset({series("1h")})), made.now).training
    failed = {Task(series("1h"), MODELS): Failures(1, made.now)}
    assert not plan_updates(facts, Runs(failures=failed), made.now).training


def test_an_empty_store_gets_its_newest_month_first_and_then_ranges_of_history() -> None:
    made = World([A], HOURLY, utc("2023-10-01"), utc("2024-03-06T10:00:05"), utc("2024-06-01"))
    assert shown(made.tick()) == {(LIVE, "2024-03"): {"1h candles", "1h published"}}
    assert made.series[series("1h")].history == utc("2024-03-06T10:00")
    plan = made.tick()
    assert shown(plan)[LIVE, "2024-03"] >= {"4h candles", "1d candles"}
    made.converge(10, wait=SECOND)
    past = [each for _, each in made.log if each.purpose == HISTORY]
    assert [(f"{each.month:%Y-%m}", len(each.months), len(each.tasks)) for each in past] == [
        ("2023-10", 5, 1),
        ("2024-02", 1, 2),  # live runs have derived the last week and the last month
        ("2023-10", 4, 4),
    ]
    assert all(made.is_up_to_date(each) for each in made.series)


def test_models_wait_for_the_whole_history() -> None:
    made = World([A], HOURLY, utc("2016-01-01"), utc("2024-03-06T10:00:05"), utc("2024-06-01"))
    while {utc("2016-01-01")} - made.series[series("1h")].fetched:
        assert not any(each.cutoffs for each in made.series.values())
        made.tick()
        made.now += SECOND * 5
    past = [each for _, each in made.log if each.purpose == HISTORY]
    fetches = [each for each in past if Task(series("1h"), CANDLES) in each.tasks]
    assert [len(each.months) for each in fetches] == [33, 33, 32]
    assert [f"{each.last:%Y-%m}" for each in fetches] == ["2024-02", "2021-05", "2018-08"]
    assert len(past) <= 8
    made.converge(10, wait=SECOND)
    assert all(each.cutoffs and made.is_up_to_date(name) for name, each in made.series.items())


def test_history_of_minutes_is_one_month_a_run() -> None:
    made = World([A], {"1m": None}, utc("2024-01-01"), utc("2024-03-02"), utc("2024-03-04"))
    made.converge(10, wait=SECOND)
    past = [each.months for _, each in made.log if each.purpose == HISTORY]
    assert past == [[utc("2024-02-01")], [utc("2024-01-01")]]


def test_a_young_symbol_needs_no_derivation_of_the_time_before_it() -> None:
    made = World(
        [A], HOURLY, utc("2023-10-01"), utc("2024-03-06T10:00:05"), utc("2024-06-01"), enough=3
    )
    made.series[series("1h")].listed = made.series[series("1h")].calendar.number[utc("2024-03-05")]
    made.converge(80, wait=SECOND * 10)
    made.log.clear()
    for hour in range(11, 15):
        at(made, f"2024-03-06T{hour}:00:05").converge(6)
    assert {request.month for _, request in made.log} == {utc("2024-03-01")}
    assert {task.series.timeframe.name for _, each in made.log for task in each.tasks} == {
        "1h",
        "4h",
    }


def test_a_long_outage_is_caught_up_month_by_month_and_holds_nobody_up() -> None:
    made = world("2023-11-10T10:00:05", sources=HOURLY, symbols=(A, B))
    made.series[series("1h")].silent = [(utc("2023-11-10T10:30"), utc("2024-03-20T10:30"))]
    at(made, "2024-03-20T10:00:05")
    for _ in range(30):
        made.tick()
        made.now += SECOND * 10
    assert made.is_up_to_date(series("1h", B))
    made.log.clear()
    at(made, "2024-03-20T11:00:05")
    plan = made.tick()
    live = [request for request in plan.requests if request.purpose == LIVE]
    assert [f"{each.month:%Y-%m}" for each in live] == ["2024-03", "2023-11"]
    assert {task.series.symbol for task in live[0].tasks} == {B}
    made.converge(40, wait=SECOND)
    months = [each.month for _, each in made.log if Task(series("1h"), CANDLES) in each.tasks]
    assert months == sorted(set(months))
    assert len(months) == 5
    assert all(made.is_up_to_date(each) for each in made.series)


@pytest.mark.parametrize("is_verified", [False, True])
@pytest.mark.parametrize("hours", [1, 30])
def test_a_hole_at_the_end_of_a_month_does_not_stall_the_next(
    hours: int, is_verified: bool
) -> None:
    made = world("2024-01-30T10:00:05", sources=HOURLY)
    source = made.series[series("1h")]
    last = source.calendar.number[utc("2024-02-01")]
    source.holes = set(range(last - hours, last))
    at(made, "2024-02-01T00:30:05" if is_verified else "2024-02-01T02:00:05")
    for _ in range(40 if is_verified else 6):
        made.tick()
        made.now += timedelta(minutes=2) if is_verified else SECOND * 10
    made.now = max(made.now, utc("2024-02-01T04:00:05"))
    made.converge(12, wait=SECOND)
    made.log.clear()
    for hour in (5, 6, 7, 8):
        at(made, f"2024-02-01T{hour:02}:00:05").converge(5)
    live = [request for _, request in made.log if request.purpose == LIVE]
    assert {request.month for request in live} == {utc("2024-02-01")}
    assert len(live) <= 5
    assert made.is_up_to_date(series("1h"))
    assert made.is_up_to_date(series("4h"))


def test_what_is_in_flight_is_not_asked_for_again() -> None:
    made = at(world("2024-03-06T10:00:05", sources=HOURLY), "2024-03-06T12:00:05")
    made.duration = timedelta(minutes=5)
    assert len(made.tick().requests) == 1
    made.now += SECOND * 5
    assert made.tick().is_empty


def test_failures_hold_back_one_symbol_alone_ever_longer_and_never_for_good() -> None:
    made = at(world("2024-03-06T10:00:05", symbols=(A, B)), "2024-03-06T11:00:05")
    silence = made.now - HOUR, made.now + 3 * HOUR
    made.series[series("1h")].silent = [silence]
    tries = []
    while made.now < silence[1]:
        made.tick()
        asked = [each for _, each in made.log if Task(series("1h"), CANDLES) in each.tasks]
        tries += [made.now] * len(asked)
        made.log.clear()
        made.now += SECOND
        if made.now.minute == 59:
            assert made.is_up_to_date(series("1h", B))
    waits = [(after - before) / SECOND for before, after in pairwise(tries)]
    assert waits[:8] == [5, 10, 20, 40, 80, 160, 320, 640]
    assert set(waits[8:]) == {900}
    made.now += timedelta(minutes=15)
    made.converge(3)
    assert made.is_up_to_date(series("1h"))


def test_a_plan_is_bounded_and_the_newest_month_comes_first() -> None:
    symbols = tuple(f"S{number}/USDT" for number in range(12))
    made = world("2024-03-06T10:00:05", start="2023-01-01", symbols=symbols)
    for number, symbol in enumerate(symbols[1:]):
        each = made.series[series("1h", symbol)]
        cut = each.calendar.opened_by(utc("2023-03-10") + number * timedelta(days=30))
        each.stored[cut:] = bytes(len(each.stored) - cut)
        each.newest = cut - 1
    made.touch()
    at(made, "2024-03-06T11:00:05")
    plan = plan_updates(made.facts(), NO_RUNS, made.now)
    assert len(plan.requests) == MOST_REQUESTS
    assert plan.requests[0].month == utc("2024-03-01")
    later = [request.month for request in plan.requests[1:]]
    assert later == sorted(later)


def test_history_is_filled_in_from_the_newest_month_on() -> None:
    made = world("2024-03-06T10:00:05", sources=HOURLY)
    made.now += timedelta(minutes=20)  # background tasks rest after a run
    for name in ("1h", "4h", "1w"):
        made.series[series(name)].fetched -= {
            utc("2023-11-01"),
            utc("2023-12-01"),
            utc("2024-01-01"),
        }
    made.touch()
    plan = made.tick()
    assert shown(plan) == {(HISTORY, "2023-11"): {"1h candles"}}
    assert plan.requests[0].last == utc("2024-01-01")
    assert shown(plan_updates(made.facts(), NO_RUNS, made.now)) == {
        (HISTORY, "2023-11"): {"4h candles", "1w candles"}
    }
    busy = Runs(busy=frozenset({HISTORY}))
    assert plan_updates(made.facts(), busy, made.now).is_empty
    made.tick()
    assert {utc("2023-11-01"), utc("2024-01-01")} <= made.series[series("1w")].fetched
    assert made.tick().is_empty


def test_a_run_of_history_ends_where_other_series_lack_months() -> None:
    made = world("2024-03-06T10:00:05", symbols=(A, B))
    made.now += timedelta(minutes=20)  # background tasks rest after a run
    made.series[series("1h", A)].fetched -= {utc("2023-12-01"), utc("2024-01-01")}
    made.series[series("1h", B)].fetched -= {utc("2023-11-01"), utc("2023-12-01")}
    made.touch()
    for _ in range(3):
        made.tick()
    past = [
        ([f"{month:%m}" for month in each.months], {task.series.symbol for task in each.tasks})
        for _, each in made.log
    ]
    assert past == [(["01"], {A}), (["12"], {A, B}), (["11"], {B})]


def test_what_the_background_did_lately_rests_and_holds_up_nothing_live() -> None:
    made = at(world("2024-03-06T10:00:05"), "2024-03-06T11:00:05")
    month, task = utc("2024-03-01"), Task(series("1h"), CANDLES)
    facts = replace(made.facts()[0], gap_months=(month,))
    rested = Runs(rested=frozenset({(task, month)}))
    assert shown(plan_updates([facts], rested, made.now)) == {(LIVE, "2024-03"): FAST}
    quiet = replace(facts, due=utc("2024-03-06T10:00:05"))
    assert shown(plan_updates([quiet], NO_RUNS, made.now)) == {(GAPS, "2024-03"): {"1h candles"}}
    assert plan_updates([quiet], rested, made.now).is_empty


def test_gaps_of_a_month_that_is_pulled_anyway_are_not_asked_for_twice() -> None:
    made = at(world("2024-03-06T10:00:05"), "2024-03-06T11:00:05")
    months = (utc("2024-01-01"), utc("2024-03-01"))
    facts = replace(made.facts()[0], gap_months=months)
    assert shown(plan_updates([facts], NO_RUNS, made.now)) == {
        (LIVE, "2024-03"): FAST,
        (GAPS, "2024-01"): {"1h candles"},
    }
    facts = replace(facts, gap_months=months[1:])
    assert shown(plan_updates([facts], NO_RUNS, made.now)) == {(LIVE, "2024-03"): FAST}


def test_a_new_candle_is_worth_a_try_of_what_failed_before() -> None:
    made = at(world("2024-03-06T10:00:05"), "2024-03-06T11:00:05")
    runs = Runs(failures={Task(series("1h"), PREDICTIONS): Failures(9, made.now)})
    plan = plan_updates(made.facts(), runs, made.now)
    assert shown(plan) == {(LIVE, "2024-03"): FAST}


def test_without_a_new_candle_what_failed_waits_and_what_follows_waits_with_it() -> None:
    made = at(world("2024-03-06T10:00:05"), "2024-03-06T11:00:05")
    made.faults.broken = {Task(series("1h"), PREDICTIONS)}
    made.tick()
    assert plan_updates(made.facts(), made.facts_of_runs(), made.now).is_empty


def test_the_anchors_of_a_month_are_made_together_once_it_has_begun() -> None:
    made = at(world("2024-02-29T23:00:05", sources=HOURLY), "2024-03-01T00:00:05")
    made.converge(8)
    anchors = [request for _, request in made.log if request.purpose == MONTHLY]
    assert {request.month for request in anchors} == {utc("2024-03-01")}
    assert all(utc("2024-03-01") in each.cutoffs for each in made.series.values())
    assert sum(len(request.tasks) for request in anchors) == len(made.series)


# --- retention and registries that begin anew


def stale_facts(**changes: Any) -> PlanningFacts:
    """A fetched key whose store ends long before what is kept of it."""
    facts = world("2024-03-06T10:00:05").facts()[0]
    old = utc("2023-11-05T10:00")
    return replace(
        facts,
        first=utc("2024-02-21"),
        candles=old,
        verified=old,
        asked=old,
        forecast=old,
        history=old,
        prediction=old,
        **changes,
    )


def test_candles_older_than_what_is_kept_do_not_stall_the_newest() -> None:
    now = utc("2024-03-06T10:00:05")
    plan = plan_updates([stale_facts(fetched=frozenset())], NO_RUNS, now)
    assert {each.month for each in plan.requests if each.purpose == LIVE} == {utc("2024-02-01")}


@pytest.mark.parametrize(
    "changes",
    [
        {"first_cutoff": utc("2024-01-31T23:00")},
        {"first": utc("2024-02-21"), "first_cutoff": utc("2023-10-02")},
    ],
)
def test_forecasts_that_no_run_can_make_are_not_asked_for(changes: dict[str, Any]) -> None:
    """None before the first model or what is kept: the newest one is what is needed."""
    facts = world("2024-03-06T10:00:05").facts()[0]
    facts = replace(
        facts, forecast=utc("2024-01-10T10:00"), next_origin=utc("2024-01-10T11:00"), **changes
    )
    plan = plan_updates([facts], NO_RUNS, utc("2024-03-06T10:00:05"))
    assert shown(plan)[LIVE, "2024-03"] == {"1h predictions", "1h published"}
    assert {each.month for each in plan.requests if each.purpose == LIVE} == {utc("2024-03-01")}


# --- repairs


def repairs(made: World, runs: Runs = NO_RUNS) -> dict[tuple[str, str], set[str]]:
    made.touch()
    return shown(plan_repairs(made.facts(), runs, made.now))


@pytest.mark.parametrize("fault", ["history", "prediction", "damage"])
def test_files_that_are_missing_or_damaged_are_written_at_once(fault: str) -> None:
    made = world("2024-03-06T10:00:05", symbols=(A, B))
    assert repairs(made) == {}
    setattr(made.series[series("1h")], fault, "torn" if fault == "damage" else None)
    assert repairs(made) == {(REPAIR, "2024-03"): {"1h published"}}
    in_flight = Runs(in_flight=frozenset({(Task(series("1h"), PUBLISHED), None)}))
    assert repairs(made, in_flight) == {}
    failed = Runs(failures={Task(series("1h"), PUBLISHED): Failures(3, made.now)})
    assert repairs(made, failed) == {}
    made.tick()
    assert repairs(made) == {}


@pytest.mark.parametrize("failing", [("1h", CANDLES), ("1d", CANDLES), ("1d", PREDICTIONS)])
def test_damaged_files_do_not_wait_for_runs_that_fail_before_they_publish(
    failing: tuple[str, str],
) -> None:
    made = world("2024-03-06T10:00:05", sources=HOURLY)
    task = Task(series("1d"), PUBLISHED)
    made.series[series("1d")].damage = "torn"
    in_flight = frozenset({(task, None)})
    failures = {Task(series(failing[0]), failing[1]): Failures(2, made.now)}
    wanted = {(REPAIR, "2024-03"): {"1d published"}}
    assert repairs(made, Runs(in_flight=in_flight)) == {}
    assert repairs(made, Runs(in_flight=in_flight, failures=failures)) == wanted
    repairing = Runs(in_flight=in_flight, failures=failures, busy=frozenset({REPAIR}))
    assert repairs(made, repairing) == {}
    itself = {task: Failures(2, made.now)}
    assert repairs(made, Runs(in_flight=in_flight, failures=failures | itself)) == {}
    made.series[series("1d")].damage = None
    made.series[series("1d")].history = utc("2024-03-05T00:00")
    assert repairs(made, Runs(in_flight=in_flight, failures=failures)) == {}


def test_history_is_published_while_the_prediction_keeps_failing() -> None:
    made = at(world("2024-03-06T10:00:05"), "2024-03-06T11:00:05")
    made.faults.broken = {Task(series("1h"), PREDICTIONS)}
    for _ in range(3):
        made.tick()
    each = made.series[series("1h")]
    assert each.history == utc("2024-03-06T11:00")
    assert each.prediction == utc("2024-03-06T10:00")


def test_what_the_update_is_about_to_publish_is_left_to_it() -> None:
    made = at(world("2024-03-06T10:00:05", sources=HOURLY), "2024-03-06T11:00:05")
    for each in made.series.values():
        each.history = None
    assert repairs(made) == {}
    made.series[series("1d")].damage = "torn"
    assert repairs(made) == {(REPAIR, "2024-03"): {"1d published"}}
    made.converge(5)
    assert all(made.is_up_to_date(each) for each in made.series)


def test_a_derived_key_behind_the_store_is_published_though_its_source_is_late() -> None:
    made = world("2024-03-06T13:00:05", sources=HOURLY)
    made.series[series("1h")].silent = [(utc("2024-03-06T13:30"), utc("2024-03-07"))]
    derived = made.series[series("4h")]
    derived.stored[derived.newest] = 0
    derived.newest -= 1
    derived.history = utc("2024-03-06T04:00")
    made.touch()
    at(made, "2024-03-06T16:00:05")
    for _ in range(2):
        made.tick()
    assert derived.history == derived.close(derived.newest) == utc("2024-03-06T08:00")


# --- starvation

MINUTES = ("1m", "5m", "15m")


def starvable(name: str, is_derived: bool) -> World:
    """Up to date just before a boundary that every timeframe shares."""
    sources: dict[str, str | None] = {name: None}
    if is_derived:
        fine = "1m" if name in (*MINUTES, "1h") else "1h"
        sources = {fine: None, name: fine}
    fine = next(iter(sources))
    start = "2024-02-01" if fine in MINUTES else "2023-08-01"
    boundary = utc("2024-04-01")
    end = boundary + timedelta(days=70 if fine not in MINUTES else 3)
    made = World([A], sources, utc(start), boundary - SECOND, end, enough=1)
    made.converge(60, wait=timedelta(0))
    made.now = boundary + SECOND * 2
    if name == "1w":
        made.now += timedelta(days=7)
    made.log.clear()
    return made


def boundary_run_failed(made: World, _name: str) -> None:
    made.faults.broken = {Task(each, CANDLES) for each in made.series}
    made.tick()
    made.faults.broken = set()


def missed_while_down(made: World, name: str) -> None:
    task = {"1w": 7 * 24, "1M": 24}.get(name, 2)
    made.now += task * HOUR


def ingest_skipped(made: World, _name: str) -> None:
    """The candles are there already, of whatever origin, and nothing that follows."""
    for each in made.series.values():
        for month in list(each.calendar.months):
            if month <= made.now:
                assert made.do(each, CANDLES, month)


def restart_before_publish(made: World, _name: str) -> None:
    made.faults.kill_after = len(made.series)  # candles stored, nothing that follows
    made.tick()
    made.failures.clear()  # a killed daemon may leave no record of the run's end


@pytest.mark.parametrize("is_derived", [False, True])
@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    "fault", [boundary_run_failed, missed_while_down, ingest_skipped, restart_before_publish]
)
def test_published_files_reach_the_newest_candle_within_three_ticks(
    fault: Callable[[World, str], None], name: str, is_derived: bool
) -> None:
    """A tick is both sensors once, at one time, with every run that they launch over before the
    next one; the ticks of a key's back-off, in which the planner has to leave it alone, do not
    count, and neither does the one in which the fault happens."""
    if is_derived and name == "1m":
        pytest.skip("nothing is finer than a minute")
    made = starvable(name, is_derived)
    fault(made, name)
    if made.failures:
        made.now = max(each.retry_at for each in made.failures.values())
    for _ in range(3):
        made.tick()
    each = made.series[series(name)]
    newest = each.calendar.times[each.calendar.closed_by(made.now)]
    assert each.history == newest
    assert each.prediction == newest
