"""Background work of the planner: history, gaps and monthly model versions."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from coin_assets.domain.layers import CANDLES, MODELS, Task
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import month_start, months_between, next_month
from coin_assets.planning.facts import PlanningFacts, Runs, Wanted
from coin_assets.planning.months import month_before, months_never_fetched


def history(facts: Sequence[PlanningFacts], runs: Runs, now: datetime) -> Wanted:
    """Candle tasks of months before the newest one that were never fetched or derived."""
    lacking = []
    for each in facts:
        if each.candles is None:
            continue  # live runs fetch its first months
        months = months_never_fetched(each, month_before(each.timeframe, each.candles))
        if months:
            lacking.append((each, months))
    if not lacking:
        return {}
    fetched = {each.series: each.fetched for each in facts if each.is_fetched}
    wanted: Wanted = defaultdict(list)
    requested: set[tuple[Series, datetime]] = set()
    for each, months in sorted(lacking, key=lambda item: not item[0].is_fetched):
        for month in months:
            task = Task(each.series, CANDLES)
            if not runs.is_free_in_background(task, month, now):
                continue
            known = fetched[each.source]
            if (each.source, month) in requested:
                known = known | {month}
            if each.is_fetched or known.issuperset(_months_of_source(each, month)):
                wanted[month].append(task)
                requested.add((each.series, month))
    return wanted


def _months_of_source(facts: PlanningFacts, month: datetime) -> list[datetime]:
    """Months of the source that the buckets of ``month`` need."""
    end = facts.timeframe.close_of(facts.timeframe.last_open_before(next_month(month)))
    return months_between(max(month, facts.first), end)


def gaps(facts: Sequence[PlanningFacts], runs: Runs, now: datetime) -> Wanted:
    """Candle tasks of months with missing candles that are due for another request.

    Derived series need no task here: a month is derived after all requests for it, and a candle
    that arrives later is a revision, for which `redo_touched` recomputes derived candles.
    """
    wanted: Wanted = defaultdict(list)
    for each in facts:
        for month in each.gap_months:
            task = Task(each.series, CANDLES)
            if runs.is_free_in_background(task, month, now):
                wanted[month].append(task)
    return wanted


def monthly_versions(facts: Sequence[PlanningFacts], runs: Runs, now: datetime) -> Wanted:
    """Model tasks of monthly versions that the running month lacks."""
    wanted: Wanted = defaultdict(list)
    for each in facts:
        if each.monthly_version_missing:
            month, task = month_start(each.due), Task(each.series, MODELS)
            if runs.is_free_in_background(task, month, now):
                wanted[month].append(task)
    return wanted


def needs_training(facts: PlanningFacts) -> bool:
    """Whether candles suffice for a forecast but no model covers it and no monthly version will."""
    return (
        facts.trainable
        and not facts.monthly_version_missing
        and facts.candles is not None
        and (facts.verified or facts.candles) >= facts.timeframe.floor(facts.due)
        and not facts.expects_forecast(facts.candles)
    )
