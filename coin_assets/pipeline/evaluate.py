"""Scoring what was forecast once it has matured, and judging the challenger, without Dagster."""

from dataclasses import dataclass
from datetime import datetime

from coin_assets.domain.evaluation.promotion import Verdict, judge
from coin_assets.domain.evaluation.report import Evaluation, evaluation
from coin_assets.domain.evaluation.windows import candles_from, contest_from, window_of
from coin_assets.domain.forecasting.frame import CHALLENGER, CHAMPION
from coin_assets.domain.json_format import Document, parse_time, time_text
from coin_assets.domain.series import Key
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
    verdict: Verdict | None
    challenger: str | None
    damaged: str | None


def evaluate_key(
    store: Store, registry: ModelRegistry, evaluations: EvaluationBook, key: Key
) -> EvaluationReport:
    """Evaluate a key on all that is stored, judge its challenger, and write it down.

    It depends on the stored candles, forecasts, roles and the evaluations of earlier data times;
    a second one on the same data gives the same bytes.

    Raises:
        MonthsNotFetched: there are no candles at all.
        CorruptArtefact: the record of roles is damaged.
        DataRefused: stored forecasts break their contract.
    """
    newest = store.newest_candles([key]).get(key)
    if newest is None:
        raise MonthsNotFetched(
            f"{key} has no candles, so there is nothing to evaluate. Materialise "
            f"{key.symbol_name}/ohlcv_{key.timeframe} first."
        )
    as_of = key.timeframe.close_of(newest)
    start, end = window_of(key.timeframe, as_of)
    found = _scored(store, key, start, as_of)
    roles = registry.roles(key)
    challenger, reign = roles.last_change(CHALLENGER), roles.reign
    before, damaged = _before(evaluations, key)
    document = found.document()
    verdict = None
    if challenger and challenger.version and reign:
        first = contest_from(key.timeframe, as_of, challenger.since)
        contest = found if first >= start else _scored(store, key, first, as_of)
        passes = _passes(before, challenger.version, as_of)
        # It is compared with what was published, whichever month's training that came from.
        champions = {each.version for each in reign if each.version is not None}
        verdict = judge(
            contest.pairs_of(champions, {challenger.version}),
            key.timeframe,
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
    evaluations.write(key, document)
    return EvaluationReport(found, document, verdict, roles.holder(CHALLENGER), damaged)


def _scored(store: Store, key: Key, start: datetime, as_of: datetime) -> Evaluation:
    """All that is stored of the origins from ``start`` on."""
    candles = store.read_candles(key, candles_from(key.timeframe, start), as_of)
    return evaluation(key, candles, store.read_forecasts(key, start, as_of), as_of, start)


def _before(evaluations: EvaluationBook, key: Key) -> tuple[Document | None, str | None]:
    """The evaluation before, or why it cannot be read."""
    try:
        return evaluations.read(key), None
    except CorruptArtefact as error:
        return None, str(error)


def _passes(before: Document | None, challenger: str, as_of: datetime) -> list[datetime]:
    """Data times before ``as_of`` at which this challenger passed in a row."""
    promotion = before and before["promotion"]
    if not promotion or promotion["challenger"] != challenger:
        return []
    times = [parse_time(text) for text in promotion["passes"]]
    return [time for time in times if time < as_of]
