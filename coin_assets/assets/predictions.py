"""The prediction assets: ``prediction_<timeframe>``, forecasts at the origins of the month."""

from typing import Any

import dagster as dg

from coin_assets.assets.plots import forecast_plot
from coin_assets.assets.specs import (
    CANDLES,
    MODELS,
    PREDICTIONS,
    SeriesSpec,
    column_schema,
    failures_named,
)
from coin_assets.domain.forecasting import FORECAST_SCHEMA
from coin_assets.partitions import partition_of, selected_window
from coin_assets.resources import Clock, MarketResource, RegistryResource, StoreResource
from coin_assets.steps.predict import PredictionReport, predict_window
from coin_assets.store.base import Store

SCHEMA = column_schema(FORECAST_SCHEMA)
_PLOTTED_CANDLES = 72


def predictions(spec: SeriesSpec) -> dg.AssetsDefinition:
    """Champion forecasts, one an origin, each by a model trained on nothing after it."""

    @dg.asset(
        **spec.common(PREDICTIONS, {"scikitlearn", "parquet"}, **{"dagster/column_schema": SCHEMA}),
        **spec.partitioned(),
        deps=[
            dg.AssetDep(spec.asset_key(layer), partition_mapping=spec.months_so_far)
            for layer in (CANDLES, MODELS)
        ],
        description=(
            f"24-step quantile forecasts of {spec.key} at every candle close (origin) of the "
            "month. Missing origins are filled; a forecast that exists is never changed."
        ),
        freshness_policy=spec.freshness,
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
            report = predict_window(
                store.client(),
                registry.client(),
                spec.key,
                window,
                spec.first_expected(clock.now()),
                closed_by,
                market.client().horizon(spec.source, closed_by),
            )
        context.log.info(
            f"{spec.key}: {report.added} forecasts added at {report.origins} origins, "
            f"{report.unmodelled} without a model"
        )
        # The newest origin describes the newest month; of a range it is shown on that one alone.
        if not report.newest.empty:
            context.add_asset_metadata(
                _newest_metadata(spec, store.client(), report),
                partition_key=partition_of(report.newest["as_of"].iloc[0].to_pydatetime()),
            )
        return dg.MaterializeResult(
            metadata={
                "window": f"[{window[0]:%Y-%m-%d}, {window[1]:%Y-%m-%d})",
                "origins": report.origins,
                "forecasts_added": report.added,
                "origins_without_model": report.unmodelled,
            }
        )

    return prediction


def _newest_metadata(spec: SeriesSpec, store: Store, report: PredictionReport) -> dict[str, Any]:
    newest = report.newest
    origin = newest["as_of"].iloc[0].to_pydatetime()
    start = spec.key.timeframe.shift(origin, -_PLOTTED_CANDLES)
    candles = store.read_candles(spec.key, start, origin)
    last = newest.iloc[-1]
    return {
        "as_of": dg.MetadataValue.timestamp(origin),
        "model_version": str(last["model_version"]),
        "kind": str(last["kind"]),
        "median": float(last["price"]),
        "interval_80_width": float(last["q90"] / last["q10"] - 1),
        "forecast": forecast_plot(spec.key, candles, newest),
    }
