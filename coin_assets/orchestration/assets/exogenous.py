"""The assets of exogenous series, such as ``implied_volatility``, and the job that fetches them.

They are on no path to candles or published files: a source that fails stops neither.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import dagster as dg

from coin_assets.domain.forecasting.exogenous import EXOGENOUS_SCHEMA
from coin_assets.domain.series import safe_name
from coin_assets.domain.timeframes import describe_months
from coin_assets.orchestration.assets.specs import (
    OWNERS,
    RETRIES,
    column_schema,
    exogenous_key,
    failures_named,
)
from coin_assets.orchestration.exogenous_resource import ExogenousResource
from coin_assets.orchestration.jobs.one_op import BACKGROUND
from coin_assets.orchestration.metadata import rounded
from coin_assets.orchestration.resources import Clock, StoreResource
from coin_assets.pipeline.fetch_exogenous import ExogenousReport, fetch_exogenous

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import (
        UnresolvedAssetJobDefinition,
    )

FETCH_JOB = "fetch_exogenous"
SCHEMA = column_schema(EXOGENOUS_SCHEMA)


def exogenous_values(symbol: str, name: str, history_start: datetime) -> dg.AssetsDefinition:
    """Values of one series of one symbol, with the times from which they count."""

    @dg.asset(
        key=exogenous_key(symbol, name),
        group_name=safe_name(symbol),
        tags={"layer": "exogenous"},
        kinds={"pandas", "parquet"},
        owners=OWNERS,
        metadata={"symbol": symbol, "dagster/column_schema": SCHEMA},
        description=f"{name.replace('_', ' ').capitalize()} of {symbol}, hourly at most.",
        retry_policy=RETRIES,
    )
    def values(
        context: dg.AssetExecutionContext,
        store: StoreResource,
        exogenous: ExogenousResource,
        clock: Clock,
    ) -> dg.MaterializeResult:
        with failures_named():
            report = fetch_exogenous(
                store.exogenous(), exogenous.source(name), symbol, history_start, clock.now
            )
        if report.lost:
            context.log.warning(
                f"{symbol} {name}: files of {describe_months([*report.lost])} were gone; their "
                "values were fetched again, as far as the source keeps them"
            )
        context.log.info(f"{symbol} {name}: {report.changed} values added or corrected")
        return dg.MaterializeResult(metadata=_metadata(report, clock.now()))

    return values


def fetch_exogenous_job(
    assets: Sequence[dg.AssetsDefinition],
) -> "UnresolvedAssetJobDefinition":
    """The job ``fetch_exogenous``: all exogenous series. A step that fails stops no other."""
    return dg.define_asset_job(
        FETCH_JOB,
        selection=dg.AssetSelection.assets(*assets),
        tags=BACKGROUND,
        description=(
            "Fetch exogenous series: their history first, then each hour. The sensor "
            "exogenous_due launches it."
        ),
    )


def _metadata(report: ExogenousReport, now: datetime) -> dict[str, dg.MetadataValue | float]:
    facts: dict[str, dg.MetadataValue | float] = {"rows_changed": float(report.changed)}
    if report.extent is not None:
        facts |= {
            "dagster/row_count": float(report.extent.rows),
            "first_value": dg.MetadataValue.timestamp(report.extent.first),
            "last_value": dg.MetadataValue.timestamp(report.extent.last),
            "lag_seconds": rounded((now - report.extent.last).total_seconds()),
        }
    return facts
