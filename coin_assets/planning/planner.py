"""The planner: requests runs for what should exist and does not.

It is level-triggered, a pure function of facts: after a missed tick, a failed run or a restart the
next plan requests what is still missing. Everything due in one month goes into one run, or into
several if there are many symbols. A task that needs candles of another month waits for a plan in
which they are stored.

An empty store gets its newest month first, so that recent candles are published at once. History
follows from the newest to the oldest month, many months a run. Models wait for the whole history:
a version trained on a part of it would differ from the one that is trained later.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from coin_assets.domain.layers import CANDLES, MODELS, PREDICTIONS, PUBLISHED, QUALITY, Task
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import month_start, months_between, next_month
from coin_assets.planning.background import (
    gaps,
    history,
    monthly_versions,
    needs_training,
    newest_months,
)
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
from coin_assets.planning.months import close_of, first_open_of, floor_of
from coin_assets.planning.splitting import split

MOST_REQUESTS = 6


def plan_updates(facts: Sequence[PlanningFacts], runs: Runs, now: datetime) -> Plan:
    """Runs for all tasks that are due and not in flight, live work first.

    At most `MOST_REQUESTS` runs, the newest month's before those that catch up; the next plan
    requests the others. Of background work one run a purpose, so that live runs find a free slot.
    """
    live = _live(facts, runs, now)
    months = sorted(live)
    requests = [
        part
        for month in (*months[-1:], *months[:-1])
        for part in split(Request(month, tuple(live[month]), LIVE))
    ]
    if HISTORY not in runs.busy:
        requests += newest_months(_without(requests, history(facts, runs, now)))[:1]
    for purpose, find in ((GAPS, gaps), (MONTHLY, monthly_versions)):
        if purpose not in runs.busy:
            requests += _earliest(purpose, _without(requests, find(facts, runs, now)))[:1]
    training = tuple(
        each.series
        for each in facts
        if needs_training(each)
        and each.series not in runs.training
        and not runs.is_backing_off(Task(each.series, MODELS), now)
    )
    return Plan(tuple(requests[:MOST_REQUESTS]), training)


def plan_repairs(facts: Sequence[PlanningFacts], runs: Runs, now: datetime) -> Plan:
    """Runs that rewrite published files that are gone, damaged or behind the store.

    Files that `plan_updates` publishes anyway are left to it. Files behind the store wait while
    runs renew the series or its source; damaged files do not wait for runs that fail before they
    publish. A series with a refused forecast waits for its next forecast.
    """
    behind = [each for each in facts if each.damage or each.is_behind_store]
    wrong = [each for each in behind if not each.is_refused]
    if not wrong:
        return Plan()
    planned = {task for tasks in _live(facts, runs, now).values() for task in tasks}
    renewing = {task for task, _ in runs.in_flight if task.layer != QUALITY}
    renewed = {task.series for task in planned | renewing}
    tasks = []
    for each in wrong:
        task = Task(each.series, PUBLISHED)
        if each.damage and REPAIR not in runs.busy and _is_failing(each, runs):
            is_free = not runs.is_backing_off(task, now)
        else:
            waits = not each.damage and not renewed.isdisjoint((each.series, each.source))
            is_free = not waits and task not in planned and runs.is_free(task, None, now)
        if is_free:
            tasks.append(task)
    if not tasks:
        return Plan()
    return Plan(tuple(split(Request(month_start(now), tuple(tasks), REPAIR))[:MOST_REQUESTS]))


def _is_failing(facts: PlanningFacts, runs: Runs) -> bool:
    """Whether a task upstream of the published files failed since its last success."""
    before = {Task(series, CANDLES) for series in (facts.series, facts.source)}
    return not runs.failures.keys().isdisjoint(before | {Task(facts.series, PREDICTIONS)})


@dataclass(frozen=True)
class _Extension:
    """Candles of ``month`` that a plan requests, up to the close ``reach``."""

    month: datetime
    reach: datetime


def _live(facts: Sequence[PlanningFacts], runs: Runs, now: datetime) -> Wanted:
    """Tasks by month, from the first missing candle of each series to its published files."""
    fetches = _fetches(facts, runs, now)
    sources = {each.series: each for each in facts if each.is_fetched}
    wanted: Wanted = defaultdict(list)
    for each in facts:
        fetch = fetches.get(each.source) if fetches else None
        if fetch is None and each.lacking is None and not each.lacks_forecast(each.candles):
            continue
        follows = False
        for month, task in _tasks(each, sources[each.source], fetch):
            at = None if task.layer == PUBLISHED else month
            # Tasks downstream of a new candle or forecast skip their back-off.
            is_free = (task, at) not in runs.in_flight if follows else runs.is_free(task, at, now)
            if not is_free:
                break  # the tasks after it need it
            wanted[month].append(task)
            follows = True
    return wanted


def _fetches(facts: Iterable[PlanningFacts], runs: Runs, now: datetime) -> dict[Series, _Extension]:
    """The month to fetch next, of each source that lacks its newest candle."""
    fetches = {}
    for each in facts:
        month = _month_to_fetch(each) if each.is_fetched else None
        if month is not None and runs.is_free(Task(each.series, CANDLES), month, now):
            reach = min(floor_of(each.timeframe, each.due), next_month(month))
            fetches[each.series] = _Extension(month, reach)
    return fetches


def _month_to_fetch(facts: PlanningFacts) -> datetime | None:
    """Month of the first missing candle of a fetched series; None if the newest is there."""
    if facts.verified is not None and facts.verified >= floor_of(facts.timeframe, facts.due):
        return None
    last = facts.last_due
    if last < facts.first_open:
        return None
    if facts.candles is None:
        return month_start(last)  # older months are history
    # Months before the first expected candle may still be stored; nothing is added to them.
    return month_start(min(max(facts.asked or facts.candles, facts.first_open), last))


def _tasks(
    facts: PlanningFacts, source: PlanningFacts, fetch: _Extension | None
) -> Iterable[tuple[datetime, Task]]:
    """Tasks that are due for one series, each with its month."""
    extension = fetch if facts.is_fetched else _derivation(facts, source, fetch)
    until = extension.reach if extension else facts.candles
    if extension is not None:
        yield extension.month, Task(facts.series, CANDLES)
    if until is None:
        return
    is_last = extension is None or until == floor_of(facts.timeframe, facts.due)
    if facts.expects_forecast(until):
        month = _month_to_predict(facts, until, is_extended=extension is not None)
        if month is None or (extension is not None and extension.month != month):
            return  # no forecast is missing, or its candles are not stored yet
        yield month, Task(facts.series, PREDICTIONS)
        if is_last and month == month_start(until):
            yield month, Task(facts.series, PUBLISHED)
    elif extension is not None and is_last:
        yield extension.month, Task(facts.series, PUBLISHED)


def _derivation(
    facts: PlanningFacts, source: PlanningFacts, fetch: _Extension | None
) -> _Extension | None:
    """The month to derive next and the close that it then reaches; None without new buckets.

    A month waits until the source covers all of its buckets that are due by the clock.
    """
    timeframe = facts.timeframe
    reach, known = source.verified, source.fetched
    if reach is None:
        return None
    if facts.lacking is not None:
        first, last = facts.lacking
        if facts.candles is None:  # older months are history
            first = max(first, first_open_of(timeframe, month_start(last)))
    elif fetch is not None:
        # All buckets before are derived; buckets without any source candle do not exist.
        opened = first_open_of(timeframe, facts.first)
        first = max(facts.candles or opened, opened, floor_of(timeframe, reach))
        if close_of(timeframe, first) > fetch.reach:
            return None
    else:
        return None
    month = month_start(first)
    if fetch is not None and fetch.month == month:
        reach, known = max(fetch.reach, reach), known | {month}
    newest = min(timeframe.last_open_before(next_month(month)), facts.last_due)
    close = timeframe.close_of(newest)
    if newest < first or close > reach or not known.issuperset(months_between(first, close)):
        return None
    return _Extension(month, close)


def _month_to_predict(
    facts: PlanningFacts, until: datetime, *, is_extended: bool
) -> datetime | None:
    """Month of the first origin without a forecast; None if no month is ready.

    A month is ready when the candles of all its due origins are stored. A series without any
    forecast, or without one since its oldest model or first kept candle, needs only the newest.

    Args:
        until: close of the newest candle, stored or about to be.
        is_extended: whether candles are about to be added.
    """
    if not facts.lacks_forecast(until):
        return None
    due = floor_of(facts.timeframe, facts.due)
    verified = facts.verified or until
    reach = until if is_extended else max(until, verified)
    first = facts.next_origin or facts.timeframe.next(min(verified, until))
    oldest = max(facts.first_cutoff or first, facts.timeframe.next(facts.first_open))
    if facts.forecast is None or first < oldest:
        return month_start(until) if reach >= due else None
    month = month_start(min(first, until))
    last = min(due, facts.timeframe.last_open_before(next_month(month)))
    return month if reach >= last else None


def _earliest(purpose: str, wanted: Wanted) -> list[Request]:
    """Runs of the earliest month of ``wanted``; one month at a time leaves room for live runs."""
    for month in sorted(wanted):
        return split(Request(month, tuple(wanted[month]), purpose))
    return []


def _without(requests: Iterable[Request], wanted: Wanted) -> Wanted:
    """``wanted`` without the tasks of ``requests``."""
    if not wanted:
        return wanted
    taken = {(task, month) for each in requests for task in each.tasks for month in each.months}
    left = {
        month: [task for task in tasks if (task, month) not in taken]
        for month, tasks in wanted.items()
    }
    return {month: tasks for month, tasks in left.items() if tasks}
