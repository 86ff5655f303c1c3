"""The published assets: ``published_<timeframe>``, the files that users read, and the manifest."""

from datetime import UTC, datetime

import dagster as dg
import pandas as pd

from coin_assets.assets.specs import (
    CANDLES,
    FAILURES,
    OWNERS,
    PREDICTIONS,
    PUBLISHED,
    SeriesSpec,
    asset_key,
    failure_message,
    failures_named,
)
from coin_assets.domain.candles import empty_candles
from coin_assets.domain.documents import time_text
from coin_assets.domain.forecasting import minimum_candles
from coin_assets.domain.keys import Key
from coin_assets.domain.manifest import KeyFacts
from coin_assets.publish.publisher import MANIFEST, Failure
from coin_assets.resources import Clock, PublisherResource, StoreResource
from coin_assets.steps.predict import newest_forecast
from coin_assets.store.base import Store

MANIFEST_KEY = dg.AssetKey([MANIFEST.removesuffix(".json")])


def published_files(spec: SeriesSpec, all_specs: tuple[SeriesSpec, ...]) -> dg.AssetsDefinition:
    """History and prediction file of one key; the manifest is rewritten with them."""

    @dg.asset(
        **spec.common(PUBLISHED, {"json"}),
        deps=[
            # Publishing always reads the newest state of the store, whatever month was renewed.
            dg.AssetDep(spec.asset_key(layer), partition_mapping=dg.AllPartitionMapping())
            for layer in (CANDLES, PREDICTIONS)
        ],
        description=(
            f"history_{spec.key.symbol_name}_{spec.key.timeframe}.json and "
            f"prediction_{spec.key.symbol_name}_{spec.key.timeframe}.json, from the newest stored "
            "candles and forecast."
        ),
        freshness_policy=spec.freshness,
    )
    def published(
        context: dg.AssetExecutionContext,
        store: StoreResource,
        publisher: PublisherResource,
        clock: Clock,
    ) -> dg.MaterializeResult:
        now = clock.now()
        with failures_named():
            facts, history = _stored_facts(store.client(), spec)
            forecast = newest_forecast(store.client(), spec.key)
            failures = _failed_keys(context, all_specs)
            facts, document = publisher.client().publish(facts, history, forecast, failures, now)
        context.log_event(
            dg.AssetMaterialization(
                MANIFEST_KEY,
                description=f"rewritten for {spec.key}",
                metadata=document["ops"]["summary"],  # counts by status: the UI plots them
            )
        )
        as_of = facts.as_of
        context.log.info(f"{spec.key} published as of {time_text(as_of) if as_of else 'never'}")
        metadata: dict[str, dg.MetadataValue | int | float] = {"candles": len(history)}
        for file in (facts.history, facts.prediction):
            if file is not None:
                metadata[file.name] = dg.MetadataValue.text(f"{file.size} bytes, {file.sha256}")
        if as_of is not None:
            metadata["as_of"] = dg.MetadataValue.timestamp(as_of)
            metadata["lag_seconds"] = (now - as_of).total_seconds()
        return dg.MaterializeResult(metadata=metadata)

    return published


def manifest(specs: tuple[SeriesSpec, ...]) -> dg.AssetSpec:
    """The manifest is no step: publishing any key rewrites it and reports it as an event."""
    return dg.AssetSpec(
        MANIFEST_KEY,
        deps=[spec.asset_key(PUBLISHED) for spec in specs],
        description=(
            "manifest.json: what may be served, how old it is, and how the pipeline is doing. "
            "Rewritten whenever a published asset is materialised."
        ),
        owners=OWNERS,
        kinds={"json"},
        group_name="manifest",
        tags={"layer": PUBLISHED},
    )


def _stored_facts(store: Store, spec: SeriesSpec) -> tuple[KeyFacts, pd.DataFrame]:
    """Facts of a key from the store, and the candles of its history file."""
    extent = store.extent(spec.key)
    if extent is None:
        return KeyFacts(spec.key), empty_candles()
    timeframe = spec.key.timeframe
    end = timeframe.close_of(extent.last)
    start = spec.history_start if spec.history_window is None else end - spec.history_window
    facts = KeyFacts(
        spec.key,
        enough_candles=extent.rows >= minimum_candles(timeframe),
        coverage_start=extent.first,
        coverage_end=end,
        missing_candles=timeframe.count(extent.first, end) - extent.rows,
    )
    return facts, store.read_candles(spec.key, start, end)


def _failed_keys(
    context: dg.AssetExecutionContext, specs: tuple[SeriesSpec, ...]
) -> dict[Key, Failure]:
    """Keys whose steps failed earlier in this run, so that the manifest says so at once.

    A step that waits for its next try counts too: its own publishing clears it when it succeeds.
    """
    events = context.instance.all_logs(context.run.run_id, of_type=FAILURES)
    failed: dict[str, Failure] = {}
    for entry in events:
        if entry.step_key is not None and entry.step_key not in failed:
            time = datetime.fromtimestamp(entry.timestamp, UTC)
            failed[entry.step_key] = Failure(time, failure_message(entry))
    found = {}
    for spec in specs:
        own = [spec.asset_key(layer) for layer in (CANDLES, PREDICTIONS, PUBLISHED)]
        for key in (asset_key(spec.source, CANDLES), *own):
            failure = failed.get("__".join(key.path))
            if failure is not None:
                found[spec.key] = failure
    return found
