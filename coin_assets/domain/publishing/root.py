"""The root manifest of an installation with shards: it lists the manifests of the shards.

It depends on the number of shards alone, so every shard writes the same bytes, without a lock. An
installation without shards has one manifest, of the version below.
"""

import re
from collections.abc import Mapping

from coin_assets.domain.json_format import Document
from coin_assets.domain.shards import ALONE, Shard, folder_of

MANIFEST = "manifest.json"
ROOT_VERSION = 3  # readers that know one manifest alone refuse it by its version
_FOLDER = re.compile(r"shard=[0-9]+")


def root_document(count: int) -> Document:
    """The root manifest of ``count`` shards."""
    listed = [
        {"shard": number, "manifest": f"{folder_of(number)}/{MANIFEST}"} for number in range(count)
    ]
    return {"version": ROOT_VERSION, "shards": listed}


def shard_folders(document: Mapping[str, object]) -> list[str] | None:
    """Folders of the shards that a root manifest lists; None for another document.

    Raises:
        LookupError, TypeError, ValueError: it breaks the contract.
    """
    if document.get("version") != ROOT_VERSION or "shards" not in document:
        return None
    folders = []
    shards = document["shards"]
    if not isinstance(shards, list) or not shards:
        raise ValueError("shards is no list of shards")
    for each in shards:
        folder, _, name = str(each["manifest"]).rpartition("/")
        if name != MANIFEST or not _FOLDER.fullmatch(folder):
            raise ValueError(f"{each['manifest']!r:.100} is no manifest of a shard")
        folders.append(folder)
    return folders


def shard_fields(shard: Shard) -> Document:
    """What the manifest of a shard says of it; nothing without shards."""
    return {} if shard.is_alone else {"shard": {"number": shard.number, "of": shard.count}}


def shard_in(document: Document) -> Shard:
    """Inverse of `shard_fields`."""
    fields = document.get("shard")
    return ALONE if fields is None else Shard(fields["number"], fields["of"])
