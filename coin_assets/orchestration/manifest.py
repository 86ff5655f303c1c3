"""The asset of the manifest, and the event of a rewritten one."""

import dagster as dg

from coin_assets.domain.json_format import Document
from coin_assets.domain.layers import PUBLISHED
from coin_assets.domain.publishing.root import MANIFEST, shard_in
from coin_assets.domain.shards import ALONE, Shard
from coin_assets.orchestration.assets.specs import OWNERS, SeriesAssets

_NAME = MANIFEST.removesuffix(".json")


def manifest_key(shard: Shard) -> dg.AssetKey:
    """``manifest``; each of several shards has its own: ``manifest/shard_1``."""
    return dg.AssetKey([_NAME] if shard.is_alone else [_NAME, f"shard_{shard.number}"])


def manifest(specs: tuple[SeriesAssets, ...], shard: Shard = ALONE) -> dg.AssetSpec:
    """The asset of the manifest; each published asset rewrites it and reports the event."""
    return dg.AssetSpec(
        manifest_key(shard),
        deps=[spec.asset_key(PUBLISHED) for spec in specs],
        description=(
            "manifest.json: which files may be served, their age, and the state of the pipeline. "
            "Every materialization of a published asset rewrites it."
        ),
        owners=OWNERS,
        kinds={"json"},
        group_name="manifest",
        tags={"layer": PUBLISHED},
    )


def manifest_materialization(
    document: Document, description: str, failures: int = 0
) -> dg.AssetMaterialization:
    """The materialization of a rewritten manifest; the UI plots its counts by status.

    Args:
        failures: number of series that failed in the run that rewrote it.
    """
    metadata = {**document["ops"]["summary"], "failures": failures}
    key = manifest_key(shard_in(document))
    return dg.AssetMaterialization(key, description=description, metadata=metadata)
