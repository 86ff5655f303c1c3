"""What the planner asks for when nothing waits for it: history, gaps, and models."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from coin_assets.domain.layers import CANDLES, MODELS, Task
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import month_start, months_between, next_month
from coin_assets.planning.facts import PlanningFacts, Runs, Wanted
from coin_assets.planning.months import month_before, months_never_fetched


def history(states: Sequence[PlanningFacts], runs: Runs, now: datetime) -> Wanted:
    """Candles of months before the newest one that were never fetched, or never derived."""
    lacking = []
    for state in states:
        if state.candles is None:
            continue  # it begins with the live run, month by month from its first one
        months = months_never_fetched(state, month_before(state.timeframe, state.candles))
        if months:
            lacking.append((state, months))
    if not lacking:
        return {}
    fetched = {state.series: state.fetched for state in states if state.is_fetched}
    wanted: Wanted = defaultdict(list)
    pulled: set[tuple[Series, datetime]] = set()
    for state, months in sorted(lacking, key=lambda each: not each[0].is_fetched):
        for month in months:
            task = Task(state.series, CANDLES)
            if not runs.is_free_in_background(task, month, now):
                continue
            known = fetched[state.source]
            if (state.source, month) in pulled:
                known = known | {month}
            if state.is_fetched or known.issuperset(_months_of_source(state, month)):
                wanted[month].append(task)
                pulled.add((state.series, month))
    return wanted


def _months_of_source(state: PlanningFacts, month: datetime) -> list[datetime]:
    """Months of the source that the buckets of ``month`` need."""
    end = state.timeframe.close_of(state.timeframe.last_open_before(next_month(month)))
    return months_between(max(month, state.first), end)


def gaps(states: Sequence[PlanningFacts], runs: Runs, now: datetime) -> Wanted:
    """Months whose missing candles the market is to be asked for again.

    What is derived needs no run here: a month that the market was not wholly asked for is derived
    afterwards, and a candle that comes late is a revision, whose derived ones are redone.
    """
    wanted: Wanted = defaultdict(list)
    for state in states:
        for month in state.gap_months:
            task = Task(state.series, CANDLES)
            if runs.is_free_in_background(task, month, now):
                wanted[month].append(task)
    return wanted


def monthly_versions(states: Sequence[PlanningFacts], runs: Runs, now: datetime) -> Wanted:
    """Models that belong to the running month whatever else is trained in it."""
    wanted: Wanted = defaultdict(list)
    for state in states:
        if state.monthly_version_missing:
            month, task = month_start(state.due), Task(state.series, MODELS)
            if runs.is_free_in_background(task, month, now):
                wanted[month].append(task)
    return wanted


def needs_training(state: PlanningFacts) -> bool:
    """Whether candles suffice for a forecast but no model may make it, nor will the anchor."""
    return (
        state.trainable
        and not state.monthly_version_missing
        and state.candles is not None
        and (state.verified or state.candles) >= state.timeframe.floor(state.due)
        and not state.expects_forecast(state.candles)
    )
