"""The assets ``published_<timeframe>``: history and prediction files, and the manifest."""

from datetime import datetime
from pathlib import Path

import dagster as dg

from coin_assets.domain.json_format import time_text
from coin_assets.domain.layers import CANDLES, PREDICTIONS, PUBLISHED
from coin_assets.domain.publishing.documents import page_of
from coin_assets.domain.publishing.root import MANIFEST
from coin_assets.domain.series import Series
from coin_assets.orchestration.assets.specs import SeriesAssets, asset_key, failures_named
from coin_assets.orchestration.failures import RECORD_EVENTS, records_of, unrecorded
from coin_assets.orchestration.manifest import manifest_materialization
from coin_assets.orchestration.metadata import rounded
from coin_assets.orchestration.resources import PIPELINE, pipeline_of
from coin_assets.pipeline.publish import manifest_inputs, prepare_publication
from coin_assets.publish.publication import Publication, PublishFailure


def published_files(spec: SeriesAssets, all_specs: tuple[SeriesAssets, ...]) -> dg.AssetsDefinition:
    """The history and prediction files of one series; the run rewrites the manifest too."""

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
            pipeline, batch = pipeline_of(context), context.resources.publisher.batch()
            now = pipeline.clock.now()
            publication = prepare_publication(pipeline, spec, now)
            rewritten = batch.add(
                publication,
                lambda: manifest_inputs(pipeline, all_specs, _failed_series(context, all_specs)),
                {each.series for each in all_specs if _is_published_by(context.run, each)},
            )
        if rewritten is not None:
            context.log_event(manifest_materialization(rewritten, "rewritten by a run"))
        as_of = publication.entry.as_of
        context.log.info(f"{spec.series} published as of {time_text(as_of) if as_of else 'never'}")
        folder, site = pipeline.publisher.folder, context.resources.publisher.site_url
        return dg.MaterializeResult(metadata=publication_metadata(publication, folder, site, now))

    return published


def publication_metadata(
    publication: Publication, folder: Path, site: str | None, now: datetime
) -> dict[str, dg.MetadataValue | int | float]:
    """Metadata of the published files of a series.

    Args:
        folder: the published folder.
        site: address of the page, if it has one.
    """
    entry, metadata = publication.entry, dict[str, dg.MetadataValue | int | float]()
    metadata["candles"] = publication.candles
    for kind, file in (("history", entry.history), ("prediction", entry.prediction)):
        if file is not None:
            metadata[kind] = dg.MetadataValue.path(folder / file.name)
            metadata[file.name] = dg.MetadataValue.text(f"{file.size} bytes, {file.sha256}")
    metadata["manifest"] = dg.MetadataValue.path(folder / MANIFEST)
    if site:
        metadata["page"] = dg.MetadataValue.url(page_of(site, entry.series))
    if entry.as_of is not None:
        metadata["as_of"] = dg.MetadataValue.timestamp(entry.as_of)
        seconds = (now - entry.as_of).total_seconds()
        metadata["boundary_to_published_seconds"] = rounded(seconds)
    return metadata


def _is_published_by(run: dg.DagsterRun, spec: SeriesAssets) -> bool:
    return not run.asset_selection or spec.asset_key(PUBLISHED) in run.asset_selection


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
    for spec in specs:
        if not _is_published_by(context.run, spec):
            continue
        own = [spec.asset_key(layer) for layer in (CANDLES, PREDICTIONS, PUBLISHED)]
        for asset in (asset_key(spec.source, CANDLES), *own):
            record = failed.get("__".join(asset.path))
            if record is not None:
                found[spec.series] = PublishFailure(record.time, record.message)
    return found
