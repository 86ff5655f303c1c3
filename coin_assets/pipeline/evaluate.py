"""Scoring what was forecast once it has matured, and judging the challenger, without Dagster."""

from dataclasses import dataclass
from datetime import datetime

from coin_assets.domain.evaluation.promotion import GateVerdict, judge
from coin_assets.domain.evaluation.report import Evaluation, evaluation
from coin_assets.domain.evaluation.windows import candles_from, contest_from, window_of
from coin_assets.domain.forecasting.frame import CHALLENGER, CHAMPION
from coin_assets.domain.json_format import Document, parse_time, time_text
from coin_assets.domain.series import Series
from coin_assets.errors import CorruptArtefact, MonthsNotFetched
from coin_assets.models.evaluations import EvaluationBook
from coin_assets.models.registry import ModelRegistry
from coin_assets.store.base import Store


@dataclass(frozen=True)
class EvaluationReport:
    """An evaluation that was written down.

    Attributes:
        verdict: on the challenger; None if there is none, or no champion to challenge.
        challenger: the version that the verdict is about.
        damaged: why the evaluation before could not be read, so that the challenger's earlier
            successes do not count any more.
    """

    evaluation: Evaluation
    document: Document
    verdict: GateVerdict | None
    challenger: str | None
    damaged: str | None


def evaluate_key(
    store: Store, registry: ModelRegistry, evaluations: EvaluationBook, series: Series
) -> EvaluationReport:
    """Evaluate a key on all that is stored, judge its challenger, and write it down.

    It depends on the stored candles, forecasts, roles and the evaluations of earlier data times;
    a second one on the same data gives the same bytes.

    Raises:
        MonthsNotFetched: there are no candles at all.
        CorruptArtefact: the record of roles is damaged.
        DataRefused: stored forecasts break their contract.
    """
    newest = store.newest_candles([series]).get(series)
    if newest is None:
        raise MonthsNotFetched(
            f"{series} has no candles, so there is nothing to evaluate. Materialise "
            f"{series.symbol_name}/ohlcv_{series.timeframe} first."
        )
    as_of = series.timeframe.close_of(newest)
    start, end = window_of(series.timeframe, as_of)
    found = _scored(store, series, start, as_of)
    roles = registry.roles(series)
    challenger, reign = roles.last_change(CHALLENGER), roles.reign
    before, damaged = _before(evaluations, series)
    document = found.document()
    verdict = None
    if challenger and challenger.version and reign:
        first = contest_from(series.timeframe, as_of, challenger.since)
        contest = found if first >= start else _scored(store, series, first, as_of)
        passes = _passes(before, challenger.version, as_of)
        # It is compared with what was published, whichever month's training that came from.
        champions = {each.version for each in reign if each.version is not None}
        verdict = judge(
            contest.pairs_of(champions, {challenger.version}),
            series.timeframe,
            earlier_passes=passes,
            champion_since=min(reign[0].since, as_of),
            term=end - start,
            now=as_of,
        )
        passed = [*passes, as_of] if verdict.passed else []
        document["promotion"] = {
            **verdict.document(),
            "challenger": challenger.version,
            "champion": roles.holder(CHAMPION),
            "passes": [time_text(time) for time in passed],
        }
    evaluations.write(series, document)
    return EvaluationReport(found, document, verdict, roles.holder(CHALLENGER), damaged)


def _scored(store: Store, series: Series, start: datetime, as_of: datetime) -> Evaluation:
    """All that is stored of the origins from ``start`` on."""
    candles = store.read_candles(series, candles_from(series.timeframe, start), as_of)
    return evaluation(series, candles, store.read_forecasts(series, start, as_of), as_of, start)


def _before(evaluations: EvaluationBook, series: Series) -> tuple[Document | None, str | None]:
    """The evaluation before, or why it cannot be read."""
    try:
        return evaluations.read(series), None
    except CorruptArtefact as error:
        return None, str(error)


def _passes(before: Document | None, challenger: str, as_of: datetime) -> list[datetime]:
    """Data times before ``as_of`` at which this challenger passed in a row."""
    promotion = before and before["promotion"]
    if not promotion or promotion["challenger"] != challenger:
        return []
    times = [parse_time(text) for text in promotion["passes"]]
    return [time for time in times if time < as_of]
