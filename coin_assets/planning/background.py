"""Background work of the planner: history, gaps and monthly model versions."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from coin_assets.domain.layers import CANDLES, MODELS, Task
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import month_start, months_between, next_month
from coin_assets.planning.facts import PlanningFacts, Runs, Wanted
from coin_assets.planning.months import month_before, months_never_fetched


def history(states: Sequence[PlanningFacts], runs: Runs, now: datetime) -> Wanted:
    """Candle tasks of months before the newest one that were never fetched or derived."""
    lacking = []
    for state in states:
        if state.candles is None:
            continue  # live runs fetch its first months
        months = months_never_fetched(state, month_before(state.timeframe, state.candles))
        if months:
            lacking.append((state, months))
    if not lacking:
        return {}
    fetched = {state.series: state.fetched for state in states if state.is_fetched}
    wanted: Wanted = defaultdict(list)
    requested: set[tuple[Series, datetime]] = set()
    for state, months in sorted(lacking, key=lambda each: not each[0].is_fetched):
        for month in months:
            task = Task(state.series, CANDLES)
            if not runs.is_free_in_background(task, month, now):
                continue
            known = fetched[state.source]
            if (state.source, month) in requested:
                known = known | {month}
            if state.is_fetched or known.issuperset(_months_of_source(state, month)):
                wanted[month].append(task)
                requested.add((state.series, month))
    return wanted


def _months_of_source(state: PlanningFacts, month: datetime) -> list[datetime]:
    """Months of the source that the buckets of ``month`` need."""
    end = state.timeframe.close_of(state.timeframe.last_open_before(next_month(month)))
    return months_between(max(month, state.first), end)


def gaps(states: Sequence[PlanningFacts], runs: Runs, now: datetime) -> Wanted:
    """Candle tasks of months with missing candles that are due for another request.

    Derived series need no task here: a month is derived after all requests for it, and a candle
    that arrives later is a revision, for which `redo_touched` recomputes derived candles.
    """
    wanted: Wanted = defaultdict(list)
    for state in states:
        for month in state.gap_months:
            task = Task(state.series, CANDLES)
            if runs.is_free_in_background(task, month, now):
                wanted[month].append(task)
    return wanted


def monthly_versions(states: Sequence[PlanningFacts], runs: Runs, now: datetime) -> Wanted:
    """Model tasks of monthly versions that the running month lacks."""
    wanted: Wanted = defaultdict(list)
    for state in states:
        if state.monthly_version_missing:
            month, task = month_start(state.due), Task(state.series, MODELS)
            if runs.is_free_in_background(task, month, now):
                wanted[month].append(task)
    return wanted


def needs_training(state: PlanningFacts) -> bool:
    """Whether candles suffice for a forecast but no model covers it and no monthly version will."""
    return (
        state.trainable
        and not state.monthly_version_missing
        and state.candles is not None
        and (state.verified or state.candles) >= state.timeframe.floor(state.due)
        and not state.expects_forecast(state.candles)
    )
