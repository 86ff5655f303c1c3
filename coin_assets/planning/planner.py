"""The planner: requests runs for what should exist and does not.

It is level-triggered, a pure function of facts: after a missed tick, a failed run or a restart the
next plan requests what is still missing. Everything due in one month goes into one run. A task that
needs candles of another month waits for a plan in which they are stored.
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
    """Runs for all tasks that are due and not in flight, live work first.

    At most `MOST_REQUESTS` runs, the newest month's before those that catch up; the next plan
    requests the others.
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
    """One run that rewrites published files that are gone, damaged or behind the store.

    Files that `plan_updates` publishes anyway are left to it. Files behind the store wait while
    runs renew the series or its source; damaged files do not wait for runs that fail before they
    publish. A series with a refused forecast waits for its next forecast.
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
    """Whether a task upstream of the published files failed since its last success."""
    before = {Task(series, CANDLES) for series in (state.series, state.source)}
    return not runs.failures.keys().isdisjoint(before | {Task(state.series, PREDICTIONS)})


@dataclass(frozen=True)
class _Extension:
    """Candles of ``month`` that a plan requests, up to the close ``reach``."""

    month: datetime
    reach: datetime


def _live(states: Sequence[PlanningFacts], runs: Runs, now: datetime) -> Wanted:
    """Tasks by month, from the first missing candle of each series to its published files."""
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
            # Tasks downstream of a new candle or forecast skip their back-off.
            is_free = (task, at) not in runs.in_flight if follows else runs.is_free(task, at, now)
            if not is_free:
                break  # the tasks after it need it
            wanted[month].append(task)
            follows = True
    return wanted


def _fetches(
    states: Iterable[PlanningFacts], runs: Runs, now: datetime
) -> dict[Series, _Extension]:
    """The month to fetch next, of each source that lacks its newest candle."""
    fetches = {}
    for state in states:
        month = _month_to_fetch(state) if state.is_fetched else None
        if month is not None and runs.is_free(Task(state.series, CANDLES), month, now):
            reach = min(floor_of(state.timeframe, state.due), next_month(month))
            fetches[state.series] = _Extension(month, reach)
    return fetches


def _month_to_fetch(state: PlanningFacts) -> datetime | None:
    """Month of the first missing candle of a fetched series; None if the newest is there."""
    if state.verified is not None and state.verified >= floor_of(state.timeframe, state.due):
        return None
    last = state.last_due
    if last < state.first_open:
        return None
    if state.candles is None:
        unknown = months_never_fetched(state, month_start(last))
        return unknown[0] if unknown else month_start(last)
    # Months before the first expected candle may still be stored; nothing is added to them.
    return month_start(min(max(state.asked or state.candles, state.first_open), last))


def _tasks(
    state: PlanningFacts, source: PlanningFacts, fetch: _Extension | None
) -> Iterable[tuple[datetime, Task]]:
    """Tasks that are due for one series, each with its month."""
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
            return  # no forecast is missing, or its candles are not stored yet
        yield month, Task(state.series, PREDICTIONS)
        if is_last and month == month_start(until):
            yield month, Task(state.series, PUBLISHED)
    elif extension is not None and is_last:
        yield extension.month, Task(state.series, PUBLISHED)


def _derivation(
    state: PlanningFacts, source: PlanningFacts, fetch: _Extension | None
) -> _Extension | None:
    """The month to derive next and the close that it then reaches; None without new buckets.

    A month waits until the source covers all of its buckets that are due by the clock.
    """
    timeframe = state.timeframe
    reach, known = source.verified, source.fetched
    if reach is None:
        return None
    if state.lacking is not None:
        first = state.lacking[0]
    elif fetch is not None:
        # All buckets before are derived; buckets without any source candle do not exist.
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
    """Month of the first origin without a forecast; None if no month is ready.

    A month is ready when the candles of all its due origins are stored. A series without any
    forecast, or without one since its oldest model or first kept candle, needs only the newest.

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
    """Whether the published files are missing or older than the store."""
    if state.candles is None:
        return False
    if state.history is None or state.history < state.candles:
        return True
    return state.forecast is not None and (
        state.prediction is None or state.prediction < state.forecast
    )


def _earliest(purpose: str, wanted: Wanted, requests: Iterable[Request]) -> list[Request]:
    """The earliest month of ``wanted`` as one run, without tasks of ``requests``.

    One month at a time leaves room for live runs.
    """
    taken = {(task, each.month) for each in requests for task in each.tasks} if wanted else set()
    for month in sorted(wanted):
        tasks = tuple(task for task in wanted[month] if (task, month) not in taken)
        if tasks:
            return [Request(month, tasks, purpose)]
    return []
