"""The job ``redo_touched``: recomputes the outputs affected by late or revised candles."""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import dagster as dg
import pandas as pd
from pydantic import Field

from coin_assets.domain.json_format import Document
from coin_assets.domain.layers import CANDLES, PREDICTIONS, PUBLISHED
from coin_assets.errors import CoinAssetsError
from coin_assets.orchestration.assets.candles import month_metadata
from coin_assets.orchestration.assets.published import publication_metadata
from coin_assets.orchestration.assets.specs import SeriesAssets, failures_named
from coin_assets.orchestration.jobs.one_op import one_op_job
from coin_assets.orchestration.jobs.parts import run_parts
from coin_assets.orchestration.jobs.selection import chosen_specs
from coin_assets.orchestration.manifest import manifest_materialization
from coin_assets.orchestration.partitions import partition_of
from coin_assets.orchestration.resources import PIPELINE, pipeline_of
from coin_assets.pipeline.context import Pipeline
from coin_assets.pipeline.forecast import VisibleCandles
from coin_assets.pipeline.publish import manifest_inputs, prepare_publication
from coin_assets.pipeline.recompute import (
    PendingRevisions,
    mark_recomputed,
    pending_revisions,
    recompute_candles,
    touched_candles,
)
from coin_assets.pipeline.recompute_forecasts import recompute_forecasts, touched_forecasts


class RecomputeConfig(dg.Config):
    """Settings of ``redo_touched``; each is optional."""

    symbols: list[str] = Field(default=[], description="Symbols to recompute; empty is all.")
    dry_run: bool = Field(default=False, description="Only log; recompute nothing.")


def recompute_job(specs: tuple[SeriesAssets, ...]) -> dg.JobDefinition:
    """The job ``redo_touched``: one op, one fetched series after the other."""

    @dg.op(
        required_resource_keys=PIPELINE,
        description="Recompute the derived candles, forecasts and files affected by revised "
        "candles, and report each on its asset.",
    )
    def recompute(context: dg.OpExecutionContext, config: RecomputeConfig) -> None:
        with failures_named():
            run = _Recomputation(context, pipeline_of(context))
            chosen = chosen_specs("redo_touched", specs, config.symbols, [])
            parts = run_parts(
                context,
                [spec.series for spec in chosen if spec.is_fetched],
                lambda source: run.source(
                    [spec for spec in chosen if spec.source == source], dry_run=config.dry_run
                ),
            )
            run.report_manifest()
            parts.require_all_done(
                "sources", "Their revisions stay open: launch redo_touched again."
            )

    return one_op_job(
        "redo_touched",
        recompute,
        RecomputeConfig,
        (
            "Recompute the outputs affected by late or revised candles, and nothing else: derived "
            "candles, forecasts, published files. Models stay. Optional settings: symbols, dry_run."
        ),
    )


@dataclass(frozen=True)
class _Recomputation:
    """One run of the job.

    Attributes:
        manifests: the last rewritten manifest, if there is one.
    """

    context: dg.OpExecutionContext
    pipeline: Pipeline
    manifests: deque[Document] = field(default_factory=lambda: deque(maxlen=1))

    def report_manifest(self) -> None:
        """Report the manifest once, however many series rewrote it."""
        for document in self.manifests:
            self.context.log_event(
                manifest_materialization(document, "rewritten after revised candles")
            )

    def source(self, specs: list[SeriesAssets], *, dry_run: bool) -> None:
        """Recompute all timeframes of one fetched series, then mark its revisions as done.

        Raises:
            CoinAssetsError: a challenger cannot forecast; all else is done, and the revisions stay.
        """
        failed = list[CoinAssetsError]()
        store, clock = self.pipeline.store, self.pipeline.clock
        now, source = clock.now(), specs[0].source
        pending = pending_revisions(store, source, specs[0].history_start, clock.closed_by())
        if not len(pending.opens):
            return
        self.context.log.info(
            f"{source}: {len(pending.opens)} revised candles, "
            f"{pending.opens[0]:%Y-%m-%d %H:%M} to {pending.opens[-1]:%Y-%m-%d %H:%M}"
        )
        for spec in specs:
            first = spec.first_source_expected(now)
            opens = touched_candles(store, pending, spec.series, first)
            if not len(opens):
                continue
            if dry_run:
                self._log_plan(spec, opens)
            else:
                self._candles(spec, pending, opens, first)
                failed += self._forecasts_and_files(spec, opens)
        if failed:
            raise failed[0]
        if not dry_run:
            mark_recomputed(store, pending, now)

    def _candles(
        self,
        spec: SeriesAssets,
        pending: PendingRevisions,
        opens: pd.DatetimeIndex,
        first: datetime,
    ) -> None:
        """Derive the candles that open at ``opens`` again."""
        store = self.pipeline.store
        now = self.pipeline.clock.now()
        for report in recompute_candles(store, pending, spec.series, opens, first):
            facts = {**month_metadata(spec, report, now), "origin": "recomputed"}
            self._report(spec, CANDLES, facts, partition_of(report.month))

    def _forecasts_and_files(
        self, spec: SeriesAssets, opens: pd.DatetimeIndex
    ) -> list[CoinAssetsError]:
        """Recompute the forecasts that see ``opens``, and the files that show either.

        Returns:
            Errors of challengers.
        """
        failed = list[CoinAssetsError]()
        store, series, clock = self.pipeline.store, spec.series, self.pipeline.clock
        now = clock.now()
        window = spec.first_expected(now), clock.closed_by()
        visible = VisibleCandles(*window, spec.variance_source(now), self.pipeline.exogenous)
        newest = store.newest_forecasts([series]).get(series)
        origins = forecasts = 0
        shows_forecast = False
        for touched in touched_forecasts(store, self.pipeline.registry, series, opens, *window):
            done = recompute_forecasts(store, self.pipeline.registry, series, touched, visible)
            for role, error in done.challenger_errors.items():
                self.context.log.warning(f"{series} {role}: {error}")
            failed += done.challenger_errors.values()
            found = touched.origins
            facts = {"origins_recomputed": len(found), "forecasts_changed": done.changed}
            self._report(spec, PREDICTIONS, facts, partition_of(touched.month))
            origins, forecasts = origins + len(found), forecasts + done.changed
            shows_forecast |= newest is not None and found[-1] >= newest
        self.context.log.info(
            f"{series}: {len(opens)} candles affected, {forecasts} of {origins} forecasts changed"
        )
        if shows_forecast or self._shows_candles(spec, opens):
            publication = prepare_publication(self.pipeline, spec, now)
            publisher = self.pipeline.publisher
            inputs = manifest_inputs(self.pipeline, [spec], {})
            self.manifests.append(publisher.publish(publication, inputs))
            site = self.context.resources.publisher.site_url
            published = publication_metadata(publication, publisher.folder, site, now)
            self._report(spec, PUBLISHED, published, None)
        return failed

    def _shows_candles(self, spec: SeriesAssets, opens: pd.DatetimeIndex) -> bool:
        """Whether the history file has one of the candles that open at ``opens``."""
        extent = self.pipeline.store.extent(spec.series)
        if extent is None or spec.history_window is None:
            return extent is not None
        return bool(opens[-1] >= spec.series.timeframe.close_of(extent.last) - spec.history_window)

    def _report(
        self, spec: SeriesAssets, layer: str, metadata: dict[str, Any], partition: str | None
    ) -> None:
        self.context.log_event(
            dg.AssetMaterialization(
                spec.asset_key(layer),
                description="recomputed after revised candles",
                partition=partition,
                metadata=metadata,
            )
        )

    def _log_plan(self, spec: SeriesAssets, opens: pd.DatetimeIndex) -> None:
        clock = self.pipeline.clock
        window = spec.first_expected(clock.now()), clock.closed_by()
        touched = touched_forecasts(
            self.pipeline.store, self.pipeline.registry, spec.series, opens, *window
        )
        origins = sum(len(each.origins) for each in touched)
        self.context.log.info(
            f"would recompute {spec.series}: {len(opens)} candles from {opens[0]:%Y-%m-%d %H:%M} "
            f"to {opens[-1]:%Y-%m-%d %H:%M}, {origins} forecasts"
        )
