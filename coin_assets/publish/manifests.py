"""Reads the manifest of a published folder, or those of all its shards."""

from pathlib import Path

from coin_assets.domain.json_format import Document
from coin_assets.domain.publishing.root import MANIFEST, shard_folders
from coin_assets.errors import CorruptArtefact
from coin_assets.files.checksummed_json import parsed
from coin_assets.files.strict_json import CONTENT_ERRORS, content_of, shown


def manifests_in(folder: Path, remedy: str) -> list[Document]:
    """The manifest, or those that the root lists and that exist, the oldest first.

    A series that moves to another shard may be listed twice; the newer manifest counts.

    Raises:
        FileNotFoundError: nothing was published yet.
        MachineFault, CorruptArtefact: a manifest cannot be read, or is no JSON document.
    """
    path = folder / MANIFEST
    root = parsed(path, content_of(path, remedy), remedy)
    try:
        folders = shard_folders(root)
    except CONTENT_ERRORS as error:
        raise CorruptArtefact(f"{path} breaks the contract ({shown(error)}). {remedy}") from error
    if folders is None:
        return [root]
    found = []
    for name in folders:
        own = folder / name / MANIFEST
        try:
            found.append(parsed(own, content_of(own, remedy), remedy))
        except FileNotFoundError:
            continue  # its shard has not begun
    if not found:
        raise FileNotFoundError(f"no shard has published in {folder} yet")
    return sorted(found, key=lambda each: str(each.get("generated_at")))
