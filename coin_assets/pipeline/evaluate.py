"""Evaluation of a series: scores matured forecasts and tests the challenger."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from coin_assets.domain.evaluation.details import details_of
from coin_assets.domain.evaluation.promotion import GateVerdict, judge
from coin_assets.domain.evaluation.report import Evaluation, evaluation
from coin_assets.domain.evaluation.windows import candles_from, challenger_window_start, window_of
from coin_assets.domain.forecasting.frame import CHALLENGER, CHAMPION
from coin_assets.domain.json_format import Document, parse_time, time_text
from coin_assets.domain.publishing.documents import evaluation_document
from coin_assets.domain.series import Series
from coin_assets.errors import CorruptArtefact, MonthsNotFetched
from coin_assets.models.evaluations import PUBLISHED_SHA256, EvaluationBook
from coin_assets.models.registry import ModelRegistry
from coin_assets.publish.json_files import json_bytes
from coin_assets.store.base import Store


@dataclass(frozen=True)
class EvaluationReport:
    """A stored evaluation.

    Attributes:
        evaluation: the scores.
        document: as stored, with the verdict.
        verdict: on the challenger; None without a challenger or a champion.
        challenger: name of the version that the verdict applies to.
        damaged: why the previous evaluation could not be read; the challenger's earlier passes are
            then lost.
    """

    evaluation: Evaluation
    document: Document
    verdict: GateVerdict | None
    challenger: str | None
    damaged: str | None


def evaluate_series(
    store: Store, registry: ModelRegistry, evaluations: EvaluationBook, series: Series
) -> EvaluationReport:
    """Evaluate a series, test its challenger, and store the result.

    The result depends on the stored candles, forecasts, roles and earlier evaluations. Evaluating
    the same data again stores the same bytes.

    Raises:
        MonthsNotFetched: the series has no candles.
        CorruptArtefact: the record of roles is damaged.
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
    challenger, tenure = roles.last_change(CHALLENGER), roles.tenure
    before, damaged = _before(evaluations, series)
    document = found.document()
    verdict = None
    if challenger and challenger.version and tenure:
        first = challenger_window_start(series.timeframe, as_of, challenger.since)
        trial = found if first >= start else _scored(store, series, first, as_of)
        passes = _passes(before, challenger.version, as_of)
        # The challenger is compared with all published forecasts of the champion's tenure.
        champions = {each.version for each in tenure if each.version is not None}
        verdict = judge(
            trial.pairs_of(champions, {challenger.version}),
            series.timeframe,
            earlier_passes=passes,
            champion_since=min(tenure[0].since, as_of),
            trial_period=end - start,
            now=as_of,
        )
        passed = [*passes, as_of] if verdict.passed else []
        document["promotion"] = {
            **verdict.document(),
            "challenger": challenger.version,
            "champion": roles.holder(CHAMPION),
            "passes": [time_text(time) for time in passed],
        }
    details = details_of(found, roles.changes)
    published = json_bytes(evaluation_document(series, document, details))
    document[PUBLISHED_SHA256] = hashlib.sha256(published).hexdigest()
    evaluations.write(series, document, published)
    return EvaluationReport(found, document, verdict, roles.holder(CHALLENGER), damaged)


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


def _passes(before: Document | None, challenger: str, as_of: datetime) -> list[datetime]:
    """Data times before ``as_of`` of the challenger's consecutive passes."""
    promotion = before and before["promotion"]
    if not promotion or promotion["challenger"] != challenger:
        return []
    times = [parse_time(text) for text in promotion["passes"]]
    return [time for time in times if time < as_of]
