"""The prediction assets: ``prediction_<timeframe>``, forecasts at the origins of the month."""

from datetime import datetime
from typing import Any

import dagster as dg
import pandas as pd

from coin_assets.domain.candles.frame import empty_candles
from coin_assets.domain.forecasting.frame import FORECAST_SCHEMA
from coin_assets.domain.forecasting.sanity import RECENT_CANDLES, forecast_problems
from coin_assets.domain.layers import CANDLES, MODELS, PREDICTIONS
from coin_assets.orchestration.assets.plots import forecast_plot
from coin_assets.orchestration.assets.specs import SeriesAssets, column_schema, failures_named
from coin_assets.orchestration.partitions import partition_of, selected_window
from coin_assets.orchestration.resources import (
    Clock,
    MarketResource,
    RegistryResource,
    StoreResource,
)
from coin_assets.pipeline.forecast import PredictionReport, predict_window
from coin_assets.store.base import Store

SCHEMA = column_schema(FORECAST_SCHEMA)
SANE_FORECAST = "sane_forecast"
_PLOTTED_CANDLES = 72


def predictions(spec: SeriesAssets) -> dg.AssetsDefinition:
    """Forecasts at every origin, each by a model trained on nothing after it."""

    @dg.asset(
        **spec.common(PREDICTIONS, {"scikitlearn", "parquet"}, **{"dagster/column_schema": SCHEMA}),
        **spec.partitioned(),
        deps=[
            dg.AssetDep(spec.asset_key(layer), partition_mapping=spec.months_so_far)
            for layer in (CANDLES, MODELS)
        ],
        description=(
            f"24-step quantile forecasts of {spec.series} at every candle close (origin) of the "
            "month, by the champion and, in its shadow, the challenger. Missing origins are "
            "filled; a forecast that exists is never changed."
        ),
        freshness_policy=spec.freshness,
        check_specs=[_check_spec(spec)],
    )
    def prediction(
        context: dg.AssetExecutionContext,
        market: MarketResource,
        store: StoreResource,
        registry: RegistryResource,
        clock: Clock,
    ) -> dg.MaterializeResult:
        window = selected_window(context)
        closed_by = clock.closed_by()
        with failures_named():
            extent = store.client().extent(spec.series)
            report = predict_window(
                store.client(),
                registry.client(),
                spec.series,
                window,
                spec.first_usable(clock.now(), None if extent is None else extent.first),
                closed_by,
                market.client().horizon(spec.source, closed_by),
            )
            candles = _candles_before(store.client(), spec, report)
        _tell(context, spec, report)
        # The newest origin describes the newest month; of a range it is shown on that one alone.
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
                "challenger_error": str(report.challenger_error or ""),
                "successor_error": str(report.rollover_error or ""),
                "origins_without_model": report.unmodelled,
            },
            check_results=[sane_forecast(spec, report.newest, candles)],
        )

    return prediction


def _tell(context: dg.AssetExecutionContext, spec: SeriesAssets, report: PredictionReport) -> None:
    """What was made, and what could not be, for the log."""
    context.log.info(
        f"{spec.series}: {report.added} forecasts added at {report.origins} origins, "
        f"{report.unmodelled} without a model; {report.challenger_added} added of the challenger"
    )
    if report.challenger_error is not None:
        context.log.error(
            f"{spec.series}: no forecasts of the challenger: {report.challenger_error}"
        )
    if report.rollover_error is not None:
        context.log.error(f"{spec.series}: the champion goes on: {report.rollover_error}")


def sane_forecast(
    spec: SeriesAssets, newest: pd.DataFrame, candles: pd.DataFrame
) -> dg.AssetCheckResult:
    """Judge the forecast of one origin by the candles up to it; none at all is no fault."""
    metadata: dict[str, Any] = {}
    problems: tuple[str, ...] = ()
    said = "no forecast in the window: too few candles, or no model yet"
    if not newest.empty:
        origin = newest["as_of"].iloc[0].to_pydatetime()
        problems = forecast_problems(newest, candles, spec.series.timeframe)
        said = "; ".join(problems) or f"the forecast of {origin:%Y-%m-%d %H:%M} is sane"
        metadata["as_of"] = dg.MetadataValue.timestamp(origin)
    if problems:
        metadata["problems"] = dg.MetadataValue.md("\n".join(f"- {each}" for each in problems))
    return dg.AssetCheckResult(
        passed=not problems,
        asset_key=spec.asset_key(PREDICTIONS),
        check_name=SANE_FORECAST,
        severity=dg.AssetCheckSeverity.ERROR,
        description=said,
        metadata=metadata,
    )


def _check_spec(spec: SeriesAssets) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        SANE_FORECAST,
        asset=spec.asset_key(PREDICTIONS),
        description=(
            "The newest forecast of the window is complete, finite, in order, made at the newest "
            "candle, and of the scale that recent candles suggest."
        ),
        blocking=True,
    )


def _origin(report: PredictionReport) -> datetime:
    origin: datetime = report.newest["as_of"].iloc[0].to_pydatetime()
    return origin


def _candles_before(store: Store, spec: SeriesAssets, report: PredictionReport) -> pd.DataFrame:
    """What the newest forecast is judged and drawn by."""
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
        "median": float(last["price"]),
        "interval_80_width": float(last["q90"] / last["q10"] - 1),
    }
    # Drawing takes longer than forecasting: of the minutes only the full hour is drawn.
    if origin.minute == 0:
        metadata["forecast"] = forecast_plot(spec.series, candles, report.newest)
    return metadata
