"""Planning facts from `SeriesStatus`, file names, footers and ledgers.

Candles are read only for series that lag behind.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from coin_assets.domain.evaluation.retraining import due_cutoff
from coin_assets.domain.series import Series
from coin_assets.domain.series_policy import SeriesPolicy
from coin_assets.domain.timeframes import month_start, months_between
from coin_assets.errors import CorruptArtefact, MachineFault
from coin_assets.files.faults import faults_of_one_file
from coin_assets.market.base import Market
from coin_assets.models.exogenous import ExogenousInputs, why_not_trained
from coin_assets.models.trainability import why_none
from coin_assets.planning.facts import PlanningFacts
from coin_assets.planning.series_status import SeriesStatus
from coin_assets.publish.fitness import unfitness
from coin_assets.store.base import CandleRange, Store
from coin_assets.store.coverage import never_asked, unanswered
from coin_assets.store.exogenous import ExogenousTables
from coin_assets.store.forecasts import forecast_at

_Span = tuple[datetime, datetime]


class FactSources(NamedTuple):
    """What planning facts are read from.

    Attributes:
        exogenous: values of the exogenous series; None if no model is planned with these facts.
    """

    store: Store
    market: Market
    exogenous: ExogenousTables | None = None


@dataclass(frozen=True)
class _Gatherer:
    """What facts are made of.

    Attributes:
        known: spans that were asked for of many series at once; None where there is no candle.
    """

    store: Store
    market: Market
    exogenous: ExogenousTables | None
    closed_by: datetime
    now: datetime
    statuses: Mapping[Series, SeriesStatus]
    known: dict[CandleRange, _Span | None] = field(default_factory=dict)

    def ask(self, ranges: Iterable[CandleRange | None]) -> None:
        """Ask for the spans of many series at once.

        If a file of one of them is damaged, each is asked for by itself later.
        """
        wanted = [each for each in ranges if each is not None]
        with suppress(CorruptArtefact, MachineFault):
            found = self.store.spans(wanted) if wanted else {}
            self.known.update({each: found.get(each) for each in wanted})

    def span(self, wanted: CandleRange) -> _Span | None:
        """First and last open of a range; None without candles."""
        if wanted not in self.known:
            self.known[wanted] = self.store.spans([wanted]).get(wanted)
        return self.known[wanted]


def planning_facts(
    specs: Sequence[SeriesPolicy],
    sources: FactSources,
    statuses: Mapping[Series, SeriesStatus],
    now: datetime,
    closed_by: datetime,
) -> tuple[list[PlanningFacts], list[MachineFault]]:
    """Planning facts of each series at ``now``, and faults of the machine at files of one series.

    A series is left out if reading a file of it, or of its source, finds damage or fails; the store
    reports that damage from then on.

    Args:
        statuses: of all series of ``specs``, just read.
        closed_by: candles that close up to here are final.

    Raises:
        MachineFault: the machine fails whatever the file, for example for lack of memory.
    """
    gather = _Gatherer(*sources, closed_by, now, statuses)
    found: dict[Series, PlanningFacts] = {}
    faults: list[MachineFault] = []
    gather.ask(_without_forecast(statuses[spec.series]) for spec in specs)
    for spec in (each for each in specs if each.is_fetched):
        with faults_of_one_file(faults), suppress(CorruptArtefact):
            found[spec.series] = _source_facts(gather, spec)
    derived = [each for each in specs if not each.is_fetched and each.source in found]
    gather.ask(_without_derived(gather, spec, found[spec.source]) for spec in derived)
    for spec in derived:
        with faults_of_one_file(faults), suppress(CorruptArtefact):
            found[spec.series] = _derived_facts(gather, spec, found[spec.source])
    return [found[spec.series] for spec in specs if spec.series in found], faults


def sound_specs(
    specs: Sequence[SeriesPolicy], statuses: Mapping[Series, SeriesStatus]
) -> list[SeriesPolicy]:
    """The series whose stored files, and their source's, can be read."""
    return [
        spec
        for spec in specs
        if statuses[spec.series].damage is None and statuses[spec.source].damage is None
    ]


def _source_facts(gather: _Gatherer, spec: SeriesPolicy) -> PlanningFacts:
    store, series, candles = gather.store, spec.series, gather.statuses[spec.series].candles
    first = spec.first_expected(gather.now)
    due = min(gather.closed_by, gather.market.horizon(series, gather.closed_by))
    ledger = store.read_ledger(series)
    shared = _shared_facts(gather, spec, first, due)
    months = _months_of(ledger.due(first, due, gather.now))
    if candles is not None:  # months that were never fetched are history
        months |= _months_of(never_asked(store, series, first, candles)) & shared.fetched
    return replace(
        shared,
        verified=candles and ledger.absent_until(candles),
        asked=candles and ledger.explained_until(candles),
        gap_months=tuple(sorted(months)),
    )


def _derived_facts(gather: _Gatherer, spec: SeriesPolicy, source: PlanningFacts) -> PlanningFacts:
    candles, timeframe = gather.statuses[spec.series].candles, spec.series.timeframe
    first, wanted = _first_of(gather, spec), _without_derived(gather, spec, source)
    span = None if wanted is None else gather.span(wanted)
    # Buckets that have source candles.
    lacking = None if span is None else (timeframe.floor(span[0]), timeframe.floor(span[1]))
    # Buckets without source candles do not exist.
    reached = candles
    if candles is not None and lacking is None and source.verified is not None:
        reached = max(candles, spec.series.timeframe.floor(source.verified))
    return replace(
        _shared_facts(gather, spec, first, source.due),
        verified=reached,
        asked=reached,
        lacking=lacking,
    )


def _first_of(gather: _Gatherer, spec: SeriesPolicy) -> datetime:
    """Time from which on candles of a derived series are expected."""
    return max(spec.first_source_expected(gather.now), spec.first_expected(gather.now))


def _without_derived(
    gather: _Gatherer, spec: SeriesPolicy, source: PlanningFacts
) -> CandleRange | None:
    """Source candles of which no candle of the series is derived yet; None if there are none."""
    if source.verified is None or source.candles is None:
        return None
    timeframe, candles = spec.series.timeframe, gather.statuses[spec.series].candles
    # Candles before the first expected one do not count.
    start = timeframe.ceil(_first_of(gather, spec))
    start = max(start, candles or start)
    until = timeframe.floor(source.verified)
    return CandleRange(source.series, start, until) if start < until else None


def _without_forecast(status: SeriesStatus) -> CandleRange | None:
    """Stored candles after the newest forecast; None if there are none."""
    candles, forecast = status.candles, status.forecast
    if candles is None or forecast is None or forecast >= candles:
        return None
    return CandleRange(status.series, status.series.timeframe.floor(forecast), candles)


def _months_of(ranges: Iterable[tuple[datetime, datetime]]) -> set[datetime]:
    return {month for each in ranges for month in months_between(*each)}


def _shared_facts(
    gather: _Gatherer, spec: SeriesPolicy, first: datetime, due: datetime
) -> PlanningFacts:
    """Facts that are computed alike for fetched and derived series."""
    store, series, status = gather.store, spec.series, gather.statuses[spec.series]
    candles, forecast = status.candles, status.forecast
    fetched = frozenset(store.fetched_months(series))
    wanted = _without_forecast(status)
    span = None if wanted is None else gather.span(wanted)
    next_origin = None if span is None else series.timeframe.close_of(span[0])
    is_trainable, monthly_version_missing = _models_wanted(gather, spec, fetched, first, due)
    return PlanningFacts(
        series=series,
        source=spec.source,
        first=first,
        due=due,
        candles=candles,
        fetched=fetched,
        forecast=forecast,
        next_origin=next_origin,
        first_cutoff=min(status.cutoffs, default=None),
        trainable=is_trainable,
        monthly_version_missing=monthly_version_missing,
        history=status.published.history_as_of,
        prediction=status.published.prediction_as_of,
        damage=status.file_damage,
        is_refused=_is_refused(store, status),
    )


def _is_refused(store: Store, status: SeriesStatus) -> bool:
    """Whether the newest forecast must not be published, and the manifest shows a failure.

    Of a series whose forecast is published this is not asked: an outage fails all of them.
    """
    if status.published.attempts.consecutive_failures == 0 or status.forecast is None:
        return False
    if status.file_damage is None and all(
        published == stored for _, published, stored in status.data_times
    ):
        return False
    forecast = forecast_at(store, status.series, status.forecast)
    return bool(unfitness(store, status.series, forecast))


def _models_wanted(
    gather: _Gatherer,
    spec: SeriesPolicy,
    fetched: frozenset[datetime],
    first: datetime,
    due: datetime,
) -> tuple[bool, bool]:
    """Whether a model can be trained now, and whether the monthly version is due and missing."""
    store, series, status = gather.store, spec.series, gather.statuses[spec.series]
    candles, month = status.candles, month_start(due)
    if candles is None or (status.model_damage and status.model_damage.fault):
        return False, False
    # The last training of the schedule was killed or missed, or this is a new home.
    needed = min(due_cutoff(series.timeframe, gather.now), candles)
    lacks_model = any(
        not any(needed <= each <= candles for each in status.cutoffs_of(method))
        for method in _methods_at(gather, spec, candles)
    )
    lacks_month = any(
        month not in status.cutoffs_of(method) for method in _methods_at(gather, spec, month)
    )
    if not lacks_month and not lacks_model:
        return False, False
    if not fetched.issuperset(months_between(first, candles)) or unanswered(
        store, series, first, candles
    ):
        return False, False
    extent = store.extent(series)
    usable = spec.first_usable(gather.now, None if extent is None else extent.first)
    can_train = lacks_model and why_none(store, series, usable, candles) is None
    before = series.timeframe.floor(month)
    has_reached = candles >= before
    monthly = lacks_month and has_reached and why_none(store, series, usable, before) is None
    return can_train, monthly


def _methods_at(gather: _Gatherer, spec: SeriesPolicy, cutoff: datetime) -> list[str]:
    """Methods of which a version with this cutoff can exist, as far as exogenous series decide."""
    tables = gather.exogenous
    inputs = None if tables is None else ExogenousInputs(tables, spec.exogenous)
    found = []
    for method in spec.methods:
        # Their files stop no other method; fetch_exogenous fails at them, and is reported.
        with suppress(CorruptArtefact, MachineFault):
            if why_not_trained(inputs, spec.series, method, cutoff) is None:
                found.append(method)
    return found
