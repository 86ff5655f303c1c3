"""The bytes of published files: how they are written, and what one must hold."""

import hashlib
import json
from pathlib import Path

from coin_assets.domain.json_format import Document, parse_time
from coin_assets.domain.publishing.documents import identity_of, require_content
from coin_assets.domain.publishing.manifest_entries import PublishedFile
from coin_assets.domain.series import Series
from coin_assets.errors import CorruptArtefact
from coin_assets.files.checksummed_json import parsed, require_same
from coin_assets.files.strict_json import CONTENT_ERRORS, shown

REPUBLISHED = "publish_due publishes it again."  # the remedy


def published_file(name: str, content: bytes, document: Document) -> PublishedFile:
    """Name, checksum, size in bytes and data time of a published file.

    Args:
        name: of the file in the published folder.
        content: its bytes.
        document: its JSON values.

    Raises:
        KeyError, TypeError, ValueError: ``as_of`` in ``document`` is not a time.
    """
    digest = hashlib.sha256(content).hexdigest()
    return PublishedFile(name, digest, len(content), parse_time(document["as_of"]))


def json_bytes(document: Document, indent: int | None = None) -> bytes:
    """JSON in UTF-8 with a final newline; compact without ``indent``.

    Raises:
        ValueError: a number is NaN or infinite.
    """
    separators = (",", ":") if indent is None else (",", ": ")
    text = json.dumps(document, indent=indent, separators=separators, allow_nan=False)
    return (text + "\n").encode()


def required_document(kind: str, series: Series, path: Path, content: bytes) -> Document:
    """The document of a published file of ``series``.

    Raises:
        CorruptArtefact: it is none, or that of another series or kind.
    """
    document = parsed(path, content, REPUBLISHED)
    require_same(path, document, identity_of(kind, series), REPUBLISHED)
    try:
        require_content(kind, series, document)
    except CONTENT_ERRORS as error:
        raise CorruptArtefact(f"{path} cannot be read ({shown(error)}). {REPUBLISHED}") from error
    return document
