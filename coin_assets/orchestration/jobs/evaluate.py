"""The job ``evaluate``: scores of matured forecasts."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import dagster as dg

from coin_assets.orchestration.jobs.one_op import BACKGROUND

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import (
        UnresolvedAssetJobDefinition,
    )


def evaluate_job(evaluations: Sequence[dg.AssetsDefinition]) -> "UnresolvedAssetJobDefinition":
    """The job ``evaluate``: all evaluation assets, which have no partitions."""
    return dg.define_asset_job(
        "evaluate",
        selection=dg.AssetSelection.assets(*evaluations),
        tags=BACKGROUND,
        description=(
            "Score the matured forecasts of champion and challenger beside the naive forecast, "
            "look for drift, and judge the challenger. A sensor launches it once a day."
        ),
    )
