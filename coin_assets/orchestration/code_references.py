"""Where the function of an asset is written, for the web UI."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg

CODE_REFERENCES = "dagster/code_references"


def with_sources(assets: Sequence[dg.AssetsDefinition]) -> list[dg.AssetsDefinition]:
    """``assets`` with file and line of their functions, which the web UI shows.

    `dagster.with_source_code_references` reads and parses the source of each asset's function for
    this, a quarter of the time that the definitions take.
    """
    return [asset.map_asset_specs(partial(_with_source, _source_of(asset))) for asset in assets]


def _with_source(source: dg.CodeReferencesMetadataValue, spec: dg.AssetSpec) -> dg.AssetSpec:
    return spec.merge_attributes(metadata={CODE_REFERENCES: source})


def _source_of(asset: dg.AssetsDefinition) -> dg.CodeReferencesMetadataValue:
    compute: Any = asset.op.compute_fn
    code = compute.decorated_fn.__code__
    file = str(Path(code.co_filename).absolute())
    line = dg.LocalFileCodeReference(file_path=file, line_number=code.co_firstlineno)
    return dg.CodeReferencesMetadataValue(code_references=[line])
