"""Background work of the planner: history, gaps and monthly model versions."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from coin_assets.domain.layers import CANDLES, MODELS, Task
from coin_assets.domain.timeframes import Timeframe, month_start, months_between, next_month
from coin_assets.planning.facts import HISTORY, PlanningFacts, Request, Runs, Wanted
from coin_assets.planning.months import month_before, months_never_fetched
from coin_assets.planning.splitting import split

_MONTH = Timeframe("1M")


# Candles of one series that a run of history fetches: 33 months of 1h.
_MOST_CANDLES = 24_000


def history(facts: Sequence[PlanningFacts], runs: Runs, now: datetime) -> Wanted:
    """Candle tasks of months before the newest one that were never fetched or derived.

    A month is derived in another run than it is fetched: a fetch fails if one month of its range
    does, and Dagster would not derive the others.
    """
    sources = {each.series: each for each in facts if each.is_fetched}
    wanted: Wanted = defaultdict(list)
    for each in facts:
        source, task = sources[each.source], Task(each.series, CANDLES)
        for month in _months_lacking(each, source):
            if _is_ready(each, source, month) and runs.is_free_in_background(task, month, now):
                wanted[month].append(task)
    return wanted


def newest_months(wanted: Wanted) -> list[Request]:
    """Runs of the newest months of ``wanted`` that have the same tasks, back to a hole.

    A run is bounded by `_MOST_CANDLES`: its steps are long, but a killed one goes on where it was.
    """
    if not wanted:
        return []
    first = last = max(wanted)
    tasks = wanted[last]
    finest = min(task.series.timeframe.seconds for task in tasks)
    for _ in range(_MOST_CANDLES * finest // _MONTH.seconds - 1):
        before = _MONTH.shift(first, -1)
        if wanted.get(before) != tasks:
            break
        first = before
    return split(Request(first, tuple(tasks), HISTORY, last))


def _months_lacking(facts: PlanningFacts, source: PlanningFacts) -> tuple[datetime, ...]:
    """Months of a series, before its newest one, that were never fetched or derived."""
    if facts.candles is not None:
        return months_never_fetched(facts, month_before(facts.timeframe, facts.candles))
    # Without candles of the running month, months before it may have some.
    running = month_start(facts.due)
    is_begun = source.candles is not None or running in facts.fetched
    return months_never_fetched(facts, _MONTH.shift(running, -1)) if is_begun else ()


def _is_ready(facts: PlanningFacts, source: PlanningFacts, month: datetime) -> bool:
    """Whether the source of a derived month is complete.

    Its last bucket can close in the running month, which counts as fetched from its first request
    on. A symbol that is listed within that bucket has no older candles.
    """
    if facts.is_fetched:
        return True
    end = facts.timeframe.close_of(facts.timeframe.last_open_before(next_month(month)))
    is_closed = end <= (source.verified or source.due)
    return is_closed and source.fetched.issuperset(months_between(max(month, facts.first), end))


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
    """Whether candles suffice for a model, none is recent, and no monthly version comes first."""
    return (
        facts.trainable
        and not facts.monthly_version_missing
        and facts.candles is not None
        and (facts.verified or facts.candles) >= facts.timeframe.floor(facts.due)
    )
