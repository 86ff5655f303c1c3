"""What a run works on: its tasks and months, from its selection, tags and config."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from coin_assets.domain.layers import CANDLES, MODELS, PREDICTIONS, PUBLISHED, QUALITY, Task
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import months_between, next_month
from coin_assets.orchestration.assets.specs import SeriesAssets
from coin_assets.orchestration.partitions import RANGE_END_TAG, RANGE_START_TAG

UPDATE_JOB = "update"
_PARTITION_TAG = "dagster/partition"
_UNPARTITIONED = (PUBLISHED, QUALITY)
_LAYERS = (CANDLES, MODELS, PREDICTIONS, *_UNPARTITIONED)

TaskOfAsset = dict[dg.AssetKey, Task]


def tasks_of_assets(specs: Iterable[SeriesAssets]) -> TaskOfAsset:
    """The task of each asset of ``specs``."""
    return {spec.asset_key(layer): Task(spec.series, layer) for spec in specs for layer in _LAYERS}


def tasks_of_run(run: dg.DagsterRun, tasks: TaskOfAsset) -> set[tuple[Task, datetime | None]]:
    """Tasks of a run of assets, each with every month of the run."""
    months = months_of(run)
    selected = tasks.keys() & run.asset_selection if run.asset_selection else tasks.keys()
    if not run.asset_selection and run.job_name != UPDATE_JOB:
        return set()
    found: set[tuple[Task, datetime | None]] = set()
    for asset in selected:
        task = tasks[asset]
        is_whole = task.layer in _UNPARTITIONED
        found |= {(task, None)} if is_whole else {(task, m) for m in months}
    return found


def months_of(run: dg.DagsterRun) -> list[datetime]:
    """Months of a run's partition or range; none without one."""
    first = run.tags.get(_PARTITION_TAG) or run.tags.get(RANGE_START_TAG)
    last = run.tags.get(_PARTITION_TAG) or run.tags.get(RANGE_END_TAG)
    if not first or not last:
        return []
    start, end = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (first, last))
    return months_between(start, next_month(end))


def configured_series(run: dg.DagsterRun, specs: Iterable[SeriesAssets]) -> set[Series]:
    """Series that the config of a one-op job selects."""
    config: Any = run.run_config
    if "ops" in config:
        config = next(iter(config["ops"].values()))["config"]
    symbols, timeframes = config.get("symbols") or (), config.get("timeframes") or ()
    return {
        spec.series
        for spec in specs
        if (not symbols or spec.series.symbol in symbols)
        and (not timeframes or spec.series.timeframe.name in timeframes)
    }
