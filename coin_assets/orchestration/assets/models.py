"""The assets ``model_<timeframe>``: model versions whose cutoff lies in the month."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import dagster as dg

from coin_assets.domain.layers import MODELS
from coin_assets.domain.methods import DEFAULT_METHOD
from coin_assets.domain.timeframes import months_between
from coin_assets.models.registry import ModelRegistry
from coin_assets.models.training import TrainingRequest, TrainingResult, train
from coin_assets.orchestration.assets.specs import TRAINING_POOL, SeriesAssets, failures_named
from coin_assets.orchestration.empty_months import (
    Context,
    models_of,
    months_before,
    report_unmade_months,
)
from coin_assets.orchestration.metadata import rounded
from coin_assets.orchestration.partitions import partition_of, selected_window
from coin_assets.orchestration.resources import Clock, RegistryResource, StoreResource

STATES = CREATED, KEPT, INSUFFICIENT, FAILED = ("created", "kept", "insufficient", "failed")


def trained_models(spec: SeriesAssets) -> dg.AssetsDefinition:
    """Monthly versions of each method, trained on the candles closed when the month began."""

    @dg.asset(
        **spec.common(MODELS, {"scikitlearn", "json"}),
        **spec.partitioned(),
        deps=[*spec.candles_so_far, *spec.exogenous_read],
        description=f"Models of {spec.series} whose cutoff lies in the month; never replaced.",
        freshness_policy=spec.training_freshness,
        pool=TRAINING_POOL,
    )
    def model(
        context: dg.AssetExecutionContext,
        store: StoreResource,
        registry: RegistryResource,
        clock: Clock,
    ) -> dg.MaterializeResult:
        start, end = selected_window(context)
        with failures_named():
            for month in months_between(start, end):
                extent = store.client().extent(spec.series)
                first = spec.first_usable(clock.now(), None if extent is None else extent.first)
                request = TrainingRequest(
                    spec.series,
                    month,
                    first,
                    run_id=context.run.run_id,
                    source=spec.variance_source(clock.now()),
                    method=spec.methods[0],
                    others=spec.methods[1:],
                    exogenous=store.exogenous_inputs(spec.exogenous),
                )
                result = train(store.client(), registry.client(), request, clock.now())
                for each in result.of_all_methods:
                    context.log.info(training_line(each))
                facts = training_metadata(result)
                context.add_asset_metadata(facts, partition_key=partition_of(month))
                for each in result.others:
                    if each.error is not None:
                        raise each.error
            report_months_without_model(context, spec, registry.client(), start)
        return dg.MaterializeResult()

    return model


def report_months_without_model(
    context: Context, spec: SeriesAssets, registry: ModelRegistry, time: datetime
) -> None:
    """Report the months before ``time`` for which no model was made."""
    report_unmade_months(
        context,
        spec.asset_key(MODELS),
        months_before(spec, time),
        lambda months: models_of(registry.versions(spec.series), months),
    )


def training_line(result: TrainingResult) -> str:
    """One line for the log."""
    request = result.request
    head = f"{_subject(request)} model, cutoff {request.cutoff:%Y-%m-%d %H:%M}"
    if result.version is None:
        return f"{head}: none, {result.insufficient or result.error}"
    state = "trained" if result.created else "kept"
    return f"{head}: version {result.version.name} {state}, {result.rows} candles"


def _subject(request: TrainingRequest) -> str:
    """Series, and the method where it is a further one."""
    method = "" if request.method == DEFAULT_METHOD else f" {request.method}"
    return f"{request.series}{method}"


def training_state(result: TrainingResult) -> str:
    """One of `STATES`."""
    if result.error is not None:
        return FAILED
    if result.version is None:
        return INSUFFICIENT
    return CREATED if result.created else KEPT


def training_summary(results: Sequence[TrainingResult], seconds: float) -> dict[str, Any]:
    """Counts by state and a table of the trainings, which took ``seconds`` together."""
    results = [each for result in results for each in result.of_all_methods]
    states = [training_state(result) for result in results]
    rows = [
        f"| {_subject(result.request)} | {result.version.name if result.version else ''} | {state} "
        f"| {result.rows} | {result.seconds:.2f} "
        f"| {'' if result.loss is None else f'{result.loss:.6f}'} |"
        for result, state in zip(results, states, strict=True)
    ]
    head = [
        "| series | version | state | rows | seconds | loss |",
        "|---|---|---|---|---|---|",
    ]
    return {
        "duration_seconds": rounded(seconds),
        **{state: float(states.count(state)) for state in STATES},
        "series": dg.MetadataValue.md("\n".join([*head, *rows])),
    }


def training_metadata(result: TrainingResult) -> dict[str, Any]:
    """Metadata of one training; the UI plots its floats over time.

    Those of further methods begin with the method, for example ``naive_loss``.
    """
    facts: dict[str, Any] = {
        "cutoff": dg.MetadataValue.timestamp(result.request.cutoff),
        "training_rows": float(result.rows),
        "duration_seconds": rounded(result.seconds),
        "created": result.created,
    }
    for name in ("loss", "skill"):
        if (score := getattr(result, name)) is not None:
            facts[name] = rounded(score)
    for each in result.others:
        facts |= _of_further_method(each)
    if result.version is None:
        return facts | {"insufficient_data": result.insufficient or ""}
    stored = result.version.metadata()
    facts |= {
        "model_version": result.version.name,
        "forecaster": stored["forecaster"],
        "data_start": stored["data_start"],
        "data_end": stored["data_end"],
        "data_hash": stored["data_hash"],
        "artefact_sha256": stored["artefact_sha256"],
        "artefact": dg.MetadataValue.path(str(result.version.folder)),
    }
    return facts


def _of_further_method(result: TrainingResult) -> dict[str, Any]:
    """Metadata of the training of a further method."""
    if result.error is not None:
        facts: dict[str, Any] = {"error": str(result.error)}
    elif result.version is None:
        facts = {"insufficient_data": result.insufficient or ""}
    else:
        scores = {"loss": result.loss, "skill": result.skill}
        known = {name: rounded(score) for name, score in scores.items() if score is not None}
        facts = {"model_version": result.version.name, **known}
    return {f"{result.request.method}_{name}": fact for name, fact in facts.items()}
