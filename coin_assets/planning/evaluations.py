"""What is to be scored again, and where the last scores ask for another champion or challenger."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from coin_assets.domain.evaluation.promotion import KEEP
from coin_assets.domain.forecasting.frame import CHALLENGER
from coin_assets.domain.json_format import parse_time
from coin_assets.domain.layers import QUALITY, Task
from coin_assets.domain.series import Series
from coin_assets.errors import CorruptArtefact
from coin_assets.models.evaluations import EvaluationBook
from coin_assets.models.registry import ModelRegistry
from coin_assets.planning.facts import EVALUATION, Plan, PlanningFacts, Runs

# Of one run: what is left out comes with the next one.
MOST_KEYS = 50


@dataclass(frozen=True)
class QualityFacts:
    """What is known of one key.

    Attributes:
        evaluated: data time of the last evaluation; None if there is none that can be read.
        is_decided: whether it asks to promote or to retire the present challenger.
    """

    evaluated: datetime | None = None
    is_decided: bool = False


def quality_facts(
    evaluations: EvaluationBook, registry: ModelRegistry, series_list: Iterable[Series]
) -> dict[Series, QualityFacts]:
    """Facts of every key, from files that are read when they change."""
    return {series: _facts(evaluations, registry, series) for series in series_list}


def plan_quality(
    states: Sequence[PlanningFacts], facts: Mapping[Series, QualityFacts], runs: Runs, now: datetime
) -> Plan:
    """Evaluations and promotions that are due, of at most `MOST_KEYS` keys each.

    An evaluation is due when the candles have reached another day (UTC) since the last one, and a
    promotion when the last one asks for it.
    """
    evaluations = [
        state.series
        for state in states
        if state.candles is not None
        and state.forecast is not None
        and _is_due(facts[state.series].evaluated, state.candles)
        and runs.is_free_in_background(Task(state.series, QUALITY), None, now)
    ]
    promotions = [
        state.series
        for state in states
        if facts[state.series].is_decided and state.series not in runs.promoting
    ]
    return Plan(
        evaluations=() if EVALUATION in runs.busy else tuple(evaluations[:MOST_KEYS]),
        promotions=tuple(promotions[:MOST_KEYS]),
    )


def _is_due(evaluated: datetime | None, candles: datetime) -> bool:
    return evaluated is None or _day(evaluated) < _day(candles)


def _day(time: datetime) -> date:
    return time.astimezone(UTC).date()


def _facts(evaluations: EvaluationBook, registry: ModelRegistry, series: Series) -> QualityFacts:
    try:
        document = evaluations.read(series)
        challenger = registry.roles(series).holder(CHALLENGER)
    except CorruptArtefact:
        return QualityFacts()  # the evaluation replaces the one file and fails on the other
    if document is None:
        return QualityFacts()
    promotion = document["promotion"]
    is_decided = (
        promotion is not None
        and challenger is not None
        and promotion["challenger"] == challenger
        and promotion["decision"] != KEEP
    )
    return QualityFacts(parse_time(document["as_of"]), is_decided)
