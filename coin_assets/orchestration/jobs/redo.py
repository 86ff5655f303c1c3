"""The job ``redo_touched``: what revised or late candles touch is made again, and nothing else."""

from typing import Any, NamedTuple

import dagster as dg
import pandas as pd
from pydantic import Field

from coin_assets.domain.layers import CANDLES, PREDICTIONS, PUBLISHED
from coin_assets.errors import CoinAssetsError
from coin_assets.models.evaluations import EvaluationBook
from coin_assets.models.registry import ModelRegistry
from coin_assets.orchestration.assets.published import publish_key
from coin_assets.orchestration.assets.specs import SeriesAssets, failures_named
from coin_assets.orchestration.jobs.one_op import one_op_job, require_all_done
from coin_assets.orchestration.jobs.selection import chosen_specs
from coin_assets.orchestration.partitions import partition_of
from coin_assets.orchestration.resources import (
    Clock,
    PublisherResource,
    RegistryResource,
    StoreResource,
)
from coin_assets.pipeline.recompute import (
    Pending,
    mark_redone,
    pending_revisions,
    redo_candles,
    touched_candles,
)
from coin_assets.pipeline.recompute_forecasts import recompute_forecasts, touched_forecasts
from coin_assets.publish.publisher import Publisher
from coin_assets.store.base import Store


class RedoConfig(dg.Config):
    """What ``redo_touched`` looks at; everything is optional."""

    symbols: list[str] = Field(default=[], description="Symbols to redo; empty is all.")
    dry_run: bool = Field(default=False, description="Only log what would be redone.")


class _Tools(NamedTuple):
    """What the op was given."""

    context: dg.OpExecutionContext
    store: Store
    registry: ModelRegistry
    publisher: Publisher
    evaluations: EvaluationBook
    clock: Clock


def redo_job(specs: tuple[SeriesAssets, ...]) -> dg.JobDefinition:
    """``redo_touched``: one op, symbol by symbol; one that fails leaves the others."""

    @dg.op(
        description="Redo the derived candles, forecasts and files that revised candles touch, "
        "and report each on its asset."
    )
    def redo(
        context: dg.OpExecutionContext,
        config: RedoConfig,
        store: StoreResource,
        registry: RegistryResource,
        publisher: PublisherResource,
        clock: Clock,
    ) -> None:
        tools = _Tools(
            context,
            store.client(),
            registry.client(),
            publisher.client(),
            registry.evaluations(),
            clock,
        )
        with failures_named():
            chosen = chosen_specs("redo_touched", specs, config.symbols, [])
            failed: dict[str, CoinAssetsError] = {}
            sources = [spec.series for spec in chosen if spec.is_fetched]
            for source in sources:
                series = [spec for spec in chosen if spec.source == source]
                try:
                    _redo_source(tools, series, config.dry_run)
                except CoinAssetsError as error:
                    failed[str(source)] = error
            remedy = "Their revisions stay open: launch redo_touched again."
            require_all_done(context, "sources", len(sources), failed, remedy)

    return one_op_job(
        "redo_touched",
        redo,
        RedoConfig,
        (
            "Redo exactly what candles that were revised or came late touch: derived candles, "
            "forecasts, published files. Models stay. Optional settings: symbols, dry_run."
        ),
    )


def _redo_source(tools: _Tools, series: list[SeriesAssets], dry_run: bool) -> None:
    """Redo all timeframes of one fetched key; the revisions are marked when all is done."""
    now = tools.clock.now()
    source = series[0].source
    pending = pending_revisions(
        tools.store, source, series[0].history_start, tools.clock.closed_by()
    )
    if not len(pending.opens):
        return
    tools.context.log.info(
        f"{source}: {len(pending.opens)} revised candles, {pending.opens[0]:%Y-%m-%d %H:%M} to "
        f"{pending.opens[-1]:%Y-%m-%d %H:%M}"
    )
    for spec in series:
        opens = touched_candles(tools.store, pending, spec.series, spec.first_source_expected(now))
        if not len(opens):
            continue
        if dry_run:
            _log_plan(tools, spec, opens)
        else:
            _redo_series(tools, spec, pending, opens)
    if not dry_run:
        mark_redone(tools.store, pending, now)


def _redo_series(
    tools: _Tools, spec: SeriesAssets, pending: Pending, opens: pd.DatetimeIndex
) -> None:
    """Candles, then the forecasts that see them, then the files that show either."""
    context, store, registry, publisher, evaluations, clock = tools
    series, now = spec.series, clock.now()
    first = spec.first_source_expected(now)
    for report in redo_candles(store, pending, series, opens, first):
        facts = {
            "dagster/partition_row_count": report.rows,
            "rows_changed": report.rows_changed,
            "partial": report.partial,
            "origin": "redone",
        }
        _report(context, spec, CANDLES, facts, partition_of(report.month))
    window = spec.first_expected(now), clock.closed_by()
    newest = store.newest_forecasts([series]).get(series)
    origins = forecasts = 0
    shows_forecast = False
    for touched in touched_forecasts(store, registry, series, opens, *window):
        changed = recompute_forecasts(store, registry, series, touched, *window)
        found = touched.origins
        facts = {"origins_redone": len(found), "forecasts_changed": changed}
        _report(context, spec, PREDICTIONS, facts, partition_of(touched.month))
        origins, forecasts = origins + len(found), forecasts + changed
        shows_forecast |= newest is not None and found[-1] >= newest
    context.log.info(
        f"{series}: {len(opens)} candles touched, {forecasts} of {origins} forecasts changed"
    )
    if shows_forecast or _shows_candles(store, spec, opens):
        metadata = publish_key(context, spec, store, publisher, evaluations, {}, now)
        _report(context, spec, PUBLISHED, metadata, None)


def _shows_candles(store: Store, spec: SeriesAssets, opens: pd.DatetimeIndex) -> bool:
    """Whether the history file has one of the candles that open at ``opens``."""
    extent = store.extent(spec.series)
    if extent is None or spec.history_window is None:
        return extent is not None
    return bool(opens[-1] >= spec.series.timeframe.close_of(extent.last) - spec.history_window)


def _report(
    context: dg.OpExecutionContext,
    spec: SeriesAssets,
    layer: str,
    metadata: dict[str, Any],
    partition: str | None,
) -> None:
    context.log_event(
        dg.AssetMaterialization(
            spec.asset_key(layer),
            description="redone after revised candles",
            partition=partition,
            metadata=metadata,
        )
    )


def _log_plan(tools: _Tools, spec: SeriesAssets, opens: pd.DatetimeIndex) -> None:
    window = spec.first_expected(tools.clock.now()), tools.clock.closed_by()
    touched = touched_forecasts(tools.store, tools.registry, spec.series, opens, *window)
    origins = sum(len(each.origins) for each in touched)
    tools.context.log.info(
        f"would redo {spec.series}: {len(opens)} candles from {opens[0]:%Y-%m-%d %H:%M} to "
        f"{opens[-1]:%Y-%m-%d %H:%M}, {origins} forecasts"
    )
