"""The job ``update``: all steps of a month, from candles to published files."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import (
        UnresolvedAssetJobDefinition,
    )


def update_job(assets: Sequence[dg.AssetsDefinition]) -> "UnresolvedAssetJobDefinition":
    """All steps of a month, from candles to published files."""
    return dg.define_asset_job(
        "update",
        selection=dg.AssetSelection.assets(*assets),
        description=(
            "Fetch and derive candles of the chosen month, make sure its models exist, fill its "
            "forecasts and publish. Launch it with a partition (a month) or a range of them."
        ),
    )
