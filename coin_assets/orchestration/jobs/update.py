"""The job ``update``: all assets of a month, from candles to published files."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import (
        UnresolvedAssetJobDefinition,
    )


def update_job(
    assets: Sequence[dg.AssetsDefinition], separate: Sequence[dg.AssetChecksDefinition]
) -> "UnresolvedAssetJobDefinition":
    """The job ``update``: all assets of a month.

    Args:
        separate: checks that the job leaves out, because they send requests to the market.
    """
    return dg.define_asset_job(
        "update",
        selection=dg.AssetSelection.assets(*assets) - dg.AssetSelection.checks(*separate),
        description=(
            "Fetch and derive candles of the chosen month, train its missing models, fill its "
            "forecasts and publish. Launch it with a partition (a month) or a range of them."
        ),
    )


def only(job: dg.JobDefinition, steps: Iterable[dg.AssetKey]) -> dg.JobDefinition:
    """The job ``update`` limited to these assets and the checks that they record themselves.

    By its ``asset_selection`` alone, Dagster would add the separate checks of these assets.
    """
    chosen = set(steps)
    graph = job.asset_layer.asset_graph
    checks = {check for check in graph.asset_check_keys if check.asset_key in chosen}
    return job.get_subset(asset_selection=chosen, asset_check_selection=checks)
