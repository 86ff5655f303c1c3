"""The assets ``ohlcv_<timeframe>``: candles, fetched or derived, of one schema."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import dagster as dg

from coin_assets.domain.candles.absences import STATES
from coin_assets.domain.candles.frame import CANDLE_SCHEMA
from coin_assets.domain.layers import CANDLES
from coin_assets.domain.timeframes import month_start
from coin_assets.orchestration.assets.candle_checks import (
    check_specs,
    derived_results,
    fetched_results,
)
from coin_assets.orchestration.assets.clock_offset import offset_metadata
from coin_assets.orchestration.assets.fetches import begin_fetches, fetch, request_of
from coin_assets.orchestration.assets.specs import (
    RETRIES,
    SeriesAssets,
    asset_key,
    column_schema,
    failures_named,
)
from coin_assets.orchestration.empty_months import (
    candles_of,
    months_before,
    report_unmade_months,
)
from coin_assets.orchestration.metadata import rounded
from coin_assets.orchestration.partitions import UNTIL_NEXT_MONTH, partition_of, selected_window
from coin_assets.orchestration.resources import PIPELINE, pipeline_of
from coin_assets.pipeline.context import RunClock
from coin_assets.pipeline.derive import Derivation, derive_candles
from coin_assets.pipeline.month_report import MonthReport, describe
from coin_assets.store.base import Store

_SHOWN_GAPS = 10
SCHEMA = column_schema(CANDLE_SCHEMA)


def fetched_candles(spec: SeriesAssets, specs: Sequence[SeriesAssets]) -> dg.AssetsDefinition:
    """Candles of a source timeframe, fetched from the market.

    Args:
        specs: all series; those of one run are fetched at the same time.
    """

    @dg.asset(
        **_common(spec),
        description=f"Closed {spec.series} candles, fetched from the market.",
        retry_policy=RETRIES,
        check_specs=check_specs(spec),
        required_resource_keys={*PIPELINE, "disk"},
    )
    def ohlcv(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        start, end = selected_window(context)
        with failures_named():
            begin_fetches(context, specs, (start, end))
            store, clock = context.resources.store.client(), context.resources.clock
            request = request_of(spec, (start, end), clock)
            percent = context.resources.disk.checked(start, clock.now(), context.log.warning)
            context.add_asset_metadata({"disk_percent": rounded(percent)})
            found = fetch(context, request)
            usage = found.usage
            context.add_asset_metadata({"requests": usage.requests, "retries": usage.retries})
            context.add_asset_metadata(offset_metadata(context.resources.market.client(), clock))
            checks = fetched_results(spec, store, start, end, clock.now())
            _report_months_without_candles(context, spec, store, clock)
        return _result(context, spec, found.reports, "fetched", clock.now(), checks)

    return ohlcv


def derived_candles(spec: SeriesAssets) -> dg.AssetsDefinition:
    """Candles of a derived timeframe, computed from those of its source."""
    source = dg.AssetDep(
        asset_key(spec.source, CANDLES),
        partition_mapping=UNTIL_NEXT_MONTH if spec.series.timeframe.straddles_months else None,
    )

    @dg.asset(
        **_common(spec),
        deps=[source],
        description=f"Closed {spec.series} candles, derived from {spec.source.timeframe}.",
        code_version="1",
        check_specs=check_specs(spec),
        required_resource_keys=PIPELINE,
    )
    def ohlcv(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        with failures_named():
            pipeline = pipeline_of(context)
            clock, closed_by = pipeline.clock, pipeline.clock.closed_by()
            derivation = Derivation(
                spec.series,
                spec.source,
                *selected_window(context),
                spec.first_source_expected(clock.now()),
                min(closed_by, pipeline.market.horizon(spec.source, closed_by)),
            )
            reports = derive_candles(pipeline.store, derivation)
            checks = derived_results(spec, pipeline.store, derivation)
            _report_months_without_candles(context, spec, pipeline.store, clock)
        return _result(context, spec, reports, "derived", clock.now(), checks)

    return ohlcv


def _report_months_without_candles(
    context: dg.AssetExecutionContext, spec: SeriesAssets, store: Store, clock: RunClock
) -> None:
    """Report months beyond retention, and the running one if none of its candles has closed."""
    start, end = selected_window(context)
    now, timeframe = clock.now(), spec.series.timeframe
    running = month_start(now)
    is_due = timeframe.close_of(timeframe.ceil(running)) <= clock.closed_by()
    before = min(start, spec.first_source_expected(now))
    report_unmade_months(
        context,
        spec.asset_key(CANDLES),
        [*months_before(spec, before), *([] if is_due or running < end else [running])],
        lambda months: candles_of(store, spec.series, months, now),
    )


def _common(spec: SeriesAssets) -> dict[str, Any]:
    """Arguments of ``dg.asset`` that fetched and derived candles share."""
    return {
        **spec.common(CANDLES, {"pandas", "parquet"}, SCHEMA),
        **spec.partitioned(),
        "freshness_policy": spec.freshness,
    }


def _result(
    context: dg.AssetExecutionContext,
    spec: SeriesAssets,
    reports: list[MonthReport],
    origin: str,
    now: datetime,
    checks: Sequence[dg.AssetCheckResult],
) -> dg.MaterializeResult:
    """Log one line, and attach the metadata of each month to its partition."""
    context.log.info(f"{spec.series} {origin}: {describe(reports)}")
    for report in reports:
        facts = month_metadata(spec, report, now)
        context.add_asset_metadata(facts, partition_key=partition_of(report.month))
    metadata = window_metadata(spec, origin, *selected_window(context))
    return dg.MaterializeResult(metadata=metadata, check_results=checks)


def window_metadata(
    spec: SeriesAssets, origin: str, start: datetime, end: datetime
) -> dict[str, str]:
    """Metadata that all months of one window share."""
    return {
        "origin": origin,
        "window": f"[{start:%Y-%m-%d}, {end:%Y-%m-%d})",
        "source": str(spec.source),
    }


def month_metadata(
    spec: SeriesAssets, report: MonthReport, now: datetime
) -> dict[str, dg.MetadataValue | int | float]:
    """Metadata of one month; the running one also has the lag of its candles behind ``now``."""
    metadata: dict[str, dg.MetadataValue | int | float] = {
        "dagster/partition_row_count": report.rows,
        "rows_changed": report.rows_changed,
        "missing": report.count(),
        "partial": report.partial,
    }
    if report.missing:
        metadata |= {state: report.count(state) for state in STATES if report.count(state)}
        shown = [
            f"{gap.start:%Y-%m-%d %H:%M} to {gap.end:%Y-%m-%d %H:%M} ({gap.count}) {gap.state}"
            for gap in report.missing[:_SHOWN_GAPS]
        ]
        more = len(report.missing) - len(shown)
        text = "; ".join(shown) + (f"; and {more} more" if more else "")
        metadata["gaps"] = dg.MetadataValue.text(text)
    if report.first is not None and report.last is not None:
        metadata["first_candle"] = dg.MetadataValue.timestamp(report.first)
        metadata["last_candle"] = dg.MetadataValue.timestamp(report.last)
        if report.month == month_start(now):
            close = spec.series.timeframe.close_of(report.last)
            metadata["lag_seconds"] = rounded((now - close).total_seconds())
    return metadata
