"""What a run works on: its tasks and months, from its selection, tags and config."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from coin_assets.domain.layers import CANDLES, MODELS, PREDICTIONS, PUBLISHED, QUALITY, Task
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import months_between, next_month
from coin_assets.orchestration.assets.specs import SeriesAssets
from coin_assets.orchestration.locations import has_label
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


def concerns(run: dg.DagsterRun, tasks: TaskOfAsset, label: str | None) -> bool:
    """Whether a run may be about series of this location, which launched it or did not.

    A run that names no symbol and no asset is about all those of its own location.

    Args:
        label: of this location's runs among those of several shards; None if all are its own.
    """
    if has_label(run, label):
        return True
    if run.asset_selection:
        return not run.asset_selection.isdisjoint(tasks)
    return bool(_config_of(run).get("symbols"))


def configured_series(run: dg.DagsterRun, specs: Iterable[SeriesAssets]) -> set[Series]:
    """Series that the config of a one-op job selects."""
    config = _config_of(run)
    symbols, timeframes = config.get("symbols") or (), config.get("timeframes") or ()
    return {
        spec.series
        for spec in specs
        if (not symbols or spec.series.symbol in symbols)
        and (not timeframes or spec.series.timeframe.name in timeframes)
    }


def _config_of(run: dg.DagsterRun) -> Any:
    """The settings of a one-op job."""
    config: Any = run.run_config
    return next(iter(config["ops"].values()))["config"] if "ops" in config else config
