"""Checks on the clock: how old the data of a series is, and whether its parts agree.

An update cannot record them: when nothing is updated any more, they matter most. So a sensor
records them at its ticks, without runs; by hand they run in the UI.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import dagster as dg

from coin_assets.domain.forecasting.trainable import minimum_candles
from coin_assets.domain.layers import CANDLES, MODELS, PREDICTIONS, PUBLISHED
from coin_assets.domain.publishing.manifest import (
    CORRUPT,
    FRESH,
    INSUFFICIENT_DATA,
    MISSING,
    STALE,
    status_of,
)
from coin_assets.domain.series import Series
from coin_assets.errors import CorruptArtefact
from coin_assets.models.registry import ModelRegistry
from coin_assets.orchestration.assets.specs import SeriesAssets, failures_named
from coin_assets.orchestration.checks.verdicts import CheckVerdict, age_verdict
from coin_assets.orchestration.resources import (
    Clock,
    PublisherResource,
    RegistryResource,
    StoreResource,
)
from coin_assets.planning.series_status import SeriesStatus
from coin_assets.publish.publisher import Publisher
from coin_assets.store.base import Store

DATA_TIME, AGREES_WITH_STORE, AGE, TRAINING_RANGE = (
    "data_time",
    "agrees_with_store",
    "age",
    "training_range",
)
Gather = Callable[
    [Store, ModelRegistry, Publisher, Sequence[Series]], Mapping[Series, SeriesStatus]
]
# Layer and check -> what a passed one means.
_CHECKS = {
    (CANDLES, DATA_TIME): "The newest candle is within COIN_FRESHNESS.",
    (PREDICTIONS, DATA_TIME): "The newest forecast's data is within COIN_FRESHNESS.",
    (PUBLISHED, DATA_TIME): "The files' data is within COIN_FRESHNESS.",
    (PUBLISHED, AGREES_WITH_STORE): "The files are undamaged and reach as far as the store.",
    (MODELS, AGE): "The newest model was trained up to a recent time.",
    (MODELS, TRAINING_RANGE): "The newest model had candles enough, and none after its cutoff.",
}


def clock_check_specs(spec: SeriesAssets) -> list[dg.AssetCheckSpec]:
    """The checks that `clock_evaluations` gives results of."""
    return [
        dg.AssetCheckSpec(name, asset=spec.asset_key(layer), description=text)
        for (layer, name), text in _CHECKS.items()
    ]


def clock_evaluations(
    spec: SeriesAssets, current: SeriesStatus, now: datetime
) -> list[dg.AssetCheckEvaluation]:
    """Results of one series at ``now``, one for each of `clock_check_specs`.

    Raises:
        MachineFault: the machine cannot read a file of the series, so they are unknown.
    """
    for fault in current.faults:
        raise fault.with_traceback(None)
    verdicts = {
        (CANDLES, DATA_TIME): _candles_time(spec, current, now),
        (PREDICTIONS, DATA_TIME): _forecast_time(spec, current, now),
        (PUBLISHED, DATA_TIME): _published_time(spec, current, now),
        (PUBLISHED, AGREES_WITH_STORE): _agreement(spec, current),
        (MODELS, AGE): _model_age(spec, current, now),
        (MODELS, TRAINING_RANGE): _training_range(spec, current),
    }
    return [
        verdict.evaluation(
            spec.asset_key(layer),
            name,
            spec.training_limits if layer == MODELS else spec.limits,
            now,
        )
        for (layer, name), verdict in verdicts.items()
    ]


def clock_checks(spec: SeriesAssets, gather: Gather) -> dg.AssetChecksDefinition:
    """Checks of one series, for operators to run by hand; updates must not select them.

    Args:
        gather: returns the `SeriesStatus` of each series.
    """

    @dg.multi_asset_check(
        name=f"{spec.series.symbol_name}__clock_{spec.series.timeframe}",
        specs=clock_check_specs(spec),
        can_subset=True,
        description=f"Age and agreement of all data of {spec.series}.",
    )
    def check(
        context: dg.AssetCheckExecutionContext,
        store: StoreResource,
        registry: RegistryResource,
        publisher: PublisherResource,
        clock: Clock,
    ) -> Iterator[dg.AssetCheckResult]:
        with failures_named():
            clients = store.client(), registry.client(), publisher.client()
            found = clock_evaluations(
                spec, gather(*clients, [spec.series])[spec.series], clock.now()
            )
        for each in found:
            if each.asset_check_key in context.selected_asset_check_keys:
                yield dg.AssetCheckResult(
                    passed=each.passed,
                    asset_key=each.asset_key,
                    check_name=each.check_name,
                    severity=each.severity,
                    description=each.description,
                    metadata=each.metadata,
                )

    return check


def _candles_time(spec: SeriesAssets, current: SeriesStatus, now: datetime) -> CheckVerdict:
    if current.damage is not None:
        return CheckVerdict(CORRUPT, current.damage.message)
    if current.candles is None:
        return CheckVerdict(MISSING, "no candle is stored")
    return age_verdict("data ends", current.candles, spec.limits, now)


def _forecast_time(spec: SeriesAssets, current: SeriesStatus, now: datetime) -> CheckVerdict:
    if current.damage is not None:
        return CheckVerdict(CORRUPT, current.damage.message)
    if current.forecast is None:
        return _without_forecast(spec, current, "no forecast is stored")
    return age_verdict("data of the forecast ends", current.forecast, spec.limits, now)


def _published_time(spec: SeriesAssets, current: SeriesStatus, now: datetime) -> CheckVerdict:
    facts = current.published
    status, as_of = status_of(facts, spec.limits, now), facts.as_of
    if facts.corrupt is not None:
        return CheckVerdict(CORRUPT, f"a published file is damaged: {facts.corrupt}")
    if status in (INSUFFICIENT_DATA, MISSING) or as_of is None:
        return _without_forecast(spec, current, "not every file has been published yet")
    newest = facts.newest_as_of if status == CORRUPT else as_of  # in the future
    return age_verdict("published data ends", newest or as_of, spec.limits, now)


def _without_forecast(spec: SeriesAssets, current: SeriesStatus, otherwise: str) -> CheckVerdict:
    if current.published.enough_candles:
        return CheckVerdict(MISSING, otherwise)
    needed = minimum_candles(spec.series.timeframe)
    known = current.published.insufficient
    otherwise = f"there are too few candles for a forecast, which needs {needed}"
    return CheckVerdict(INSUFFICIENT_DATA, known or otherwise)


def _agreement(spec: SeriesAssets, current: SeriesStatus) -> CheckVerdict:
    """Files against the store: damaged or ahead of it is an error, far behind it a warning."""
    facts = current.published
    if facts.corrupt is not None:
        return CheckVerdict(CORRUPT, f"a published file is damaged: {facts.corrupt}")
    if current.damage is not None:
        return CheckVerdict(CORRUPT, f"the store cannot be read: {current.damage}")
    status, problems, metadata = FRESH, list[str](), dict[str, Any]()
    for kind, published, stored in current.data_times:
        for name, time in ((f"{kind}_published", published), (f"{kind}_stored", stored)):
            if time is not None:
                metadata[name] = dg.MetadataValue.timestamp(time)
        times = f"the {kind} file ends {_time(published)}, the store {_time(stored)}"
        if published is not None and (stored is None or published > stored):
            status = CORRUPT
            problems.append(f"{times}: the file is ahead of the store")
        elif stored is not None and (published is None or stored - published > spec.limits.soft):
            status = STALE if status == FRESH else status
            problems.append(f"{times}: publishing is behind")
    return CheckVerdict(
        status, "; ".join(problems) or "the files reach as far as the store", metadata
    )


def _time(time: datetime | None) -> str:
    return "nowhere" if time is None else f"{time:%Y-%m-%d %H:%M}"


def _model_age(spec: SeriesAssets, current: SeriesStatus, now: datetime) -> CheckVerdict:
    if current.model_damage is not None:
        return CheckVerdict(CORRUPT, current.model_damage.message)
    newest = current.newest_version
    if newest is None:
        return _without_forecast(spec, current, "no model has been trained")
    what = f"version {newest.name} has data up to"
    verdict = age_verdict(what, newest.cutoff, spec.training_limits, now)
    return CheckVerdict(
        verdict.status, verdict.text, {"model_version": newest.name, **verdict.metadata}
    )


def _training_range(spec: SeriesAssets, current: SeriesStatus) -> CheckVerdict:
    newest = current.newest_version
    if newest is None:
        return _without_forecast(spec, current, "no model has been trained")
    try:
        facts = newest.metadata()
        start, end = (_utc(facts[name]) for name in ("data_start", "data_end"))
        rows = int(facts["rows"])
    except CorruptArtefact as error:
        return CheckVerdict(CORRUPT, str(error))
    except (KeyError, TypeError, ValueError) as error:
        return CheckVerdict(
            CORRUPT,
            f"metadata of version {newest.name} lacks a valid training range "
            f"({type(error).__name__}: {error})",
        )
    due = spec.series.timeframe.floor(newest.cutoff)
    needed = minimum_candles(spec.series.timeframe)
    text = f"version {newest.name}: {rows} candles, {_time(start)} to {_time(end)}"
    metadata = {
        "model_version": newest.name,
        "rows": rows,
        "data_start": dg.MetadataValue.timestamp(start),
        "data_end": dg.MetadataValue.timestamp(end),
        "cutoff": dg.MetadataValue.timestamp(newest.cutoff),
    }
    wrong = [
        what
        for what, broken in (
            (f"it saw data after its cutoff {_time(newest.cutoff)}", end > due),
            ("its data end before they start", end < start),
            (f"fewer than the {needed} that a model needs", rows < needed),
        )
        if broken
    ]
    if wrong:
        return CheckVerdict(CORRUPT, f"{text}; {'; '.join(wrong)}", metadata)
    if end < due:  # candles that the market does not have: true, but worth a warning
        return CheckVerdict(
            STALE, f"{text}, although its cutoff is {_time(newest.cutoff)}", metadata
        )
    return CheckVerdict(FRESH, text, metadata)


def _utc(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return time
