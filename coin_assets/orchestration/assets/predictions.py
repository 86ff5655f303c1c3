"""The assets ``prediction_<timeframe>``: forecasts at the origins of each month."""

from datetime import datetime
from typing import Any

import dagster as dg
import pandas as pd

from coin_assets.domain.candles.frame import empty_candles
from coin_assets.domain.forecasting.frame import FORECAST_SCHEMA
from coin_assets.domain.forecasting.sanity import RECENT_CANDLES, forecast_problems
from coin_assets.domain.layers import MODELS, PREDICTIONS
from coin_assets.domain.timeframes import month_start
from coin_assets.orchestration.assets.fan_chart import forecast_plot
from coin_assets.orchestration.assets.specs import SeriesAssets, column_schema, failures_named
from coin_assets.orchestration.empty_months import (
    forecasts_of,
    months_before,
    report_unmade_months,
)
from coin_assets.orchestration.metadata import rounded
from coin_assets.orchestration.partitions import partition_of, selected_window
from coin_assets.orchestration.resources import PIPELINE, pipeline_of
from coin_assets.pipeline.context import Pipeline
from coin_assets.pipeline.forecast import (
    ForecastRequest,
    PredictionReport,
    VisibleCandles,
    predict_window,
)
from coin_assets.store.base import Store

SCHEMA = column_schema(FORECAST_SCHEMA)
SANE_FORECAST = "sane_forecast"
_PLOTTED_CANDLES = 72


def predictions(spec: SeriesAssets) -> dg.AssetsDefinition:
    """Forecasts at every origin, each by a model trained only on candles before it."""

    @dg.asset(
        **spec.common(PREDICTIONS, {"scikitlearn", "parquet"}, SCHEMA),
        **spec.partitioned(),
        deps=[
            *spec.candles_so_far,
            *spec.exogenous_read,
            dg.AssetDep(spec.asset_key(MODELS), partition_mapping=spec.months_so_far),
        ],
        description=f"24-step forecasts of {spec.series} at each candle close; never changed.",
        freshness_policy=spec.freshness,
        check_specs=[_check_spec(spec)],
        required_resource_keys=PIPELINE,
    )
    def prediction(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        window = selected_window(context)
        with failures_named():
            pipeline = pipeline_of(context)
            request = _request(pipeline, spec, window)
            report = predict_window(pipeline.store, pipeline.registry, request)
            candles = _candles_before(pipeline.store, spec, report)
        _log_report(context, spec, report)
        _report_months_without_forecast(context, spec, window, begun=not report.newest.empty)
        # Only the newest month of a range shows the newest origin.
        if not report.newest.empty:
            context.add_asset_metadata(
                _newest_metadata(spec, report, candles.tail(_PLOTTED_CANDLES)),
                partition_key=partition_of(_origin(report)),
            )
        return dg.MaterializeResult(
            metadata={
                "window": f"[{window[0]:%Y-%m-%d}, {window[1]:%Y-%m-%d})",
                "origins": report.origins,
                "forecasts_added": report.added,
                "challenger_forecasts_added": report.challenger_added,
                "challenger_error": "; ".join(map(str, report.challenger_errors.values())),
                "successor_error": str(report.rollover_error or ""),
                "origins_without_model": report.unmodelled,
            },
            check_results=[sane_forecast(spec, report.newest, candles)],
        )

    return prediction


def _request(
    pipeline: Pipeline, spec: SeriesAssets, window: tuple[datetime, datetime]
) -> ForecastRequest:
    now, closed_by = pipeline.clock.now(), pipeline.clock.closed_by()
    extent = pipeline.store.extent(spec.series)
    first = spec.first_usable(now, None if extent is None else extent.first)
    visible = VisibleCandles(first, closed_by, spec.variance_source(now), pipeline.exogenous)
    horizon = pipeline.market.horizon(spec.source, closed_by)
    return ForecastRequest(spec.series, *window, visible, horizon)


def _report_months_without_forecast(
    context: dg.AssetExecutionContext,
    spec: SeriesAssets,
    window: tuple[datetime, datetime],
    *,
    begun: bool,
) -> None:
    """Report the months before ``window`` without a forecast, and the running one if none is due.

    Args:
        begun: whether the window has a forecast.
    """
    pipeline, (start, end) = pipeline_of(context), window
    running = month_start(pipeline.clock.now())
    is_due = spec.series.timeframe.ceil(running) <= pipeline.clock.closed_by()
    report_unmade_months(
        context,
        spec.asset_key(PREDICTIONS),
        [*months_before(spec, start), *([] if is_due or running < end else [running])],
        lambda months: forecasts_of(pipeline.store, spec.series, months, start if begun else None),
    )


def _log_report(
    context: dg.AssetExecutionContext, spec: SeriesAssets, report: PredictionReport
) -> None:
    """Log the forecasts that were added, and errors of challengers and rollover."""
    context.log.info(
        f"{spec.series}: {report.added} forecasts added at {report.origins} origins, "
        f"{report.unmodelled} without a model; {report.challenger_added} added of the challenger"
    )
    for role, error in report.challenger_errors.items():
        context.log.error(f"{spec.series}: no forecasts of the {role}: {error}")
    if report.rollover_error is not None:
        context.log.error(f"{spec.series}: the champion stays: {report.rollover_error}")


def sane_forecast(
    spec: SeriesAssets, newest: pd.DataFrame, candles: pd.DataFrame
) -> dg.AssetCheckResult:
    """Check the forecast of one origin against the candles up to it; passes without one."""
    metadata: dict[str, Any] = {}
    problems: tuple[str, ...] = ()
    text = "no forecast in the window: too few candles, or no model yet"
    if not newest.empty:
        origin = newest["as_of"].iloc[0].to_pydatetime()
        problems = forecast_problems(newest, candles, spec.series.timeframe)
        text = "; ".join(problems) or f"the forecast of {origin:%Y-%m-%d %H:%M} is sane"
        metadata["as_of"] = dg.MetadataValue.timestamp(origin)
    if problems:
        metadata["problems"] = dg.MetadataValue.md("\n".join(f"- {each}" for each in problems))
    return dg.AssetCheckResult(
        passed=not problems,
        asset_key=spec.asset_key(PREDICTIONS),
        check_name=SANE_FORECAST,
        severity=dg.AssetCheckSeverity.ERROR,
        description=text,
        metadata=metadata,
    )


def _check_spec(spec: SeriesAssets) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        SANE_FORECAST,
        asset=spec.asset_key(PREDICTIONS),
        description="The newest forecast is complete, finite, in order and of a likely scale.",
        blocking=True,
    )


def _origin(report: PredictionReport) -> datetime:
    origin: datetime = report.newest["as_of"].iloc[0].to_pydatetime()
    return origin


def _candles_before(store: Store, spec: SeriesAssets, report: PredictionReport) -> pd.DataFrame:
    """Candles that the newest forecast is checked and plotted with."""
    if report.newest.empty:
        return empty_candles()
    origin = _origin(report)
    start = spec.series.timeframe.shift(origin, -RECENT_CANDLES - 1)
    return store.read_candles(spec.series, start, origin)


def _newest_metadata(
    spec: SeriesAssets, report: PredictionReport, candles: pd.DataFrame
) -> dict[str, Any]:
    last, origin = report.newest.iloc[-1], _origin(report)
    metadata: dict[str, Any] = {
        "as_of": dg.MetadataValue.timestamp(origin),
        "model_version": str(last["model_version"]),
        "kind": str(last["kind"]),
        "median": rounded(last["price"]),
        "interval_80_width": rounded(last["q90"] / last["q10"] - 1),
    }
    # Dagster's event log keeps every plot, so minutes are plotted at full hours only.
    if origin.minute == 0:
        metadata["forecast"] = forecast_plot(spec.series, candles, report.newest)
    return metadata
