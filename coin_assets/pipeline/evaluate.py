"""Evaluation of a series: scores matured forecasts and tests the challengers."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from coin_assets.domain.evaluation.challengers import (
    challenger_document,
    promotion_in,
    with_one_promotion,
)
from coin_assets.domain.evaluation.details import details_of
from coin_assets.domain.evaluation.promotion import GateVerdict, TrialTerms, judge
from coin_assets.domain.evaluation.report import FURTHER_ROLES, Evaluation, evaluation
from coin_assets.domain.evaluation.roles import RoleChange, Roles
from coin_assets.domain.evaluation.windows import candles_from, challenger_window_start, window_of
from coin_assets.domain.json_format import Document, parse_time, time_text
from coin_assets.domain.methods import (
    CHALLENGER,
    CHALLENGER_ROLES,
    CHALLENGERS,
    CHAMPION,
    CHAMPION_METHOD,
    method_of_role,
)
from coin_assets.domain.publishing.documents import evaluation_document
from coin_assets.domain.series import Series
from coin_assets.errors import CorruptArtefact, MonthsNotFetched
from coin_assets.models.evaluations import PUBLISHED_SHA256, EvaluationBook
from coin_assets.models.registry import ModelRegistry
from coin_assets.publish.json_files import json_bytes
from coin_assets.store.base import Store


@dataclass(frozen=True)
class Trial:
    """An interim test of one challenger.

    Attributes:
        role: of the challenger.
        challenger: name of its version.
        verdict: of the gate.
    """

    role: str
    challenger: str
    verdict: GateVerdict

    @property
    def method(self) -> str:
        """Name of the challenger's method."""
        return method_of_role(self.role).name


@dataclass(frozen=True)
class EvaluationReport:
    """A stored evaluation.

    Attributes:
        evaluation: the scores.
        document: as stored, with the verdicts.
        trials: one a challenger; none without a champion on record. One at most promotes.
        damaged: why the previous evaluation could not be read; the challengers' earlier passes are
            then lost.
    """

    evaluation: Evaluation
    document: Document
    trials: tuple[Trial, ...]
    damaged: str | None


def evaluate_series(
    store: Store, registry: ModelRegistry, evaluations: EvaluationBook, series: Series
) -> EvaluationReport:
    """Evaluate a series, test its challengers, and store the result.

    The result depends on the stored candles, forecasts, roles and earlier evaluations. Evaluating
    the same data again stores the same bytes.

    Raises:
        MonthsNotFetched: the series has no candles.
        CorruptArtefact: the record of roles, or the folder of the versions, is damaged.
        DataRefused: stored forecasts break their contract.
    """
    newest = store.newest_candles([series]).get(series)
    if newest is None:
        raise MonthsNotFetched(
            f"{series} has no candles to evaluate. Materialise "
            f"{series.symbol_name}/ohlcv_{series.timeframe} first."
        )
    as_of = series.timeframe.close_of(newest)
    start, end = window_of(series.timeframe, as_of)
    found = _scored(store, series, start, as_of)
    roles = registry.roles(series)
    before, damaged = _before(evaluations, series)
    trials = _trials(store, found, roles, before, (start, end))
    document, promotions = found.document(), _promotions(trials, roles, before, as_of)
    document["promotion"] = promotions.get(CHALLENGER)
    further = [role for role in FURTHER_ROLES if role in promotions or role in found.further]
    if further:
        document[CHALLENGERS] = [
            challenger_document(found, role, promotions.get(role)) for role in further
        ]
        document[CHAMPION_METHOD] = _method_of(registry, series, roles.holder(CHAMPION))
    details = details_of(found, roles.changes)
    published = json_bytes(evaluation_document(series, document, details))
    document[PUBLISHED_SHA256] = hashlib.sha256(published).hexdigest()
    evaluations.write(series, document, published)
    return EvaluationReport(found, document, trials, damaged)


def is_outdated(
    store: Store, registry: ModelRegistry, evaluations: EvaluationBook, series: Series
) -> bool:
    """Whether `evaluate_series` would score newer forecasts, or test a challenger not yet tested.

    A damaged evaluation or record of roles counts as outdated: `evaluate_series` replaces the one
    and fails on the other. A series without forecasts has nothing to score.

    Raises:
        MachineFault: the machine failed; the files may be intact.
    """
    newest = store.newest_forecasts([series]).get(series)
    if newest is None:
        return False
    try:
        known, roles = evaluations.read(series), registry.roles(series)
    except CorruptArtefact:
        return True
    return known is None or known["as_of"] != time_text(newest) or bool(_untested(known, roles))


def _untested(known: Document, roles: Roles) -> set[tuple[str, str]]:
    """Role and version of the challengers that an evaluation has no verdict on."""
    tested = {
        (role, promotion["challenger"])
        for role in CHALLENGER_ROLES
        if (promotion := promotion_in(known, role)) is not None
    }
    return {(role, version) for role, _, version in _challenges(roles)} - tested


def _trials(
    store: Store,
    found: Evaluation,
    roles: Roles,
    before: Document | None,
    window: tuple[datetime, datetime],
) -> tuple[Trial, ...]:
    """Interim tests of all challengers against the champion.

    Args:
        found: scores of the evaluation window.
        before: the previous evaluation.
        window: of the evaluation.
    """
    challenges, tenure = list(_challenges(roles)), roles.tenure
    series, as_of, (start, end) = found.series, found.as_of, window
    # A challenger is compared with all published forecasts of the champion's tenure.
    champions = {each.version for each in tenure if each.version is not None}
    verdicts = {}
    for role, change, version in challenges:
        first = challenger_window_start(series.timeframe, as_of, change.since)
        scored = found if first >= start else _scored(store, series, first, as_of)
        verdicts[role, version] = judge(
            scored.pairs_of(champions, {version}, role),
            series.timeframe,
            TrialTerms(
                min(tenure[0].since, as_of),
                trial_period=end - start,
                challengers=len(challenges),
                is_reference=method_of_role(role).is_reference,
            ),
            earlier_passes=_passes(before, role, version, as_of),
            now=as_of,
        )
    return tuple(Trial(*of, verdict) for of, verdict in with_one_promotion(verdicts).items())


def _challenges(roles: Roles) -> Iterator[tuple[str, RoleChange, str]]:
    """Role, appointment and version of each challenger; none without a champion on record."""
    for role in CHALLENGER_ROLES if roles.tenure else ():
        change = roles.last_change(role)
        if change is not None and change.version is not None:
            yield role, change, change.version


def _promotions(
    trials: tuple[Trial, ...], roles: Roles, before: Document | None, as_of: datetime
) -> dict[str, Document]:
    """Verdicts as JSON values, by role."""
    promotions = {}
    for trial in trials:
        passes = _passes(before, trial.role, trial.challenger, as_of)
        passed = [*passes, as_of] if trial.verdict.passed else []
        promotions[trial.role] = {
            **trial.verdict.document(),
            "challenger": trial.challenger,
            "champion": roles.holder(CHAMPION),
            "passes": [time_text(time) for time in passed],
        }
    return promotions


def _method_of(registry: ModelRegistry, series: Series, name: str | None) -> str | None:
    """Method of a version; None without one, or if its folder is gone."""
    return next((each.method for each in registry.versions(series) if each.name == name), None)


def _scored(store: Store, series: Series, start: datetime, as_of: datetime) -> Evaluation:
    """Evaluation of the stored forecasts at origins from ``start`` on."""
    candles = store.read_candles(series, candles_from(series.timeframe, start), as_of)
    return evaluation(series, candles, store.read_forecasts(series, start, as_of), as_of, start)


def _before(evaluations: EvaluationBook, series: Series) -> tuple[Document | None, str | None]:
    """The previous evaluation, or the reason why it cannot be read."""
    try:
        return evaluations.read(series), None
    except CorruptArtefact as error:
        return None, str(error)


def _passes(before: Document | None, role: str, challenger: str, as_of: datetime) -> list[datetime]:
    """Data times before ``as_of`` of the challenger's consecutive passes."""
    promotion = before and promotion_in(before, role)
    if not promotion or promotion["challenger"] != challenger:
        return []
    times = [parse_time(text) for text in promotion["passes"]]
    return [time for time in times if time < as_of]
