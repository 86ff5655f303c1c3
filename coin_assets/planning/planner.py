"""The planner: what should exist, less what does exist, as runs to request.

It is a pure function of facts, so a missed tick, a failed run or a restart costs nothing but time:
the next plan asks for what is still missing. Everything due in one month goes into one run; a step
whose candles of another month are not stored yet waits for a later plan.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from coin_assets.domain.layers import CANDLES, MODELS, PREDICTIONS, PUBLISHED, QUALITY, Task
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import month_start, months_between, next_month
from coin_assets.planning.background import gaps, history, monthly_versions, needs_training
from coin_assets.planning.facts import (
    GAPS,
    HISTORY,
    LIVE,
    MONTHLY,
    REPAIR,
    Plan,
    PlanningFacts,
    Request,
    Runs,
    Wanted,
)
from coin_assets.planning.months import close_of, first_open_of, floor_of, months_never_fetched

MOST_REQUESTS = 6


def plan_updates(states: Sequence[PlanningFacts], runs: Runs, now: datetime) -> Plan:
    """Runs for everything that is due and not in flight, live work first.

    At most `MOST_REQUESTS` runs, the newest month's before those that catch up: what is left out
    is asked for by the next plan.
    """
    live = _live(states, runs, now)
    months = sorted(live)
    requests = [Request(month, tuple(live[month]), LIVE) for month in (*months[-1:], *months[:-1])]
    for purpose, find in ((HISTORY, history), (GAPS, gaps), (MONTHLY, monthly_versions)):
        if purpose not in runs.busy:
            requests += _earliest(purpose, find(states, runs, now), requests)
    training = tuple(
        state.series
        for state in states
        if needs_training(state)
        and state.series not in runs.training
        and not runs.is_backing_off(Task(state.series, MODELS), now)
    )
    return Plan(tuple(requests[:MOST_REQUESTS]), training)


def plan_repairs(states: Sequence[PlanningFacts], runs: Runs, now: datetime) -> Plan:
    """One run that writes the published files that are gone, damaged or behind the store.

    What `plan_updates` is about to publish anyway is left to it, and what lies behind the store
    waits as long as runs renew the key or its source. Files that are wrong do not wait for runs
    that keep failing before they publish. A forecast that was refused would be refused again, so
    the key waits for its next one.
    """
    behind = [state for state in states if state.damage or _is_behind_store(state)]
    wrong = [state for state in behind if not state.is_refused]
    if not wrong:
        return Plan()
    planned = {task for tasks in _live(states, runs, now).values() for task in tasks}
    renewing = {task for task, _ in runs.in_flight if task.layer != QUALITY}
    renewed = {task.series for task in planned | renewing}
    tasks = []
    for state in wrong:
        task = Task(state.series, PUBLISHED)
        if state.damage and REPAIR not in runs.busy and _is_failing(state, runs):
            is_free = not runs.is_backing_off(task, now)
        else:
            waits = not state.damage and not renewed.isdisjoint((state.series, state.source))
            is_free = not waits and task not in planned and runs.is_free(task, None, now)
        if is_free:
            tasks.append(task)
    return Plan((Request(month_start(now), tuple(tasks), REPAIR),)) if tasks else Plan()


def _is_failing(state: PlanningFacts, runs: Runs) -> bool:
    """Whether what comes before the published files has failed and did not succeed since."""
    before = {Task(series, CANDLES) for series in (state.series, state.source)}
    return not runs.failures.keys().isdisjoint(before | {Task(state.series, PREDICTIONS)})


@dataclass(frozen=True)
class _Extension:
    """Candles that a plan asks for: of ``month``, so up to the close ``reach``."""

    month: datetime
    reach: datetime


def _live(states: Sequence[PlanningFacts], runs: Runs, now: datetime) -> Wanted:
    """Steps by month, from the first missing candle of each key to its published files."""
    fetches = _fetches(states, runs, now)
    sources = {state.series: state for state in states if state.is_fetched}
    wanted: Wanted = defaultdict(list)
    for state in states:
        fetch = fetches.get(state.source) if fetches else None
        if fetch is None and state.lacking is None and not state.lacks_forecast(state.candles):
            continue
        follows = False
        for month, task in _tasks(state, sources[state.source], fetch):
            at = None if task.layer == PUBLISHED else month
            # What a new candle or forecast comes to is tried at once, whatever failed before.
            is_free = (task, at) not in runs.in_flight if follows else runs.is_free(task, at, now)
            if not is_free:
                break  # what comes after needs it
            wanted[month].append(task)
            follows = True
    return wanted


def _fetches(
    states: Iterable[PlanningFacts], runs: Runs, now: datetime
) -> dict[Series, _Extension]:
    """For every source that lacks its newest candle, the month to go on with."""
    fetches = {}
    for state in states:
        month = _month_to_fetch(state) if state.is_fetched else None
        if month is not None and runs.is_free(Task(state.series, CANDLES), month, now):
            reach = min(floor_of(state.timeframe, state.due), next_month(month))
            fetches[state.series] = _Extension(month, reach)
    return fetches


def _month_to_fetch(state: PlanningFacts) -> datetime | None:
    """Month of the first candle that a fetched key lacks; None if it has its newest one."""
    if state.verified is not None and state.verified >= floor_of(state.timeframe, state.due):
        return None
    last = state.last_due
    if last < state.first_open:
        return None
    if state.candles is None:
        unknown = months_never_fetched(state, month_start(last))
        return unknown[0] if unknown else month_start(last)
    # What lies before the first expected candle may be stored still, but is not added to.
    return month_start(min(max(state.asked or state.candles, state.first_open), last))


def _tasks(
    state: PlanningFacts, source: PlanningFacts, fetch: _Extension | None
) -> Iterable[tuple[datetime, Task]]:
    """What is to be done for one key, each step with its month."""
    extension = fetch if state.is_fetched else _derivation(state, source, fetch)
    until = extension.reach if extension else state.candles
    if extension is not None:
        yield extension.month, Task(state.series, CANDLES)
    if until is None:
        return
    is_last = extension is None or until == floor_of(state.timeframe, state.due)
    if state.expects_forecast(until):
        month = _month_to_predict(state, until, is_extended=extension is not None)
        if month is None or (extension is not None and extension.month != month):
            return  # nothing lacks a forecast, or its candles have to be stored first
        yield month, Task(state.series, PREDICTIONS)
        if is_last and month == month_start(until):
            yield month, Task(state.series, PUBLISHED)
    elif extension is not None and is_last:
        yield extension.month, Task(state.series, PUBLISHED)


def _derivation(
    state: PlanningFacts, source: PlanningFacts, fetch: _Extension | None
) -> _Extension | None:
    """The month to derive and the close that its buckets then reach; None if nothing is new.

    A month waits until the source is there for all buckets of it that are due by the clock.
    """
    timeframe = state.timeframe
    reach, known = source.verified, source.fetched
    if reach is None:
        return None
    if state.lacking is not None:
        first = state.lacking[0]
    elif fetch is not None:
        # Up to here all is derived that can be: buckets without any source candle never come.
        opened = first_open_of(timeframe, state.first)
        first = max(state.candles or opened, opened, floor_of(timeframe, reach))
        if close_of(timeframe, first) > fetch.reach:
            return None
    else:
        return None
    month = month_start(first)
    if fetch is not None and fetch.month == month:
        reach, known = max(fetch.reach, reach), known | {month}
    newest = min(timeframe.last_open_before(next_month(month)), state.last_due)
    close = timeframe.close_of(newest)
    if newest < first or close > reach or not known.issuperset(months_between(first, close)):
        return None
    return _Extension(month, close)


def _month_to_predict(
    state: PlanningFacts, until: datetime, *, is_extended: bool
) -> datetime | None:
    """Month of the first origin that lacks a forecast, once the candles for all its due origins
    are there; None if there is none. Only the newest one is needed of a key without any forecast,
    or with none since its oldest model or the first candle that is kept.

    Args:
        until: close of the newest candle, stored or about to be.
        is_extended: whether candles are about to be added.
    """
    if not state.lacks_forecast(until):
        return None
    due = floor_of(state.timeframe, state.due)
    verified = state.verified or until
    reach = until if is_extended else max(until, verified)
    first = state.next_origin or state.timeframe.next(min(verified, until))
    oldest = max(state.first_cutoff or first, state.timeframe.next(state.first_open))
    if state.forecast is None or first < oldest:
        return month_start(until) if reach >= due else None
    month = month_start(min(first, until))
    last = min(due, state.timeframe.last_open_before(next_month(month)))
    return month if reach >= last else None


def _is_behind_store(state: PlanningFacts) -> bool:
    """Whether the published files are older than the store, or not there."""
    if state.candles is None:
        return False
    if state.history is None or state.history < state.candles:
        return True
    return state.forecast is not None and (
        state.prediction is None or state.prediction < state.forecast
    )


def _earliest(purpose: str, wanted: Wanted, requests: Iterable[Request]) -> list[Request]:
    """One month at a time: history must not crowd out what is live. What ``requests`` ask for
    already is left out."""
    taken = {(task, each.month) for each in requests for task in each.tasks} if wanted else set()
    for month in sorted(wanted):
        tasks = tuple(task for task in wanted[month] if (task, month) not in taken)
        if tasks:
            return [Request(month, tasks, purpose)]
    return []
