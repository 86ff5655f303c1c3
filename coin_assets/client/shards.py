"""The manifest of a published folder, or those of its shards in one."""

import re

from coin_assets.client.errors import PublishedError
from coin_assets.client.manifest import Manifest, damaged, text_of
from coin_assets.client.sources import Source
from coin_assets.files.strict_json import CONTENT_ERRORS, document_of

MANIFEST, ROOT_VERSION = "manifest.json", 3
_LISTED = re.compile(rf"(?P<folder>shard=[0-9]+)/{re.escape(MANIFEST)}")
_MOST_BYTES = 1 << 26


def newest_manifest(source: Source) -> Manifest:
    """What the manifest lists; if it is a root manifest, what those of all shards list.

    A shard whose manifest cannot be read hides its own series alone.

    Raises:
        Unreadable, UnknownVersion, Damaged: of the manifest, or of those of all shards.
    """
    content, name = source.read(MANIFEST, _MOST_BYTES), f"{source}/{MANIFEST}"
    folders = _folders_in(content, name)
    if folders is None:
        return Manifest.parse(content, name)
    shards, unread = list[Manifest](), dict[str, PublishedError]()
    for folder in folders:
        path = f"{folder}/{MANIFEST}"
        try:
            own = Manifest.parse(source.read(path, _MOST_BYTES), f"{source}/{path}")
            shards.append(own.below(folder))
        except PublishedError as error:
            unread[folder] = error
    if not shards:
        raise next(iter(unread.values()))
    return Manifest.merged(shards, unread)


def _folders_in(content: bytes, name: str) -> list[str] | None:
    """Folders of the shards, if ``content`` is a root manifest; None if it is another document."""
    try:
        document = document_of(content)
    except CONTENT_ERRORS:
        return None
    if document.get("version") != ROOT_VERSION or "shards" not in document:
        return None
    try:
        found = [_LISTED.fullmatch(text_of(each, "manifest")) for each in document["shards"]]
        folders = [each["folder"] for each in found if each]
        if not folders or None in found:
            raise ValueError("a shard's manifest is none of shard=<number>/manifest.json")
    except CONTENT_ERRORS as error:
        raise damaged(name, error) from error
    return folders
