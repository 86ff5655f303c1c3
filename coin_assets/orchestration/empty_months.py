"""Reports of months in which an asset has nothing to make, so that they do not count as missing.

Models and forecasts begin with the first one of a series. Candles of long timeframes begin within a
month, and those beyond retention are not kept. Dagster would show such months as missing.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast
from uuid import uuid4

import dagster as dg
import pandas as pd
from dagster._core.events import DagsterEventBatchMetadata, StepMaterializationData

from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import month_start, months_between, next_month
from coin_assets.models.registry import ModelVersion
from coin_assets.orchestration.assets.specs import SeriesAssets
from coin_assets.orchestration.partitions import partition_of
from coin_assets.store.base import Store

ROWS, REASON = "dagster/partition_row_count", "reason"
FOUND = "Dagster has no record of how these rows were made."
_MONTHS_A_READ = 6

Context = dg.OpExecutionContext | dg.AssetExecutionContext


@dataclass(frozen=True)
class MonthContent:
    """What is stored of a month that no event reports.

    Attributes:
        reason: why there is nothing, or no event.
    """

    rows: int
    reason: str


def report_unmade_months(
    context: Context,
    asset: dg.AssetKey,
    months: Sequence[datetime],
    content: Callable[[Sequence[datetime]], Mapping[datetime, MonthContent]],
) -> None:
    """Report each of ``months`` that has no event on ``asset``, with what is stored of it.

    A step calls it before it reports the months that it made, so that their event stays the newest
    of the asset. A month of a run that is going on, or that failed, is left as it is. When the
    first and the last month are reported, which one query of the index finds, nothing is done.

    Args:
        months: candidates, ascending; none that the step makes.
        content: returns what is stored of each month that it is called with.
    """
    if not months:
        return
    storage, partitions = context.instance.event_log_storage, [*map(partition_of, months)]
    ends = {partitions[0], partitions[-1]}
    kind = dg.DagsterEventType.ASSET_MATERIALIZATION
    if len(storage.get_latest_storage_id_by_partition(asset, kind, ends)) == len(ends):
        return
    known = storage.get_materialized_partitions(asset)
    known |= storage.get_latest_asset_partition_materialization_attempts_without_materializations(
        asset
    ).keys()
    unknown = [month for month, name in zip(months, partitions, strict=True) if name not in known]
    if unknown:
        found = content(unknown)
        _report(context, [_event(asset, month, found[month]) for month in unknown])


def _event(asset: dg.AssetKey, month: datetime, content: MonthContent) -> dg.AssetMaterialization:
    return dg.AssetMaterialization(
        asset,
        partition=partition_of(month),
        metadata={ROWS: content.rows, REASON: dg.MetadataValue.text(content.reason)},
    )


def _report(context: Context, events: Sequence[dg.AssetMaterialization]) -> None:
    """Store events of the running step in one batch; the log of the run does not print them."""
    step, batch = context.get_step_execution_context().step.key, str(uuid4())
    for number, event in enumerate(events, start=1):
        context.instance.report_dagster_event(
            dg.DagsterEvent(
                event_type_value=dg.DagsterEventType.ASSET_MATERIALIZATION.value,
                job_name=context.run.job_name,
                step_key=step,
                event_specific_data=StepMaterializationData(event),
            ),
            run_id=context.run.run_id,
            batch_metadata=DagsterEventBatchMetadata(batch, is_end=number == len(events)),
        )


def months_before(spec: SeriesAssets, time: datetime) -> list[datetime]:
    """Months of the partitions of ``spec`` before the month of ``time``."""
    return months_between(spec.history_start, month_start(time))


def models_of(
    versions: Sequence[ModelVersion], months: Sequence[datetime]
) -> dict[datetime, MonthContent]:
    """Number of model versions of each month."""
    made = [month_start(version.cutoff) for version in versions]
    first = min((version.cutoff for version in versions), default=None)
    if first is None:
        none = "No model was made for this month: there were too few candles for one."
    else:
        none = f"No model was needed for this month: the first one has the cutoff {first:%Y-%m-%d}."
    later = "No model was made for this month: forecasts are by the version before it."
    return {
        month: MonthContent(
            made.count(month),
            FOUND if month in made else later if first is not None and month > first else none,
        )
        for month in months
    }


def forecasts_of(
    store: Store, series: Series, months: Sequence[datetime], begun: datetime | None
) -> dict[datetime, MonthContent]:
    """Number of stored forecast rows of each month.

    Args:
        begun: a month with forecasts, after ``months`` or before them; None if there is none.
    """
    rows: Counter[datetime] = Counter()
    for first in range(0, len(months), _MONTHS_A_READ):
        part = months[first : first + _MONTHS_A_READ]
        origins = store.read_forecasts(series, part[0], next_month(part[-1]))["as_of"]
        for origin, count in origins.value_counts().items():
            rows[month_start(cast("pd.Timestamp", origin).to_pydatetime())] += int(count)
    found = {}
    for month in months:
        none = "No forecast was made for this month: there were too few candles for a model."
        if begun is not None and month > begun:
            none = "No forecast was due in this month yet: no candle has closed in it."
        elif begun is not None:
            none = f"No forecast was made for this month: the first ones are of {begun:%Y-%m}."
        found[month] = MonthContent(rows[month], FOUND if rows[month] else none)
    return found


def candles_of(
    store: Store, series: Series, months: Sequence[datetime], now: datetime
) -> dict[datetime, MonthContent]:
    """Number of stored candles of each month: the running one, or months beyond retention."""
    found = {}
    for month in months:
        rows = store.count_candles(series, month, next_month(month))
        none = "No candle of this month is kept: it is older than COIN_RETENTION."
        if month == month_start(now):
            none = "No candle of this month has closed yet."
        found[month] = MonthContent(rows, FOUND if rows else none)
    return found
