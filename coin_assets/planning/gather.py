"""Planning facts from `SeriesStatus`, file names, footers and ledgers.

Candles are read only for series that lag behind.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from coin_assets.domain.evaluation.retraining import due_cutoff
from coin_assets.domain.series import Series
from coin_assets.domain.series_policy import SeriesPolicy
from coin_assets.domain.timeframes import Timeframe, month_start, months_between, next_month
from coin_assets.errors import CorruptArtefact, MachineFault
from coin_assets.files.faults import faults_of_one_file
from coin_assets.market.base import Market
from coin_assets.models.training import why_none
from coin_assets.planning.facts import PlanningFacts
from coin_assets.planning.series_status import SeriesStatus
from coin_assets.publish.fitness import unfitness
from coin_assets.store.base import Store
from coin_assets.store.coverage import never_asked, unanswered
from coin_assets.store.forecasts import forecast_at


@dataclass(frozen=True)
class _Gatherer:
    store: Store
    market: Market
    closed_by: datetime
    now: datetime
    statuses: Mapping[Series, SeriesStatus]


def planning_facts(
    specs: Sequence[SeriesPolicy],
    store: Store,
    market: Market,
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
    gather = _Gatherer(store, market, closed_by, now, statuses)
    found: dict[Series, PlanningFacts] = {}
    faults: list[MachineFault] = []
    for spec in sorted(specs, key=lambda spec: not spec.is_fetched):  # sources first
        with faults_of_one_file(faults), suppress(CorruptArtefact):
            if spec.is_fetched:
                found[spec.series] = _source_facts(gather, spec)
            elif spec.source in found:
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
    candles = gather.statuses[spec.series].candles
    first = max(spec.first_source_expected(gather.now), spec.first_expected(gather.now))
    lacking = None
    if source.verified is not None and source.candles is not None:
        timeframe = spec.series.timeframe
        # Candles before the first expected one do not count.
        start = timeframe.ceil(first)
        start = max(start, candles or start)
        until = timeframe.floor(source.verified)
        if start < until:
            lacking = _buckets(gather.store, source.series, timeframe, start, until)
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


def _months_of(ranges: Iterable[tuple[datetime, datetime]]) -> set[datetime]:
    return {month for each in ranges for month in months_between(*each)}


def _shared_facts(
    gather: _Gatherer, spec: SeriesPolicy, first: datetime, due: datetime
) -> PlanningFacts:
    """Facts that are computed alike for fetched and derived series."""
    store, series, status = gather.store, spec.series, gather.statuses[spec.series]
    candles, forecast = status.candles, status.forecast
    fetched = frozenset(store.fetched_months(series))
    next_origin = None
    if candles is not None and forecast is not None and forecast < candles:
        opened = _first_open(store, series, series.timeframe.floor(forecast), candles)
        next_origin = opened and series.timeframe.close_of(opened)
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
    """Whether the newest forecast must not be published, and the manifest shows a failure."""
    if status.published.attempts.consecutive_failures == 0 or status.forecast is None:
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
    candles, cutoffs, month = status.candles, status.cutoffs, month_start(due)
    if candles is None or (status.model_damage and status.model_damage.fault):
        return False, False
    # The last training of the schedule was killed or missed, or this is a new home.
    needed = min(due_cutoff(series.timeframe, gather.now), candles)
    lacks_model = not any(needed <= cutoff <= candles for cutoff in cutoffs)
    if month in cutoffs and not lacks_model:
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
    monthly = (
        month not in cutoffs and has_reached and why_none(store, series, usable, before) is None
    )
    return can_train, monthly


def _buckets(
    store: Store, source: Series, timeframe: Timeframe, start: datetime, until: datetime
) -> tuple[datetime, datetime] | None:
    """Opens of the first and the last bucket in ``[start, until)`` that has source candles."""
    first = _first_open(store, source, start, until)
    if first is None:
        return None
    for month in reversed(months_between(first, until)):
        opens = store.read_candles(source, max(first, month), min(until, next_month(month)))
        if len(opens):
            last = opens["timestamp"].iloc[-1].to_pydatetime()
            return timeframe.floor(first), timeframe.floor(last)
    return timeframe.floor(first), timeframe.floor(first)


def _first_open(store: Store, series: Series, start: datetime, until: datetime) -> datetime | None:
    """Open of the first stored candle in ``[start, until)``."""
    known = set(store.fetched_months(series))
    for month in months_between(start, until):
        if month in known:
            candles = store.read_candles(series, max(start, month), min(until, next_month(month)))
            if len(candles):
                opened: datetime = candles["timestamp"].iloc[0].to_pydatetime()
                return opened
    return None
