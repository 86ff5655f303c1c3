"""Evaluations and promotions that are due."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from coin_assets.domain.evaluation.challengers import promotion_in
from coin_assets.domain.evaluation.promotion import KEEP
from coin_assets.domain.json_format import parse_time
from coin_assets.domain.layers import QUALITY, Task
from coin_assets.domain.methods import CHALLENGER_ROLES
from coin_assets.domain.series import Series
from coin_assets.errors import CorruptArtefact
from coin_assets.models.evaluations import EvaluationBook
from coin_assets.models.registry import ModelRegistry
from coin_assets.planning.facts import EVALUATION, Plan, PlanningFacts, Runs

# Limit of one run; the next run takes the others.
MOST_KEYS = 50


@dataclass(frozen=True)
class QualityFacts:
    """Result of the last evaluation of one series.

    Attributes:
        evaluated: its data time; None without a readable evaluation.
        is_decided: whether it decides to promote or to retire a present challenger.
    """

    evaluated: datetime | None = None
    is_decided: bool = False


def quality_facts(
    evaluations: EvaluationBook, registry: ModelRegistry, series_list: Iterable[Series]
) -> dict[Series, QualityFacts]:
    """Facts about each series, from files that are read again when they change."""
    return {series: _facts(evaluations, registry, series) for series in series_list}


def plan_quality(
    facts: Sequence[PlanningFacts],
    quality: Mapping[Series, QualityFacts],
    runs: Runs,
    now: datetime,
) -> Plan:
    """Evaluations and promotions that are due, of at most `MOST_KEYS` series each.

    An evaluation is due when the candles reach another day (UTC) than the last one's, a promotion
    when the last evaluation decides it.
    """
    evaluations = [
        each.series
        for each in facts
        if each.candles is not None
        and each.forecast is not None
        and _is_due(quality[each.series].evaluated, each.candles)
        and runs.is_free_in_background(Task(each.series, QUALITY), None, now)
    ]
    promotions = [
        each.series
        for each in facts
        if quality[each.series].is_decided and each.series not in runs.promoting
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
        roles = registry.roles(series)
    except CorruptArtefact:
        return QualityFacts()  # the evaluation replaces the one file and fails on the other
    if document is None:
        return QualityFacts()
    promotions = {role: promotion_in(document, role) for role in CHALLENGER_ROLES}
    is_decided = any(
        promotion is not None
        and promotion["challenger"] == roles.holder(role)
        and promotion["decision"] != KEEP
        for role, promotion in promotions.items()
    )
    return QualityFacts(parse_time(document["as_of"]), is_decided)
