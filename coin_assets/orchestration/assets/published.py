"""The assets ``published_<timeframe>``: history and prediction files, and the manifest."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import dagster as dg
import pandas as pd

from coin_assets.domain.candles.frame import empty_candles
from coin_assets.domain.evaluation.report import quality_of
from coin_assets.domain.json_format import Document, time_text
from coin_assets.domain.layers import CANDLES, PREDICTIONS, PUBLISHED
from coin_assets.domain.publishing.manifest_entries import GapReason, ManifestEntry
from coin_assets.domain.series import Series
from coin_assets.errors import CorruptArtefact
from coin_assets.models.evaluations import EvaluationBook
from coin_assets.models.training import why_none
from coin_assets.orchestration.assets.specs import (
    OWNERS,
    SeriesAssets,
    asset_key,
    failures_named,
)
from coin_assets.orchestration.failures import RECORD_EVENTS, records_of, unrecorded
from coin_assets.orchestration.resources import PIPELINE, pipeline_of
from coin_assets.pipeline.completeness import history_of, known_outages
from coin_assets.pipeline.context import Pipeline
from coin_assets.publish.fitness import require_fit
from coin_assets.publish.folder import MANIFEST
from coin_assets.publish.publisher import ManifestInputs, PublishFailure
from coin_assets.store.base import Store
from coin_assets.store.forecasts import newest_forecast

MANIFEST_KEY = dg.AssetKey([MANIFEST.removesuffix(".json")])


def published_files(spec: SeriesAssets, all_specs: tuple[SeriesAssets, ...]) -> dg.AssetsDefinition:
    """The history and prediction files of one series; each run rewrites the manifest too."""

    @dg.asset(
        **spec.common(PUBLISHED, {"json"}),
        # Publishing reads the newest rows of the store, whichever month was materialized.
        deps=[spec.asset_key(layer) for layer in (CANDLES, PREDICTIONS)],
        description=f"History and prediction files of {spec.series}, from the newest stored rows.",
        freshness_policy=spec.freshness,
        required_resource_keys=PIPELINE,
    )
    def published(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        with failures_named():
            pipeline = pipeline_of(context)
            failures = _failed_series(context, all_specs)
            metadata = publish_series(
                context, pipeline, spec, failures, pipeline.clock.now(), all_specs
            )
        return dg.MaterializeResult(metadata=metadata)

    return published


def publish_series(
    context: dg.OpExecutionContext | dg.AssetExecutionContext,
    pipeline: Pipeline,
    spec: SeriesAssets,
    failures: dict[Series, PublishFailure],
    now: datetime,
    all_specs: tuple[SeriesAssets, ...] = (),
) -> dict[str, dg.MetadataValue | int | float]:
    """Publish a series from the store and report the manifest; returns metadata of the files.

    Args:
        failures: series whose tasks failed earlier in this run.
        all_specs: all series; needed to rebuild a lost manifest.
    """
    store = pipeline.store
    facts, history = _stored_facts(store, spec, now)
    facts = replace(facts, quality=quality(pipeline.evaluations, spec.series))
    forecast = newest_forecast(store, spec.series)
    if not forecast.empty:  # a model exists, even if the price hardly moved since
        facts = replace(facts, enough_candles=True, insufficient=None)
    require_fit(store, spec.series, forecast)
    is_current = forecast.empty or facts.coverage_end == forecast["as_of"].iloc[0]
    facts, document = pipeline.publisher.publish(
        facts,
        history,
        forecast,
        ManifestInputs(
            now,
            completeness(store, (*all_specs, spec), now),
            failures,
            known_outages(store, pipeline.publisher.series_list),
        ),
        is_current=is_current,
    )
    context.log_event(
        manifest_materialization(document, f"rewritten for {spec.series}", len(failures))
    )
    as_of = facts.as_of
    hidden = "" if facts.is_public else ", hidden until its history is complete"
    context.log.info(
        f"{spec.series} published as of {time_text(as_of) if as_of else 'never'}{hidden}"
    )
    metadata: dict[str, dg.MetadataValue | int | float] = {"candles": len(history)}
    for file in (facts.history, facts.prediction):
        if file is not None:
            metadata[file.name] = dg.MetadataValue.text(f"{file.size} bytes, {file.sha256}")
    if as_of is not None:
        metadata["as_of"] = dg.MetadataValue.timestamp(as_of)
        metadata["boundary_to_published_seconds"] = (now - as_of).total_seconds()
    return metadata


def quality(evaluations: EvaluationBook, series: Series) -> Document | None:
    """Scores of past forecasts, for the manifest; None if the evaluation is missing or corrupt."""
    try:
        document = evaluations.read(series)
    except CorruptArtefact:
        return None  # the evaluation is due again
    return None if document is None else quality_of(document)


def manifest(specs: tuple[SeriesAssets, ...]) -> dg.AssetSpec:
    """The asset of the manifest; each published asset rewrites it and reports the event."""
    return dg.AssetSpec(
        MANIFEST_KEY,
        deps=[spec.asset_key(PUBLISHED) for spec in specs],
        description=(
            "manifest.json: which files may be served, their age, and the state of the pipeline. "
            "Every materialization of a published asset rewrites it."
        ),
        owners=OWNERS,
        kinds={"json"},
        group_name="manifest",
        tags={"layer": PUBLISHED},
    )


def manifest_materialization(
    document: Document, description: str, failures: int = 0
) -> dg.AssetMaterialization:
    """The materialization of a rewritten manifest; the UI plots its counts by status.

    Args:
        failures: number of series that failed in the run that rewrote it.
    """
    metadata = {**document["ops"]["summary"], "failures": failures}
    return dg.AssetMaterialization(MANIFEST_KEY, description=description, metadata=metadata)


def completeness(
    store: Store, specs: tuple[SeriesAssets, ...], now: datetime
) -> Callable[[Series], bool]:
    """Function that returns whether the source history of a series is complete.

    A series without a spec counts as complete.
    """
    by_series = {spec.series: spec for spec in specs}

    def is_complete(series: Series) -> bool:
        spec = by_series.get(series)
        if spec is None:
            return True
        extent = store.extent(spec.source)
        return history_of(store, spec.source, extent, spec.first_source_expected(now)).is_complete

    return is_complete


def _stored_facts(
    store: Store, spec: SeriesAssets, now: datetime
) -> tuple[ManifestEntry, pd.DataFrame]:
    """Manifest entry of a series from the store, and the candles of its history file."""
    extent = store.extent(spec.series)
    gaps, edge = None, None
    reasons: tuple[GapReason, ...] = ()
    if spec.is_fetched:
        known = history_of(store, spec.series, extent, spec.first_expected(now))
        gaps, edge = known.counts(until=known.reached), known.unavailable_before
        reasons = known.reasons(until=known.reached)
    if extent is None:
        nothing = ManifestEntry(
            spec.series, gaps=gaps, gap_reasons=reasons, unavailable_before=edge
        )
        return nothing, empty_candles()
    timeframe = spec.series.timeframe
    end = timeframe.close_of(extent.last)
    reason = why_none(store, spec.series, spec.first_usable(now, extent.first), end)
    facts = ManifestEntry(
        spec.series,
        enough_candles=reason is None,
        insufficient=reason,
        coverage_start=extent.first,
        coverage_end=end,
        missing_candles=timeframe.count(extent.first, end) - extent.rows,
        gaps=gaps,
        gap_reasons=reasons,
        unavailable_before=edge,
    )
    return facts, history_candles(store, spec, end)


def history_candles(store: Store, spec: SeriesAssets, end: datetime) -> pd.DataFrame:
    """Candles of the history file, of which the newest closes at ``end``."""
    start = spec.history_start if spec.history_window is None else end - spec.history_window
    return store.read_candles(spec.series, start, end)


def _failed_series(
    context: dg.AssetExecutionContext, specs: tuple[SeriesAssets, ...]
) -> dict[Series, PublishFailure]:
    """Series with a step that failed earlier in this run, with the failure.

    A step that waits for its next try counts too: its own publishing clears it when it succeeds.
    """
    events = context.instance.all_logs(context.run.run_id, of_type=RECORD_EVENTS)
    failed = {step: records[0] for step, records in records_of(events).items()}
    for entry in events:
        if entry.get_dagster_event().is_step_failure and entry.step_key is not None:
            failed.setdefault(entry.step_key, unrecorded(entry))
    found = {}
    chosen = context.run.asset_selection
    for spec in specs:
        if chosen and spec.asset_key(PUBLISHED) not in chosen:
            continue  # this run was not about to renew it
        own = [spec.asset_key(layer) for layer in (CANDLES, PREDICTIONS, PUBLISHED)]
        for asset in (asset_key(spec.source, CANDLES), *own):
            record = failed.get("__".join(asset.path))
            if record is not None:
                found[spec.series] = PublishFailure(record.time, record.message)
    return found
